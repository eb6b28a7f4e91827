/* Strategies that hold others: the ops of a nested strategy, called for the one that has it.
 *
 * The inner one has a context of its own, so its memory, random numbers and reports are its own; after each call what it has reported is
 * taken, also where nothing went wrong, since that gives its scratch memory back. */
#include "registry/nested.h"

#include <string.h>

static instance *outer_of(assay_ctx *ctx)
{
    return (instance *)(void *)ctx; /* ctx is its first member */
}

/* The nested strategy; NULL with a report where the handle is none. */
static instance *inner_of(assay_ctx *ctx, const assay_instance *handle)
{
    instance *inner = host_nested(outer_of(ctx), handle);
    if (inner && strcmp(inner->component->kind, ASSAY_KIND_SEARCH) == 0) return inner;
    (void)ctx->host->fail(
        ctx, ASSAY_E_INVALID, NULL, "a call of inner_search needs a nested strategy of its own");
    return NULL;
}

static int end_call(assay_ctx *ctx, instance *inner, int code, const char *op)
{
    code = instance_code(inner, code);
    if (code != ASSAY_OK) return host_pass_on(outer_of(ctx), inner, code, op);
    (void)!instance_status(inner, code, op, NULL);
    return code;
}

static const assay_search *ops_of(const instance *inner)
{
    return inner->component->ops;
}

static const char *inner_id(assay_ctx *ctx, const assay_instance *handle)
{
    const instance *inner = inner_of(ctx, handle);
    return inner ? inner->component->id : NULL;
}

static uint64_t inner_can(assay_ctx *ctx, const assay_instance *handle)
{
    const instance *inner = inner_of(ctx, handle);
    return inner ? ops_of(inner)->can : 0;
}

static int inner_open(assay_ctx *ctx, const assay_instance *handle, const assay_search_plan *plan)
{
    instance *i = inner_of(ctx, handle);
    if (!i) return ASSAY_E_INVALID;
    return end_call(ctx, i, ops_of(i)->open(&i->ctx, i->hyper, plan), "open");
}

static int inner_ask(assay_ctx *ctx, const assay_instance *handle, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    instance *i = inner_of(ctx, handle);
    if (!i) return ASSAY_E_INVALID;
    const int code =
        ops_of(i)->ask(&i->ctx, i->hyper, number, want, out, stride, out_n, out_is_over);
    return end_call(ctx, i, code, "ask");
}

static int inner_tell(assay_ctx *ctx, const assay_instance *handle, const assay_event *events,
    uint64_t n, uint64_t stride)
{
    instance *i = inner_of(ctx, handle);
    if (!i) return ASSAY_E_INVALID;
    return end_call(ctx, i, ops_of(i)->tell(&i->ctx, i->hyper, events, n, stride), "tell");
}

static int inner_report(
    assay_ctx *ctx, const assay_instance *handle, const assay_event *event, uint64_t *out_verdict)
{
    instance *i = inner_of(ctx, handle);
    if (!i) return ASSAY_E_INVALID;
    *out_verdict = ASSAY_VERDICT_GO;
    if (!ops_of(i)->report) return ASSAY_OK;
    return end_call(ctx, i, ops_of(i)->report(&i->ctx, i->hyper, event, out_verdict), "report");
}

static int inner_explain(
    assay_ctx *ctx, const assay_instance *handle, uint64_t trial, char *out, uint64_t bytes)
{
    instance *i = inner_of(ctx, handle);
    if (!i) return ASSAY_E_INVALID;
    if (bytes > 0) out[0] = '\0';
    if (!ops_of(i)->explain) return ASSAY_OK;
    return end_call(ctx, i, ops_of(i)->explain(&i->ctx, i->hyper, trial, out, bytes), "explain");
}

static void inner_close(assay_ctx *ctx, const assay_instance *handle)
{
    instance *i = inner_of(ctx, handle);
    if (i) ops_of(i)->close(&i->ctx);
}

static const assay_inner_search table = {
    .struct_size = sizeof(assay_inner_search),
    .id = inner_id,
    .can = inner_can,
    .open = inner_open,
    .ask = inner_ask,
    .tell = inner_tell,
    .report = inner_report,
    .explain = inner_explain,
    .close = inner_close,
};

const assay_inner_search *host_inner_search(void)
{
    return &table;
}
