/* sigmoid: the logistic function.
 *
 *   y = 1 / (1 + exp(-x)),  dx = dy y (1 - y)        any shape, kept
 *
 * The derivative is taken from y, which is kept anyway. As the last layer before a loss on
 * yes-or-no targets rather use none and the loss bce_logits, which is stable where this
 * saturates. */
#include "shared/elementwise.h"

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float *x = io->x[0];
    float *y = io->y;
    const uint64_t n = io_size(io);
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        y[i] = assay_sigmoid(x[i]);
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float *y = io->y, *dy = io->dy;
    float *dx = io->dx[0];
    const uint64_t n = dx ? io_size(io) : 0;
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        dx[i] = dy[i] * y[i] * (1 - y[i]);
    }
    return ASSAY_OK;
}

ASSAY_LAYER(sigmoid, "0.1.0", "logistic function", ASSAY_NO_HYPERS, .plan = elementwise_plan,
    .forward = forward, .backward = backward);
