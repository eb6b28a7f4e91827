/* gain: y = g x with one trained number, read from shared memory that prepare fills, or straight from the parameter.
 *
 *   dx = g dy,  dg = the sum of x dy
 *
 * Both ways give the same bits: a host that forgets to prepare after a change of the weights shows. */
#include <assay/plugin.h>

struct gain {
    int64_t prepared;
};

static const assay_hyper hypers[] = {
    ASSAY_BOOL(gain, prepared, 1, "read what prepare has copied"),
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
    int64_t i = plan->param(plan, &gain);
    if (i >= 0) i = plan->prepared(plan, sizeof(float));
    return i < 0 ? (int)i : ASSAY_OK;
}

static int prepare(assay_ctx *ctx, const void *hyper, const assay_prepare *p)
{
    (void)ctx;
    (void)hyper;
    *(float *)p->prepared[0] = p->param[0][0];
    return ASSAY_OK;
}

static float value(const void *hyper, const assay_io *io)
{
    const struct gain *h = hyper;
    return h->prepared ? *(const float *)io->prepared[0] : io->param[0][0];
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    const float *x = io->x[0], g = value(hyper, io);
    (void)ctx;
    for (uint64_t i = 0; i < n; i++)
        io->y[i] = g * x[i];
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    const float *x = io->x[0], g = value(hyper, io);
    double sum = 0;
    (void)ctx;
    for (uint64_t i = 0; i < n; i++)
        sum += (double)x[i] * io->dy[i];
    for (uint64_t i = 0; io->dx[0] && i < n; i++)
        io->dx[0][i] = g * io->dy[i];
    if (io->dparam[0]) {
        io->dparam[0][0] = (float)(io->accumulate[0] ? io->dparam[0][0] + sum : sum);
    }
    return ASSAY_OK;
}

ASSAY_LAYER(gain, "0.1.0", "one trained gain", ASSAY_HYPERS(gain, hypers), .plan = plan,
    .prepare = prepare, .forward = forward, .backward = backward);
