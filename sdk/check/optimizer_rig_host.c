/* The host's services with checks around them: scratch memory between guard pages and full of
 * NaN, calls in the wrong callback, metrics that were never declared, memory that runs out when
 * the test says so. */
#include "check/optimizer_rig_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rig_fault(optimizer_rig *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&r->lock);
    if (!r->fault[0]) {
        vsnprintf(r->fault, sizeof r->fault, format, arguments);
    }
    pthread_mutex_unlock(&r->lock);
    va_end(arguments);
}

static rig_node *node_from(assay_ctx *ctx)
{
    return ((instance *)(void *)ctx)->hooks.self; /* ctx is its first member */
}

/* 64-byte aligned as promised, so up to 63 bytes lie between its end and the page behind it.
 * Full of NaN. */
static void *scratch_map(optimizer_rig *r, size_t bytes)
{
    const size_t worker = r->team ? team_worker(r->team) : 0, room = (bytes + 63) / 64 * 64;
    rig_scratch *s = calloc(1, sizeof *s);
    if (!s || worker >= RIG_MAX_THREADS || guarded_new(room, GUARD_AFTER, &s->memory, NULL) != OK) {
        free(s);
        return NULL;
    }
    if (room) {
        memset(s->memory.at, 0xff, room);
    }
    s->next = r->scratch[worker];
    r->scratch[worker] = s;
    return s->memory.at;
}

void rig_scratch_free(optimizer_rig *r, size_t worker)
{
    while (r->scratch[worker]) {
        rig_scratch *s = r->scratch[worker];
        r->scratch[worker] = s->next;
        guarded_free(&s->memory);
        free(s);
    }
}

static bool runs_out(optimizer_rig *r)
{
    pthread_mutex_lock(&r->lock);
    const bool is_failing = r->update && ++r->n_scratch == r->update->failing_scratch;
    pthread_mutex_unlock(&r->lock);
    return is_failing;
}

static void *rig_host_scratch(assay_ctx *ctx, uint64_t bytes)
{
    optimizer_rig *r = node_from(ctx)->rig;
    if (!r->callback) {
        rig_fault(r, "host->scratch was called outside of a callback; a plugin makes no threads");
        return NULL;
    }
    return bytes > SIZE_MAX / 4 || runs_out(r) ? NULL : scratch_map(r, (size_t)bytes);
}

static void *rig_host_alloc(assay_ctx *ctx, uint64_t bytes)
{
    optimizer_rig *r = node_from(ctx)->rig;
    if (r->is_worker) {
        rig_fault(r,
            "%s called host->alloc, which is [control]; %s is [worker]: take host->scratch, or "
            "declare a slot",
            r->callback, r->callback);
    }
    return runs_out(r) ? NULL : r->host_before->alloc(ctx, bytes);
}

static int rig_host_metric(assay_ctx *ctx, uint64_t i_metric, uint64_t i_tensor, double v)
{
    const rig_node *k = node_from(ctx);
    optimizer_rig *r = k->rig;
    const uint64_t stride = k->ops->metric_stride;
    if (i_metric >= k->ops->n_metrics) {
        rig_fault(r, "%s reported metric %llu, but %llu are declared (.metrics)", r->callback,
            (unsigned long long)i_metric, (unsigned long long)k->ops->n_metrics);
        return ASSAY_E_INVALID;
    }
    const assay_metric_row *row =
        (const void *)((const char *)k->ops->metrics + (size_t)i_metric * stride);
    bool is_known = !row->per_tensor && i_tensor == UINT64_MAX;
    for (size_t i = 0; row->per_tensor && i < r->n; i++) {
        is_known |= r->tensor[i].index == i_tensor;
    }
    if (!is_known) {
        rig_fault(r, "%s reported metric \"%s\" with i_tensor %llu; expected %s", r->callback,
            row->name, (unsigned long long)i_tensor,
            row->per_tensor ? "the index of a tensor of the group, since it is per tensor"
                            : "UINT64_MAX, since it is one for the model");
    } else if (!isfinite(v) && !(r->update && r->update->tolerates_nan)) {
        rig_fault(r, "%s reported metric \"%s\" as %g at finite weights and gradients", r->callback,
            row->name, v);
    }
    pthread_mutex_lock(&r->lock);
    r->n_metrics++;
    pthread_mutex_unlock(&r->lock);
    return ASSAY_OK;
}

static void count_random(assay_ctx *ctx, uint64_t n)
{
    optimizer_rig *r = node_from(ctx)->rig;
    pthread_mutex_lock(&r->lock);
    r->n_random += (size_t)n;
    pthread_mutex_unlock(&r->lock);
}

static void rig_host_random(
    assay_ctx *ctx, uint64_t stream, uint64_t index, uint32_t *out, uint64_t n)
{
    count_random(ctx, n);
    node_from(ctx)->rig->host_before->random_u32(ctx, stream, index, out, n);
}

static void rig_host_uniform(
    assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n)
{
    count_random(ctx, n);
    node_from(ctx)->rig->host_before->uniform_f32(ctx, stream, index, out, n);
}

static void rig_host_normal(assay_ctx *ctx, uint64_t stream, uint64_t index, float *out, uint64_t n)
{
    count_random(ctx, n);
    node_from(ctx)->rig->host_before->normal_f32(ctx, stream, index, out, n);
}

static void set_host(rig_node *k, const assay_host *host)
{
    k->instance->ctx.host = host;
    for (size_t i = 0; i < k->n_nested; i++) {
        set_host(&k->nested[i], host);
    }
}

void rig_host_open(optimizer_rig *r)
{
    r->host_before = r->root.instance->ctx.host;
    r->host = *r->host_before;
    r->host.scratch = rig_host_scratch;
    r->host.alloc = rig_host_alloc;
    r->host.metric = rig_host_metric;
    r->host.random_u32 = rig_host_random;
    r->host.uniform_f32 = rig_host_uniform;
    r->host.normal_f32 = rig_host_normal;
    set_host(&r->root, &r->host);
}

void rig_host_close(optimizer_rig *r)
{
    if (r->host_before) {
        set_host(&r->root, r->host_before);
    }
}
