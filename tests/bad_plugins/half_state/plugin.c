/* create without the rest of the escape hatch. */
#include "bad.h"

static int create(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, .create = create);
