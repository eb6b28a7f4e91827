/* running: takes a running mean of all its inputs away; couples the samples of a batch.
 *
 *   training: mean <- 0.9 mean + 0.1 (mean of x);  y = x - mean (after);  dx = dy - 0.1 mean of dy */
#include <assay/plugin.h>

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const assay_buffer mean = {
        .struct_size = sizeof mean, .name = "mean", .size = 1, .init = 0.3
    };
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    plan->couples_samples = 1;
    const int64_t i = plan->buffer(plan, &mean);
    return i < 0 ? (int)i : ASSAY_OK;
}

static double mean_of(const float *x, uint64_t n)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += x[i];
    return sum / (double)n;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    const float *x = io->x[0];
    float *mean = io->buffer[0];
    (void)ctx;
    (void)hyper;
    if (io->training) mean[0] = (float)(0.9 * mean[0] + 0.1 * mean_of(x, n));
    for (uint64_t i = 0; i < n; i++)
        io->y[i] = x[i] - mean[0];
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    (void)ctx;
    (void)hyper;
    if (!io->dx[0]) return ASSAY_OK;
    const float share = (float)(0.1 * mean_of(io->dy, n));
    for (uint64_t i = 0; i < n; i++)
        io->dx[0][i] = io->dy[i] - share;
    return ASSAY_OK;
}

ASSAY_LAYER(running, "0.1.0", "takes a running mean away", ASSAY_NO_HYPERS, .plan = plan,
    .forward = forward, .backward = backward);
