/* A layer without backward. */
#include "bad.h"

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    return ASSAY_OK;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    return ASSAY_OK;
}

ASSAY_LAYER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .plan = plan, .forward = forward);
