/* layer_norm: the features of every row brought to mean 0 and variance 1, then scaled and shifted.
 *
 *   y = g n + b,  n = (x - m) s,  s = 1 / sqrt(v + eps)        any shape, kept
 *   m and v: mean and (biased) variance over all features of the row
 *   dx = s (a - mean a - n mean(a n)), a = dy g;  dg = sum of dy n, db = sum of dy, over rows
 *
 * Ba, Kiros and Hinton 2016, "Layer normalization", equations 3 and 4. As PyTorch's LayerNorm over the
 * whole shape of a row; eps and the place where it stands are PyTorch's. Sums are in double. */
#include "shared/norm.h"

#include <string.h>

struct layer_norm {
    double eps;
    int64_t affine;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(
        layer_norm, eps, 1e-5, 0, ASSAY_INF, "added to the variance", .flags = ASSAY_OPEN_MIN),
    ASSAY_BOOL(layer_norm, affine, 1, "train a gain and a bias for each feature"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct layer_norm *h = hyper;
    int code = elementwise_plan(ctx, hyper, plan);
    if (code != ASSAY_OK) return code;
    const int64_t i_saved = plan->saved(plan, sizeof(norm_row) / sizeof(float), 0);
    if (i_saved < 0 || !h->affine) return i_saved < 0 ? (int)i_saved : ASSAY_OK;
    code = norm_params(plan, plan->out, 1);
    if (code != ASSAY_OK) return code;
    const uint64_t bytes = assay_shape_size(&plan->out) * sizeof(double);
    const int64_t i_scratch = plan->scratch(plan, 0, bytes);
    return i_scratch < 0 ? (int)i_scratch : ASSAY_OK;
}

/* The sum of (x[i] - mean)^power, power 1 or 2. */
static inline double sum_about(const float *x, uint64_t n, double mean, int power)
{
    double lane[NORM_LANES] = { 0 };
    for (uint64_t i = 0; i < n; i += NORM_LANES) {
        const uint64_t m = n - i < NORM_LANES ? n - i : NORM_LANES;
        for (uint64_t k = 0; k < m; k++) {
            const double d = (double)x[i + k] - mean;
            lane[k] += power == 2 ? d * d : d;
        }
    }
    return norm_lanes(lane);
}

static inline norm_row measure(const float *x, uint64_t n, double eps)
{
    const double mean = sum_about(x, n, 0, 1) / (double)n;
    const double variance = sum_about(x, n, mean, 2) / (double)n;
    const float shift = (float)mean;
    return (norm_row){ shift, (float)(mean - (double)shift), (float)(1 / sqrt(variance + eps)) };
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct layer_norm *h = hyper;
    const uint64_t n = assay_shape_size(io->out_shape), rows = io_rows(io);
    (void)ctx;
    for (uint64_t i = 0; i < rows; i++) {
        const float *x = (const float *)io->x[0] + i * n;
        float *y = io->y + i * n;
        const norm_row r = measure(x, n, h->eps);
        if (io->training) memcpy(io->saved[0] + 3 * i, &r, sizeof r);
        for (uint64_t j = 0; j < n; j++) {
            y[j] = normal(x[j], r);
        }
        for (uint64_t j = 0; h->affine && j < n; j++) {
            y[j] = io->param[NORM_GAIN][j] * y[j] + io->param[NORM_BIAS][j];
        }
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static void input_gradient(const assay_io *io, const float *gain, uint64_t n)
{
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *x = (const float *)io->x[0] + i * n, *dy = io->dy + i * n;
        float *dx = io->dx[0] + i * n;
        double sum, product;
        norm_row r;
        memcpy(&r, io->saved[0] + 3 * i, sizeof r);
        norm_sums(dy, gain, x, r, n, &sum, &product);
        const float mean = (float)(sum / (double)n), slope = (float)(product / (double)n);
        for (uint64_t j = 0; j < n; j++) {
            const float a = gain ? dy[j] * gain[j] : dy[j];
            dx[j] = r.scale * (a - mean - normal(x[j], r) * slope);
        }
    }
}

/* Of the gain or of the bias. */
ASSAY_MULTIVERSION static void param_gradient(const assay_io *io, uint64_t i_param, uint64_t n)
{
    double *sum = io->scratch[0]; // [n]
    memset(sum, 0, n * sizeof *sum);
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *x = (const float *)io->x[0] + i * n, *dy = io->dy + i * n;
        norm_row r;
        memcpy(&r, io->saved[0] + 3 * i, sizeof r);
        if (i_param == NORM_GAIN) {
            norm_add_gain(dy, x, r, n, sum);
        } else {
            norm_add(dy, n, sum);
        }
    }
    norm_store(io, i_param, sum, n);
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct layer_norm *h = hyper;
    const uint64_t n = assay_shape_size(io->out_shape);
    (void)ctx;
    for (uint64_t i = 0; h->affine && i <= NORM_BIAS; i++) {
        if (io->dparam[i]) param_gradient(io, i, n);
    }
    if (io->dx[0]) input_gradient(io, h->affine ? io->param[NORM_GAIN] : NULL, n);
    return ASSAY_OK;
}

ASSAY_LAYER(layer_norm, "0.1.0", "the features of a row to mean 0 and variance 1",
    ASSAY_HYPERS(layer_norm, hypers), .plan = plan, .forward = forward, .backward = backward);
