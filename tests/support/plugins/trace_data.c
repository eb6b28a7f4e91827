/* trace_data: y = sum of x; one number of one row is finite, and far too large. */
#include <assay/plugin.h>

struct trace_data {
    int64_t samples, at, in_target;
    double size;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(trace_data, samples, 40, 1, 1e6, "rows"),
    ASSAY_INT(trace_data, at, 17, 0, 1e6, "the row"),
    ASSAY_BOOL(trace_data, in_target, 0, "its target, not its second feature"),
    ASSAY_REAL(trace_data, size, 2.5e38, 0, 3.4e38, "the number"),
};

enum { FEATURES = 3 };

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct trace_data *h = hyper;
    const uint64_t n = (uint64_t)h->samples, at = (uint64_t)h->at;
    float *x = ctx->host->alloc(ctx, n * FEATURES * sizeof(float)); // [n, FEATURES]
    float *y = ctx->host->alloc(ctx, n * sizeof(float)); // [n]
    if (!x || !y) return ASSAY_E_NOMEM;
    ctx->host->normal_f32(ctx, 1, 0, x, n * FEATURES);
    for (uint64_t i = 0; i < n * FEATURES; i++)
        y[i / FEATURES] += x[i];
    if (at < n) *(h->in_target ? &y[at] : &x[at * FEATURES + 1]) = (float)h->size;
    out->n_samples = n;
    out->x_shape = (assay_shape){ 1, { FEATURES } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = FEATURES * sizeof(float);
    out->target = ASSAY_TARGET_REAL;
    out->n_targets = 1;
    out->targets = y;
    return ASSAY_OK;
}

ASSAY_DATASET(trace_data, "0.1.0", "a sum with one huge number", ASSAY_HYPERS(trace_data, hypers),
    .open = generate);
