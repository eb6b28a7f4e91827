/* silu: the sigmoid-weighted linear unit, also called swish.
 *
 *   y = x s,  dx = dy s (1 + x (1 - s)),  s = 1 / (1 + e^-x)        any shape, kept
 *
 * Elfwing, Uchibe and Doya 2018, "Sigmoid-weighted linear units for neural network function
 * approximation in reinforcement learning", equations 5 and 6. As PyTorch's SiLU. */
#include "shared/elementwise.h"

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float *x = io->x[0];
    float *y = io->y;
    const uint64_t n = io_size(io);
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        y[i] = x[i] * assay_sigmoid(x[i]);
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float *x = io->x[0], *dy = io->dy;
    float *dx = io->dx[0];
    const uint64_t n = dx ? io_size(io) : 0;
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const float s = assay_sigmoid(x[i]);
        dx[i] = dy[i] * s * (1 + x[i] * (1 - s));
    }
    return ASSAY_OK;
}

ASSAY_LAYER(silu, "0.1.0", "the input times its sigmoid", ASSAY_NO_HYPERS, .plan = elementwise_plan,
    .forward = forward, .backward = backward);
