/* relu: the positive part.
 *
 *   y = max(x, 0),  dx = dy where y > 0, else 0        any shape, kept
 *
 * Nair and Hinton 2010, "Rectified linear units improve restricted Boltzmann machines". At 0 the
 * gradient is 0 and NaN passes through in both directions, as in PyTorch, so that a diverged run is
 * seen where it began. */
#include "shared/elementwise.h"

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float *x = io->x[0];
    float *y = io->y;
    const uint64_t n = io_size(io);
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        y[i] = x[i] < 0 ? 0 : x[i];
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
        const float d = dy[i]; // read in any case: a conditional read would not vectorise
        dx[i] = y[i] <= 0 ? 0 : d;
    }
    return ASSAY_OK;
}

ASSAY_LAYER(relu, "0.1.0", "the positive part", ASSAY_NO_HYPERS, .plan = elementwise_plan,
    .forward = forward, .backward = backward);
