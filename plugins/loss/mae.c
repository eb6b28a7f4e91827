/* mae: the mean absolute error.
 *
 *   l = mean over j of |y_j - t_j|
 *   dl/dy_j = sign(y_j - t_j) / outputs, 0 at 0        y, t [rows, outputs]
 *
 * PyTorch's L1Loss. `features = "sum"` sums over the outputs of a row instead. */
#include "shared/outputs.h"

#include <math.h>

struct mae {
    int64_t features;
};

static const assay_hyper hypers[] = { FEATURES_ROW(mae) };

static double element(const void *hyper, double y, double target, double *slope)
{
    const double d = y - target;
    (void)hyper;
    *slope = d != d ? d : (d > 0) - (d < 0);
    return fabs(d);
}

static int plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    (void)hyper;
    return plan_numbers(ctx, task);
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    const struct mae *h = hyper;
    (void)ctx;
    return output_loss(element, h, h->features, rows, scale, dy, out_sum);
}

ASSAY_LOSS(
    mae, "0.1.0", "mean absolute error", ASSAY_HYPERS(mae, hypers), .plan = plan, .loss = loss);
