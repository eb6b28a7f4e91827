/* What layers that look beyond a single step share: which steps of a sample are real, and the plan of
 * those that make one step of a sequence.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_STEPS_H
#define ASSAY_PLUGINS_LAYER_SHARED_STEPS_H

#include "elementwise.h"

#include <string.h>

/* The real steps of a sample; what lies behind them is padding. */
static inline uint64_t steps_of(const assay_io *io, uint64_t sample)
{
    return io->length ? io->length[sample] : io->time;
}

/* row = step * batch + sample */
static inline int is_padding(const assay_io *io, uint64_t row)
{
    return io->length && row / io->batch >= io->length[row % io->batch];
}

/* A whole `plan` of a layer that gives one step of the input's shape. */
static inline int one_step_plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const int code = elementwise_plan(ctx, hyper, plan);
    if (code == ASSAY_OK) plan->time_mode = ASSAY_TIME_ONE;
    return code;
}

#endif
