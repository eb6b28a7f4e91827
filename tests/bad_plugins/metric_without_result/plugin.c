/* A metric that gives nothing. */
#include "bad.h"

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    return ASSAY_OK;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    return ASSAY_OK;
}

ASSAY_METRIC(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .plan = plan, .add = add);
