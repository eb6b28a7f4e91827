/* leaky_relu: the positive part, and a little of the negative one.
 *
 *   y = x where x > 0, else slope x;  dx = dy where x > 0, else slope dy        any shape, kept
 *
 * Maas, Hannun and Ng 2013, "Rectifier nonlinearities improve neural network acoustic models",
 * equation 3. Default slope: the paper's and PyTorch's 0.01. The sign is taken from x and not from
 * y, which has none where the slope is 0. */
#include "shared/elementwise.h"

struct leaky_relu {
    double slope;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(leaky_relu, slope, 0.01, 0, 1, "slope where x is negative",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 0.001, .tune_max = 0.5),
};

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float slope = (float)((const struct leaky_relu *)hyper)->slope;
    const float *x = io->x[0];
    float *y = io->y;
    const uint64_t n = io_size(io);
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        y[i] = x[i] > 0 ? x[i] : slope * x[i];
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float slope = (float)((const struct leaky_relu *)hyper)->slope;
    const float *x = io->x[0], *dy = io->dy;
    float *dx = io->dx[0];
    const uint64_t n = dx ? io_size(io) : 0;
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        dx[i] = x[i] > 0 ? dy[i] : slope * dy[i];
    }
    return ASSAY_OK;
}

ASSAY_LAYER(leaky_relu, "0.1.0", "the positive part, and a little of the negative one",
    ASSAY_HYPERS(leaky_relu, hypers), .plan = elementwise_plan, .forward = forward,
    .backward = backward);
