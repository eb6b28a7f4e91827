/* last_step: what a sequence ends with.
 *
 *   y[b] = x[n_b - 1, b],  n_b the real steps of sample b        x [time, batch, ...], y [1, batch, ...]
 *   dx[n_b - 1, b] = dy[b], 0 in all other steps
 *
 * What makes one answer of a sequence behind a recurrent layer, whose state at the end has seen all of
 * it. The last step is that of the sample, not that of the batch: behind it lies padding, which is not
 * looked at. Input of one step is passed on; a stream that has ended has no step and gives 0. */
#include "shared/steps.h"

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = assay_shape_size(io->out_shape);
    (void)ctx;
    (void)hyper;
    for (uint64_t b = 0; b < io->batch; b++) {
        if (steps_of(io, b) == 0) {
            memset(io->y + b * n, 0, n * sizeof(float));
            continue;
        }
        const uint64_t row = (steps_of(io, b) - 1) * io->batch + b;
        memcpy(io->y + b * n, (const float *)io->x[0] + row * n, n * sizeof(float));
    }
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = assay_shape_size(io->out_shape);
    float *dx = io->dx[0];
    (void)ctx;
    (void)hyper;
    if (!dx) return ASSAY_OK;
    memset(dx, 0, io_size(io) * sizeof *dx);
    for (uint64_t b = 0; b < io->batch; b++) {
        if (steps_of(io, b) == 0) continue;
        const uint64_t row = (steps_of(io, b) - 1) * io->batch + b;
        memcpy(dx + row * n, io->dy + b * n, n * sizeof *dx);
    }
    return ASSAY_OK;
}

ASSAY_LAYER(last_step, "0.1.0", "the last step of a sequence", ASSAY_NO_HYPERS,
    .plan = one_step_plan, .forward = forward, .backward = backward);
