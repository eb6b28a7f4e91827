/* elu: the positive part, and below 0 an exponential that saturates.
 *
 *   y = x where x > 0, else alpha (e^x - 1);  dx = dy where x > 0, else dy alpha e^x      any shape, kept
 *
 * Clevert, Unterthiner and Hochreiter 2016, "Fast and accurate deep network learning by exponential
 * linear units (ELUs)", equations 15 and 16. As PyTorch's ELU, alpha included. The
 * exponential is worked out on both sides of 0 and then chosen from, so that loops are vectorised.
 * e^x - 1 is 2 t / (1 - t) with t = tanh(x / 2), which stays accurate near 0. */
#include "shared/elementwise.h"

struct elu {
    double alpha;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(elu, alpha, 1, 0, ASSAY_INF, "-alpha is the limit where x is negative",
        .flags = ASSAY_OPEN_MIN | ASSAY_TUNE | ASSAY_LOG, .tune_min = 0.1, .tune_max = 2),
};

/* e^x - 1, for x <= 0; where x is large it is of no use. */
static inline float exp_less_1(float x)
{
    const float t = assay_tanh(0.5f * x);
    return 2 * t / (1 - t);
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float alpha = (float)((const struct elu *)hyper)->alpha;
    const float *x = io->x[0];
    float *y = io->y;
    const uint64_t n = io_size(io);
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        const float low = alpha * exp_less_1(x[i]);
        y[i] = x[i] > 0 ? x[i] : low;
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const float alpha = (float)((const struct elu *)hyper)->alpha;
    const float *x = io->x[0], *dy = io->dy;
    float *dx = io->dx[0];
    const uint64_t n = dx ? io_size(io) : 0;
    (void)ctx;
    for (uint64_t i = 0; i < n; i++) {
        const float slope = alpha * assay_exp(x[i]);
        dx[i] = dy[i] * (x[i] > 0 ? 1 : slope);
    }
    return ASSAY_OK;
}

ASSAY_LAYER(elu, "0.1.0", "the positive part, and an exponential below 0",
    ASSAY_HYPERS(elu, hypers), .plan = elementwise_plan, .forward = forward, .backward = backward);
