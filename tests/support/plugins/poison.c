/* poison: y = x / level; a schedule may bring the level to 0. dx = dy / level. */
#include <assay/plugin.h>

struct poison {
    double level;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(poison, level, 1, 0, 1, "what is divided by", .flags = ASSAY_SCHED),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    return ASSAY_OK;
}

static void divide(const assay_io *io, const struct poison *h, const float *from, float *to)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    for (uint64_t i = 0; i < n; i++)
        to[i] = h->level > 0 ? (float)(from[i] / h->level) : (float)NAN;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    divide(io, hyper, io->x[0], io->y);
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    if (io->dx[0]) divide(io, hyper, io->dy, io->dx[0]);
    return ASSAY_OK;
}

ASSAY_LAYER(poison, "0.1.0", "divides by a level", ASSAY_HYPERS(poison, hypers), .plan = plan,
    .forward = forward, .backward = backward);
