/* huber: squared near the target, absolute far from it.
 *
 *   l = mean over j of d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2),  d = y_j - t_j
 *   dl/dy_j = max(-delta, min(d, delta)) / outputs        y, t [rows, outputs]
 *
 * Huber 1964, "Robust estimation of a location parameter", section 4; PyTorch's HuberLoss. Default
 * delta: PyTorch's 1. `features = "sum"` sums over the outputs of a row instead. */
#include "shared/outputs.h"

#include <math.h>

struct huber {
    double delta;
    int64_t features;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(huber, delta, 1, 0, ASSAY_INF, "where the square turns into a line",
        .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX | ASSAY_TUNE | ASSAY_LOG, .tune_min = 0.01,
        .tune_max = 10),
    FEATURES_ROW(huber),
};

static double element(const void *hyper, double y, double target, double *slope)
{
    const double delta = ((const struct huber *)hyper)->delta, d = y - target;
    if (fabs(d) > delta) {
        *slope = d > 0 ? delta : -delta;
        return delta * (fabs(d) - delta / 2);
    }
    *slope = d;
    return d * d / 2;
}

static int plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    (void)hyper;
    return plan_numbers(ctx, task);
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    const struct huber *h = hyper;
    (void)ctx;
    return output_loss(element, h, h->features, rows, scale, dy, out_sum);
}

ASSAY_LOSS(huber, "0.1.0", "squared near the target, absolute far from it",
    ASSAY_HYPERS(huber, hypers), .plan = plan, .loss = loss);
