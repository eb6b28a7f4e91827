/* Points on a line, by someone who does something else while they are made. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_dataset {
    const char *act;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(hostile_dataset, act, "nothing", "what it does"),
};

enum { SAMPLES = 256, FEATURES = 4 };

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct hostile_dataset *h = hyper;
    float *x = ctx->host->alloc(ctx, SAMPLES * FEATURES * sizeof(float));
    float *y = ctx->host->alloc(ctx, SAMPLES * sizeof(float));
    if (!x || !y) return ASSAY_E_NOMEM;
    act(h->act);
    ctx->host->normal_f32(ctx, 0, 0, x, SAMPLES * FEATURES);
    for (uint64_t i = 0; i < SAMPLES; i++)
        y[i] = x[i * FEATURES] - 0.731f * x[i * FEATURES + 2];
    out->n_samples = SAMPLES;
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

ASSAY_DATASET(hostile_dataset, "0.1.0", "points on a line", ASSAY_HYPERS(hostile_dataset, hypers),
    .open = generate);
