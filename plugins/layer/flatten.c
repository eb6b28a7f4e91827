/* flatten: the features of a row as one dimension.
 *
 *   y = x, dx = dy        [d_1, ..., d_k] becomes [d_1 * ... * d_k]
 *
 * Row-major, as PyTorch's Flatten. Only the shape changes. */
#include "shared/elementwise.h"

#include <string.h>

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)hyper;
    const int code = require_one_input(ctx, plan);
    if (code == ASSAY_OK) {
        plan->out = (assay_shape){ 1, { assay_shape_size(&assay_plan_in(plan, 0)->shape) } };
    }
    return code;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    memcpy(io->y, io->x[0], io_size(io) * sizeof(float));
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    if (io->dx[0]) memcpy(io->dx[0], io->dy, io_size(io) * sizeof(float));
    return ASSAY_OK;
}

ASSAY_LAYER(flatten, "0.1.0", "features as one dimension", ASSAY_NO_HYPERS, .plan = plan,
    .forward = forward, .backward = backward);
