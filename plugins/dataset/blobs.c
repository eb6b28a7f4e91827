/* Blobs: k Gaussian clouds, one class each.
 *
 *   centre of class c uniform on [-box, box]^d; sample i: class i mod k, x = centre + spread N(0, 1)
 *
 * As make_blobs of scikit-learn, whose defaults these are. Draws come by absolute place from streams numbered by `seed`, so
 * the data does not depend on the run's seed. */
#include <assay/plugin.h>

struct blobs {
    int64_t samples, classes, features;
    double spread, box;
    int64_t seed;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(blobs, samples, 1000, 1, 1e9, "how many points"),
    ASSAY_INT(blobs, classes, 3, 2, 1e6, "how many clouds, which are the classes"),
    ASSAY_INT(blobs, features, 2, 1, 1e6, "dimensions of the space"),
    ASSAY_REAL(blobs, spread, 1, 0, ASSAY_INF, "deviation of the points from their centre"),
    ASSAY_REAL(blobs, box, 10, 0, ASSAY_INF, "centres lie between -box and box"),
    ASSAY_INT(blobs, seed, 0, 0, 1e15, "of the points, apart from the run's seed"),
};

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct blobs *h = hyper;
    const uint64_t n = (uint64_t)h->samples, k = (uint64_t)h->classes, d = (uint64_t)h->features;
    const uint64_t stream = (uint64_t)h->seed * 2;
    float *x = ctx->host->alloc(ctx, n * d * sizeof(float)); // [n, d]
    float *centre = ctx->host->alloc(ctx, k * d * sizeof(float)); // [k, d]
    int32_t *label = ctx->host->alloc(ctx, n * sizeof(int32_t));
    if (x == NULL || centre == NULL || label == NULL) return ASSAY_E_NOMEM;
    ctx->host->uniform_f32(ctx, stream, 0, centre, k * d);
    ctx->host->normal_f32(ctx, stream + 1, 0, x, n * d);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t c = i % k;
        label[i] = (int32_t)c;
        for (uint64_t j = 0; j < d; j++) {
            const double middle = h->box * (2 * (double)centre[c * d + j] - 1);
            x[i * d + j] = (float)(middle + h->spread * x[i * d + j]);
        }
    }
    out->n_samples = n;
    out->x_shape = (assay_shape){ 1, { d } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = d * sizeof(float);
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = k;
    out->n_targets = 1;
    out->label = label;
    return ASSAY_OK;
}

ASSAY_DATASET(blobs, "0.1.0", "Gaussian clouds, one class each", ASSAY_HYPERS(blobs, hypers),
    .open = generate);
