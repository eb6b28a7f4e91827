/* A reduce phase before a whole tensor. */
#include "bad.h"

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span, double *sums)
{
    return update(ctx, hyper, step, span);
}

ASSAY_OPTIMIZER(
    bad, "1.0", "a doc", ASSAY_NO_HYPERS, .tensor = update, .n_sums = 1, .reduce = reduce);
