/* twins: y = left right x with two trained numbers, either of which may be tied to one of another layer. */
#include <assay/plugin.h>

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    static const char *const names[] = { "left", "right" };
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    for (size_t i = 0; i < ASSAY_COUNT(names); i++) {
        const assay_param p = { .struct_size = sizeof p,
            .name = names[i],
            .shape = { 1, { 1 } },
            .role = ASSAY_ROLE_GAIN,
            .init = "ones",
            .flags = ASSAY_PARAM_TIE };
        const int64_t made = plan->param(plan, &p);
        if (made < 0) return (int)made;
    }
    return ASSAY_OK;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    const float *x = io->x[0];
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++)
        io->y[i] = io->param[0][0] * io->param[1][0] * x[i];
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    const float *x = io->x[0], both = io->param[0][0] * io->param[1][0];
    double sum = 0;
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++)
        sum += (double)x[i] * io->dy[i];
    for (uint64_t i = 0; io->dx[0] && i < n; i++)
        io->dx[0][i] = both * io->dy[i];
    for (size_t i = 0; i < 2; i++) {
        const float d = (float)(sum * io->param[1 - i][0]);
        if (io->dparam[i]) io->dparam[i][0] = io->accumulate[i] ? io->dparam[i][0] + d : d;
    }
    return ASSAY_OK;
}

ASSAY_LAYER(twins, "0.1.0", "two gains", ASSAY_NO_HYPERS, .plan = plan, .forward = forward,
    .backward = backward);
