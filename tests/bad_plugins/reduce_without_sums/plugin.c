/* A reduce phase without sums. */
#include "bad.h"

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span, double *sums)
{
    return update(ctx, hyper, step, span);
}

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, .reduce = reduce);
