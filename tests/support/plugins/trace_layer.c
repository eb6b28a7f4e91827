/* trace_layer: y = g x, with one trained gain, until in one step a NaN is planted for one sample: in what forward, or what backward
 * hands down, or in the gain's gradient. */
#include <assay/plugin.h>

struct trace_layer {
    int64_t where, step, sample, time;
    double level;
};

enum { NOWHERE, FORWARD, BACKWARD, GRADIENT };

static const assay_hyper hypers[] = {
    ASSAY_INT(trace_layer, where, 0, 0, 3, "nowhere, forward, backward, the gain's gradient"),
    ASSAY_INT(trace_layer, step, 1, 1, 1e6, "the update in which it happens"),
    ASSAY_INT(trace_layer, sample, 0, 0, 1e6, "the sample's place in the batch"),
    ASSAY_INT(trace_layer, time, 0, 0, 1e6, "its step"),
    ASSAY_REAL(trace_layer, level, 0.73, 0, 1, "goes into nothing", .flags = ASSAY_SCHED),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const assay_param gain = { .struct_size = sizeof gain,
        .name = "gain",
        .shape = { 1, { 1 } },
        .role = ASSAY_ROLE_GAIN,
        .init = "ones" };
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    const int64_t i = plan->param(plan, &gain);
    return i < 0 ? (int)i : ASSAY_OK;
}

/* The host's draws are numbered by step: (step << 28) + ... */
static int is_due(const struct trace_layer *h, const assay_io *io, int64_t where)
{
    const uint64_t sample = (uint64_t)h->sample;
    return io->training && h->where == where && (io->draw >> 28) + 1 == (uint64_t)h->step &&
        sample >= io->batch_begin && sample < io->batch_begin + io->batch;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct trace_layer *h = hyper;
    const uint64_t d = assay_shape_size(io->out_shape), n = io->time * io->batch * d;
    const float *x = io->x[0];
    (void)ctx;
    for (uint64_t i = 0; i < n; i++)
        io->y[i] = io->param[0][0] * x[i];
    const uint64_t row = (uint64_t)h->time * io->batch + (uint64_t)h->sample - io->batch_begin;
    if (is_due(h, io, FORWARD)) io->y[row * d + 1] = (float)NAN;
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct trace_layer *h = hyper;
    const uint64_t d = assay_shape_size(io->out_shape), n = io->time * io->batch * d;
    const float *x = io->x[0];
    double sum = 0;
    (void)ctx;
    for (uint64_t i = 0; i < n; i++)
        sum += (double)x[i] * io->dy[i];
    for (uint64_t i = 0; io->dx[0] && i < n; i++)
        io->dx[0][i] = io->param[0][0] * io->dy[i];
    if (io->dx[0] && is_due(h, io, BACKWARD))
        io->dx[0][((uint64_t)h->sample - io->batch_begin) * d] = (float)ASSAY_INF;
    if (is_due(h, io, GRADIENT)) sum = NAN;
    if (io->dparam[0]) io->dparam[0][0] = (float)(io->accumulate[0] ? io->dparam[0][0] + sum : sum);
    return ASSAY_OK;
}

ASSAY_LAYER(trace_layer, "0.1.0", "a gain with a planted NaN", ASSAY_HYPERS(trace_layer, hypers),
    .plan = plan, .forward = forward, .backward = backward);
