/* sample_dataset: points in the plane, those inside of a circle in one class and those outside in the other, to begin with.
 *
 *   x, y uniform on [-1, 1);  class 1 where x^2 + y^2 < radius^2
 *
 * Say here where the data come from. */
#include <assay/plugin.h>

/* What a config may say; assay reads it and checks it against the table below. */
struct sample_dataset {
    int64_t samples, seed;
    double radius;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(sample_dataset, samples, 1000, 1, 1e8, "how many points"),
    ASSAY_INT(sample_dataset, seed, 0, 0, 1e15, "of the points, apart from the run's seed"),
    ASSAY_REAL(sample_dataset, radius, 0.8, 0, 2, "of the circle", .flags = ASSAY_OPEN_MIN),
};

/* Hands out views: what they point to lives as long as the instance does, as memory of host->alloc. assay cuts the parts, makes
 * batches and standardises. One that reads files has a hyperparameter of type path (ASSAY_STRING with ASSAY_PATH), opens them
 * here, and gives back in `close` what it took elsewhere. */
static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    static const char *const features[] = { "x", "y" };
    static const char *const classes[] = { "outside", "inside" };
    const struct sample_dataset *h = hyper;
    const uint64_t n = (uint64_t)h->samples;
    float *x = ctx->host->alloc(ctx, n * 2 * sizeof *x); // [n, 2]
    int32_t *label = ctx->host->alloc(ctx, n * sizeof *label); // [n]
    if (!x || !label) return ASSAY_E_NOMEM;
    ctx->host->uniform_f32(ctx, (uint64_t)h->seed, 0, x, n * 2);
    for (uint64_t i = 0; i < n; i++) {
        float *p = x + 2 * i;
        p[0] = 2 * p[0] - 1;
        p[1] = 2 * p[1] - 1;
        label[i] = (double)(p[0] * p[0] + p[1] * p[1]) < h->radius * h->radius;
    }
    out->n_samples = n;
    out->x_shape = (assay_shape){ 1, { 2 } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = 2 * sizeof *x;
    out->feature_names = features;
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = 2;
    out->class_names = classes;
    out->n_targets = 1;
    out->label = label;
    return ASSAY_OK;
}

ASSAY_DATASET(sample_dataset, "0.1.0", "points inside and outside of a circle",
    ASSAY_HYPERS(sample_dataset, hypers), .open = generate);
