/* planted: y = sum of x, sample weights 0.5, 1, 1.5, ...; one number of the features or of the targets may be infinite. */
#include <assay/plugin.h>

struct planted {
    int64_t samples, features, classes, weighted, at, in_target;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(planted, samples, 12, 1, 1e6, "rows"),
    ASSAY_INT(planted, features, 3, 1, 1000, "numbers in a row"),
    ASSAY_INT(planted, classes, 0, 0, 1000, "labels instead of a real target; 0: none"),
    ASSAY_BOOL(planted, weighted, 0, "give sample weights"),
    ASSAY_INT(planted, at, -1, -1, 1e6, "the row with an infinite number; -1: none"),
    ASSAY_BOOL(planted, in_target, 0, "plant it in the target"),
};

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct planted *h = hyper;
    const uint64_t n = (uint64_t)h->samples, d = (uint64_t)h->features;
    float *x = ctx->host->alloc(ctx, n * d * sizeof(float)); // [n, d]
    float *y = ctx->host->alloc(ctx, n * sizeof(float));
    float *weight = ctx->host->alloc(ctx, n * sizeof(float));
    int32_t *label = ctx->host->alloc(ctx, n * sizeof(int32_t));
    if (!x || !y || !weight || !label) return ASSAY_E_NOMEM;
    ctx->host->normal_f32(ctx, 1, 0, x, n * d);
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t j = 0; j < d; j++)
            y[i] += x[i * d + j];
        weight[i] = 0.5f * (float)(1 + i % 4);
        label[i] = h->classes ? (int32_t)((i * 7 / 3) % (uint64_t)h->classes) : 0;
    }
    if (h->at >= 0 && (uint64_t)h->at < n) {
        *(h->in_target ? &y[h->at] : &x[(uint64_t)h->at * d]) = (float)ASSAY_INF;
    }
    out->n_samples = n;
    out->x_shape = (assay_shape){ 1, { d } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = d * sizeof(float);
    out->target = h->classes ? ASSAY_TARGET_CLASS : ASSAY_TARGET_REAL;
    out->n_classes = (uint64_t)h->classes;
    out->n_targets = 1;
    out->targets = h->classes ? NULL : y;
    out->label = h->classes ? label : NULL;
    out->weight = h->weighted ? weight : NULL;
    return ASSAY_OK;
}

ASSAY_DATASET(planted, "0.1.0", "a sum with weights and planted infinities",
    ASSAY_HYPERS(planted, hypers), .open = generate);
