/* Linear data: y = x W + bias + noise N(0, 1), x and W standard normal. Least squares finds W; a model that cannot is broken.
 *
 * Draws come by absolute place from streams numbered by `seed`, so the data does not depend on the run's seed. */
#include <assay/plugin.h>

struct linear {
    int64_t samples, features, targets;
    double bias, noise;
    int64_t seed;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(linear, samples, 1000, 1, 1e9, "how many rows"),
    ASSAY_INT(linear, features, 10, 1, 1e6, "numbers in a row of x"),
    ASSAY_INT(linear, targets, 1, 1, 1e4, "numbers in a row of y"),
    ASSAY_REAL(linear, bias, 0, -ASSAY_INF, ASSAY_INF, "added to every target"),
    ASSAY_REAL(linear, noise, 0.1, 0, ASSAY_INF, "deviation of the targets from the line"),
    ASSAY_INT(linear, seed, 0, 0, 1e15, "of the data, apart from the run's seed"),
};

static int generate(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct linear *h = hyper;
    const assay_host *host = ctx->host;
    const uint64_t n = (uint64_t)h->samples, d = (uint64_t)h->features, k = (uint64_t)h->targets;
    const uint64_t stream = (uint64_t)h->seed * 3;
    float *x = host->alloc(ctx, n * d * sizeof(float)); // [n, d]
    float *W = host->alloc(ctx, d * k * sizeof(float)); // [d, k]
    float *y = host->alloc(ctx, n * k * sizeof(float)); // [n, k]
    if (x == NULL || W == NULL || y == NULL) return ASSAY_E_NOMEM;
    host->normal_f32(ctx, stream, 0, x, n * d);
    host->normal_f32(ctx, stream + 1, 0, W, d * k);
    host->normal_f32(ctx, stream + 2, 0, y, n * k);
    for (uint64_t i = 0; i < n; i++) {
        for (uint64_t c = 0; c < k; c++) {
            double sum = h->bias + h->noise * y[i * k + c];
            for (uint64_t j = 0; j < d; j++)
                sum += (double)x[i * d + j] * W[j * k + c];
            y[i * k + c] = (float)sum;
        }
    }
    out->n_samples = n;
    out->x_shape = (assay_shape){ 1, { d } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = d * sizeof(float);
    out->target = ASSAY_TARGET_REAL;
    out->n_targets = k;
    out->targets = y;
    return ASSAY_OK;
}

ASSAY_DATASET(linear, "0.1.0", "a linear map with noise, to be found by regression",
    ASSAY_HYPERS(linear, hypers), .open = generate);
