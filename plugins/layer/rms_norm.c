/* rms_norm: the features of every row divided by their root mean square, then scaled.
 *
 *   y = g n,  n = x s,  s = 1 / sqrt(mean(x^2) + eps)        any shape, kept
 *   dx = s (a - n mean(a n)), a = dy g;  dg = sum over rows of dy n
 *
 * The mean is over all features of the row. Zhang and Sennrich 2019, "Root mean square layer
 * normalization", equation 4: layer_norm without its mean, gain without bias. eps, which the equation
 * lacks, stands below the root as in layer_norm; its default is that of T5 (Raffel et al. 2020).
 * Sums are in double. */
#include "shared/norm.h"

#include <string.h>

struct rms_norm {
    double eps;
    int64_t affine;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(
        rms_norm, eps, 1e-6, 0, ASSAY_INF, "added to the mean square", .flags = ASSAY_OPEN_MIN),
    ASSAY_BOOL(rms_norm, affine, 1, "train a gain for each feature"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct rms_norm *h = hyper;
    int code = elementwise_plan(ctx, hyper, plan);
    if (code != ASSAY_OK) return code;
    const int64_t i_saved = plan->saved(plan, 1, 0);
    if (i_saved < 0 || !h->affine) return i_saved < 0 ? (int)i_saved : ASSAY_OK;
    code = norm_params(plan, plan->out, 0);
    if (code != ASSAY_OK) return code;
    const uint64_t bytes = assay_shape_size(&plan->out) * sizeof(double);
    const int64_t i_scratch = plan->scratch(plan, 0, bytes);
    return i_scratch < 0 ? (int)i_scratch : ASSAY_OK;
}

static inline float scale_of(const float *x, uint64_t n, double eps)
{
    double lane[NORM_LANES] = { 0 };
    for (uint64_t i = 0; i < n; i += NORM_LANES) {
        const uint64_t m = n - i < NORM_LANES ? n - i : NORM_LANES;
        for (uint64_t k = 0; k < m; k++) {
            lane[k] += (double)x[i + k] * (double)x[i + k];
        }
    }
    return (float)(1 / sqrt(norm_lanes(lane) / (double)n + eps));
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct rms_norm *h = hyper;
    const uint64_t n = assay_shape_size(io->out_shape), rows = io_rows(io);
    (void)ctx;
    for (uint64_t i = 0; i < rows; i++) {
        const float *x = (const float *)io->x[0] + i * n;
        float *y = io->y + i * n;
        const float scale = scale_of(x, n, h->eps);
        if (io->training) io->saved[0][i] = scale;
        for (uint64_t j = 0; j < n; j++) {
            y[j] = x[j] * scale;
        }
        for (uint64_t j = 0; h->affine && j < n; j++) {
            y[j] *= io->param[NORM_GAIN][j];
        }
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static void input_gradient(const assay_io *io, const float *gain, uint64_t n)
{
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *x = (const float *)io->x[0] + i * n, *dy = io->dy + i * n;
        const norm_row r = { .scale = io->saved[0][i] };
        float *dx = io->dx[0] + i * n;
        double sum, product;
        norm_sums(dy, gain, x, r, n, &sum, &product);
        const float slope = (float)(product / (double)n);
        for (uint64_t j = 0; j < n; j++) {
            const float a = gain ? dy[j] * gain[j] : dy[j];
            dx[j] = r.scale * (a - x[j] * r.scale * slope);
        }
    }
}

ASSAY_MULTIVERSION static void gain_gradient(const assay_io *io, uint64_t n)
{
    double *sum = io->scratch[0]; // [n]
    memset(sum, 0, n * sizeof *sum);
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const norm_row r = { .scale = io->saved[0][i] };
        norm_add_gain(io->dy + i * n, (const float *)io->x[0] + i * n, r, n, sum);
    }
    norm_store(io, NORM_GAIN, sum, n);
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct rms_norm *h = hyper;
    const uint64_t n = assay_shape_size(io->out_shape);
    (void)ctx;
    if (h->affine && io->dparam[NORM_GAIN]) gain_gradient(io, n);
    if (io->dx[0]) input_gradient(io, h->affine ? io->param[NORM_GAIN] : NULL, n);
    return ASSAY_OK;
}

ASSAY_LAYER(rms_norm, "0.1.0", "the features of a row to root mean square 1",
    ASSAY_HYPERS(rms_norm, hypers), .plan = plan, .forward = forward, .backward = backward);
