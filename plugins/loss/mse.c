/* mse: the mean squared error.
 *
 *   l = mean over j of (y_j - t_j)^2
 *   dl/dy_j = 2 (y_j - t_j) / outputs        y, t [rows, outputs]
 *
 * PyTorch's MSELoss; no factor 1/2. `features = "sum"` sums over the outputs of a row instead. */
#include "shared/outputs.h"

struct mse {
    int64_t features;
};

static const assay_hyper hypers[] = { FEATURES_ROW(mse) };

static double element(const void *hyper, double y, double target, double *slope)
{
    const double d = y - target;
    (void)hyper;
    *slope = 2 * d;
    return d * d;
}

static int plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    (void)hyper;
    return plan_numbers(ctx, task);
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    const struct mse *h = hyper;
    (void)ctx;
    return output_loss(element, h, h->features, rows, scale, dy, out_sum);
}

ASSAY_LOSS(
    mse, "0.1.0", "mean squared error", ASSAY_HYPERS(mse, hypers), .plan = plan, .loss = loss);
