/* limited: y = x, and fails where an |x| is above the limit. */
#include <assay/plugin.h>

#include <string.h>

struct limited {
    double limit;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(limited, limit, 1e3, 0, ASSAY_INF, "the largest |x| that passes"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    return ASSAY_OK;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct limited *h = hyper;
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    const float *x = io->x[0];
    for (uint64_t i = 0; i < n; i++) {
        if (!(fabsf(x[i]) <= h->limit)) {
            return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, "limit", "x is beyond the limit");
        }
    }
    memcpy(io->y, x, n * sizeof *io->y);
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io->time * io->batch * assay_shape_size(io->out_shape);
    (void)ctx;
    (void)hyper;
    if (io->dx[0]) memcpy(io->dx[0], io->dy, n * sizeof *io->dy);
    return ASSAY_OK;
}

ASSAY_LAYER(limited, "0.1.0", "refuses what is too large", ASSAY_HYPERS(limited, hypers),
    .plan = plan, .forward = forward, .backward = backward);
