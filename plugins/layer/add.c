/* add: the sum of two or more inputs of one shape.
 *
 *   y = x_0 + x_1 + ...,  dx_i = dy        shapes all equal, kept
 *
 * What joins the branches of a residual net: He, Zhang, Ren and Sun 2016, "Deep residual learning
 * for image recognition", equation 1. Added in the order of the inputs. */
#include "shared/inputs.h"

#include <string.h>

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)hyper;
    if (plan->n_in < 2) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "adds two or more inputs: name them, as in from = ( \"a\", \"b\" )");
    }
    const int code = require_numbers(ctx, plan);
    if (code != ASSAY_OK) return code;
    plan->out = assay_plan_in(plan, 0)->shape;
    for (uint64_t i = 1; i < plan->n_in; i++) {
        if (!assay_shape_equal(&plan->out, &assay_plan_in(plan, i)->shape)) {
            return fail_shapes(ctx, plan, i, "adds inputs of one shape");
        }
    }
    return ASSAY_OK;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io_size(io);
    float *y = io->y;
    (void)ctx;
    (void)hyper;
    memcpy(y, io->x[0], n * sizeof(float));
    for (uint64_t k = 1; k < io->n_in; k++) {
        const float *x = io->x[k];
        for (uint64_t i = 0; i < n; i++) {
            y[i] += x[i];
        }
    }
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io_size(io);
    (void)ctx;
    (void)hyper;
    for (uint64_t k = 0; k < io->n_in; k++) {
        if (io->dx[k]) memcpy(io->dx[k], io->dy, n * sizeof(float));
    }
    return ASSAY_OK;
}

ASSAY_LAYER(add, "0.1.0", "sum of inputs of one shape", ASSAY_NO_HYPERS, .plan = plan,
    .forward = forward, .backward = backward);
