/* Memory that runs out on demand.
 *
 * A service gets the instance's ctx alone; the way from there to the wrap is the table, its first member. */
#include "check/host_wrap.h"

static host_wrap *wrap_of(const assay_ctx *ctx)
{
    return (host_wrap *)(uintptr_t)(const void *)ctx->host;
}

/* Whether this call is one that fails. */
static bool count(host_wrap *w)
{
    const uint64_t n = atomic_fetch_add(&w->n_calls, 1) + 1;
    return w->fail_at > 0 && n >= w->fail_at;
}

static void *wrapped_alloc(assay_ctx *ctx, uint64_t bytes)
{
    host_wrap *w = wrap_of(ctx);
    return count(w) ? NULL : w->own->alloc(ctx, bytes);
}

static void *wrapped_scratch(assay_ctx *ctx, uint64_t bytes)
{
    host_wrap *w = wrap_of(ctx);
    return count(w) ? NULL : w->own->scratch(ctx, bytes);
}

void host_wrap_begin(host_wrap *w, instance *i)
{
    *w = (host_wrap){ .table = *i->ctx.host, .own = i->ctx.host, .instance = i };
    w->table.alloc = wrapped_alloc;
    w->table.scratch = wrapped_scratch;
    i->ctx.host = &w->table;
}

void host_wrap_end(host_wrap *w)
{
    if (w->instance) w->instance->ctx.host = w->own;
    w->instance = NULL;
}

void host_wrap_fail_at(host_wrap *w, uint64_t k)
{
    atomic_store(&w->n_calls, 0);
    w->fail_at = k;
}

uint64_t host_wrap_calls(host_wrap *w)
{
    return atomic_load(&w->n_calls);
}

bool host_wrap_has_failed(host_wrap *w)
{
    return w->fail_at > 0 && host_wrap_calls(w) >= w->fail_at;
}
