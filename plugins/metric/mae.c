/* mae: the mean absolute error over all outputs of all rows, in the data's own units.
 *
 *   sum of w mean over j of |y_j - t_j| / sum of w        y, t [rows, outputs], w [rows] */
#include "shared/numbers.h"

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    (void)ctx;
    (void)hyper;
    mean_add(fabs, rows, sums);
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    (void)ctx;
    (void)hyper;
    values[0] = mean_of(sums);
    return ASSAY_OK;
}

ASSAY_METRIC(mae, "0.1.0", "mean absolute error", ASSAY_NO_HYPERS, .plan = mean_plan, .add = add,
    .result = result);
