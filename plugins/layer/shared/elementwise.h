/* What layers without parameters share: the checks of their inputs, and the plan of those whose
 * output has the shape of their only input.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_ELEMENTWISE_H
#define ASSAY_PLUGINS_LAYER_SHARED_ELEMENTWISE_H

#include <assay/plugin.h>

/* Refuses tokens: they are names, not amounts. */
static inline int require_numbers(assay_ctx *ctx, const assay_plan *plan)
{
    for (uint64_t i = 0; i < plan->n_in; i++) {
        if (assay_plan_in(plan, i)->dtype != ASSAY_F32) {
            return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
                "the input is tokens, which this layer cannot compute with: put an embedding "
                "before it");
        }
    }
    return ASSAY_OK;
}

/* Exactly one input, of numbers. */
static inline int require_one_input(assay_ctx *ctx, const assay_plan *plan)
{
    if (plan->n_in != 1) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "takes exactly one input: join several with a layer of type add or concat first");
    }
    return require_numbers(ctx, plan);
}

/* A whole `plan` of a layer that keeps the shape and has nothing to declare. */
static inline int elementwise_plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)hyper;
    const int code = require_one_input(ctx, plan);
    if (code == ASSAY_OK) {
        plan->out = assay_plan_in(plan, 0)->shape;
    }
    return code;
}

/* Rows of this shard, and the numbers in all of them. */
static inline uint64_t io_rows(const assay_io *io)
{
    return io->time * io->batch;
}

static inline uint64_t io_size(const assay_io *io)
{
    return io_rows(io) * assay_shape_size(io->out_shape);
}

#endif
