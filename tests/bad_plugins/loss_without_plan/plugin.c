/* A loss that fits everything. */
#include "bad.h"

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    return ASSAY_OK;
}

ASSAY_LOSS(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .loss = loss);
