/* concat: the features of two or more inputs, one after another.
 *
 *   y[row] = x_0[row], x_1[row], ...;  dx_i[row] = its part of dy[row]
 *
 * Along the first feature dimension: vectors are joined end to end; images [channels, height,
 * width] channel by channel, where height and width must agree. PyTorch's torch.cat(..., dim=1) for
 * [batch, features]. */
#include "shared/inputs.h"

#include <string.h>

static int rest_agrees(const assay_shape *a, const assay_shape *b)
{
    assay_shape same = *b;
    same.dim[0] = a->dim[0];
    return assay_shape_equal(a, &same);
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)hyper;
    if (plan->n_in < 2) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "joins two or more inputs: name them, as in from = ( \"a\", \"b\" )");
    }
    const int code = require_numbers(ctx, plan);
    if (code != ASSAY_OK) return code;
    plan->out = assay_plan_in(plan, 0)->shape;
    for (uint64_t i = 1; i < plan->n_in; i++) {
        const assay_shape *in = &assay_plan_in(plan, i)->shape;
        if (!rest_agrees(&plan->out, in)) {
            return fail_shapes(
                ctx, plan, i, "joins inputs that differ in the first dimension alone");
        }
        plan->out.dim[0] += in->dim[0];
    }
    return ASSAY_OK;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t rows = io_rows(io), n_out = assay_shape_size(io->out_shape);
    uint64_t begin = 0;
    (void)ctx;
    (void)hyper;
    for (uint64_t k = 0; k < io->n_in; k++) {
        const uint64_t n = assay_shape_size(io->in_shape + k);
        const float *x = io->x[k]; // [rows, n]
        for (uint64_t i = 0; i < rows; i++) {
            memcpy(io->y + i * n_out + begin, x + i * n, n * sizeof(float));
        }
        begin += n;
    }
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t rows = io_rows(io), n_out = assay_shape_size(io->out_shape);
    uint64_t begin = 0;
    (void)ctx;
    (void)hyper;
    for (uint64_t k = 0; k < io->n_in; k++) {
        const uint64_t n = assay_shape_size(io->in_shape + k);
        float *dx = io->dx[k]; // [rows, n]
        for (uint64_t i = 0; dx && i < rows; i++) {
            memcpy(dx + i * n, io->dy + i * n_out + begin, n * sizeof(float));
        }
        begin += n;
    }
    return ASSAY_OK;
}

ASSAY_LAYER(concat, "0.1.0", "features of several inputs, one after another", ASSAY_NO_HYPERS,
    .plan = plan, .forward = forward, .backward = backward);
