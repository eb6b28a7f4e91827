/* rmse: the root of the mean squared error over all outputs of all rows, in the data's own units.
 *
 *   sqrt(sum of w mean over j of (y_j - t_j)^2 / sum of w)        y, t [rows, outputs], w [rows] */
#include "shared/numbers.h"

static double square(double d)
{
    return d * d;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    (void)ctx;
    (void)hyper;
    mean_add(square, rows, sums);
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    values[0] = sqrt(mean_of(sums));
    return ASSAY_OK;
}

ASSAY_METRIC(rmse, "0.1.0", "root of the mean squared error", ASSAY_NO_HYPERS, .plan = mean_plan,
    .add = add, .result = result);
