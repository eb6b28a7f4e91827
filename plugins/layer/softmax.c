/* softmax: a row's features as probabilities.
 *
 *   y_c = exp(x_c - m) / sum over k of exp(x_k - m),  m = max x
 *   dx_c = y_c (dy_c - sum over k of dy_k y_k)
 *
 * Over all features of a row, whatever their dimensions; the shape is kept. Bridle 1990,
 * "Probabilistic interpretation of feedforward classification network outputs". The shift by m
 * keeps the exponentials in range; sums are in double. Before the loss softmax_xent leave it out:
 * that loss contains it, in a more precise form. */
#include "shared/elementwise.h"

ASSAY_MULTIVERSION static void softmax_row(const float *x, uint64_t n, float *y)
{
    float max = x[0];
    for (uint64_t c = 1; c < n; c++) {
        max = x[c] > max ? x[c] : max;
    }
    for (uint64_t c = 0; c < n; c++) {
        y[c] = assay_exp(x[c] - max);
    }
    double sum = 0;
    for (uint64_t c = 0; c < n; c++) {
        sum += (double)y[c];
    }
    const float factor = (float)(1 / sum);
    for (uint64_t c = 0; c < n; c++) {
        y[c] *= factor;
    }
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = assay_shape_size(io->out_shape), rows = io_rows(io);
    const float *x = io->x[0];
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < rows; i++) {
        softmax_row(x + i * n, n, io->y + i * n);
    }
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = assay_shape_size(io->out_shape), rows = io->dx[0] ? io_rows(io) : 0;
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < rows; i++) {
        const float *y = io->y + i * n, *dy = io->dy + i * n;
        float *dx = io->dx[0] + i * n;
        double dot = 0;
        for (uint64_t c = 0; c < n; c++) {
            dot += (double)dy[c] * (double)y[c];
        }
        for (uint64_t c = 0; c < n; c++) {
            dx[c] = y[c] * (float)((double)dy[c] - dot);
        }
    }
    return ASSAY_OK;
}

ASSAY_LAYER(softmax, "0.1.0", "features as probabilities", ASSAY_NO_HYPERS,
    .plan = elementwise_plan, .forward = forward, .backward = backward);
