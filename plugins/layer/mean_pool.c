/* mean_pool: the mean over the steps of a sequence.
 *
 *   y[b] = 1 / n_b sum over t < n_b of x[t, b],  n_b the real steps of sample b
 *   dx[t, b] = dy[b] / n_b where t < n_b, else 0        x [time, batch, ...], y [1, batch, ...]
 *
 * Every step has the same share, whatever its sample weighs in the loss; padding has none and is not
 * looked at. Sums are in double, step after step. Input of one step is passed on; a
 * stream that has ended has no step and gives 0. */
#include "shared/steps.h"

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const int code = one_step_plan(ctx, hyper, plan);
    if (code != ASSAY_OK) return code;
    const int64_t i_sum = plan->scratch(plan, 0, assay_shape_size(&plan->out) * sizeof(double));
    return i_sum < 0 ? (int)i_sum : ASSAY_OK;
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = assay_shape_size(io->out_shape);
    double *sum = io->scratch[0]; // [n]
    (void)ctx;
    (void)hyper;
    for (uint64_t b = 0; b < io->batch; b++) {
        const uint64_t steps = steps_of(io, b);
        const double n_steps = steps > 0 ? (double)steps : 1;
        memset(sum, 0, n * sizeof *sum);
        for (uint64_t t = 0; t < steps; t++) {
            const float *x = (const float *)io->x[0] + (t * io->batch + b) * n;
            for (uint64_t j = 0; j < n; j++) {
                sum[j] += (double)x[j];
            }
        }
        for (uint64_t j = 0; j < n; j++) {
            io->y[b * n + j] = (float)(sum[j] / n_steps);
        }
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = assay_shape_size(io->out_shape);
    float *dx = io->dx[0];
    (void)ctx;
    (void)hyper;
    if (!dx) return ASSAY_OK;
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const uint64_t b = i % io->batch;
        const float share = (float)(1 / (double)steps_of(io, b));
        if (is_padding(io, i)) {
            memset(dx + i * n, 0, n * sizeof *dx);
            continue;
        }
        for (uint64_t j = 0; j < n; j++) {
            dx[i * n + j] = share * io->dy[b * n + j];
        }
    }
    return ASSAY_OK;
}

ASSAY_LAYER(mean_pool, "0.1.0", "the mean over the steps of a sequence", ASSAY_NO_HYPERS,
    .plan = plan, .forward = forward, .backward = backward);
