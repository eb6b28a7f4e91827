/* rezero: a residual connection that begins closed. Two inputs of one shape.
 *
 *   y = x + alpha f          x, f, y [rows, features]; alpha [1], learned, 0 at first
 *   dx = dy;  df = alpha dy;  dalpha = the sum of dy f
 *
 * Bachlechner, Majumder, Mao, Cottrell and McAuley 2021, "ReZero is all you need: fast convergence at large depth",
 * equation 1. The gradient of alpha is summed in double, row after row. Padded rows need no care: their dy is 0. */
#include <assay/plugin.h>

struct rezero {
    double alpha;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(rezero, alpha, 0, -ASSAY_INF, ASSAY_INF, "first value of the branch's share",
        .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct rezero *h = hyper;
    if (plan->n_in != 2) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "takes two inputs, what is kept and what is added: from = ( \"a\", \"b\" )");
    }
    const assay_input *x = assay_plan_in(plan, 0), *f = assay_plan_in(plan, 1);
    if (x->dtype != ASSAY_F32 || f->dtype != ASSAY_F32 ||
        !assay_shape_equal(&x->shape, &f->shape)) {
        return ctx->host->fail(
            ctx, ASSAY_E_SHAPE, NULL, "takes two inputs of numbers, of one shape");
    }
    const assay_param alpha = { .struct_size = sizeof alpha,
        .name = "alpha",
        .shape = { 1, { 1 } },
        .role = ASSAY_ROLE_GAIN,
        .init = "constant",
        .init_value = h->alpha };
    plan->out = x->shape;
    plan->macs = (double)assay_shape_size(&x->shape);
    const int64_t code = plan->param(plan, &alpha);
    return code < 0 ? (int)code : ASSAY_OK;
}

static uint64_t io_size(const assay_io *io)
{
    return io->time * io->batch * assay_shape_size(io->out_shape);
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io_size(io);
    const float *x = io->x[0], *f = io->x[1];
    const float alpha = io->param[0][0];
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        io->y[i] = x[i] + alpha * f[i];
    }
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io_size(io);
    const float *f = io->x[1], *dy = io->dy;
    const float alpha = io->param[0][0];
    double sum = 0;
    (void)ctx;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        sum += (double)dy[i] * (double)f[i];
    }
    for (uint64_t i = 0; io->dx[0] && i < n; i++) {
        io->dx[0][i] = dy[i];
    }
    for (uint64_t i = 0; io->dx[1] && i < n; i++) {
        io->dx[1][i] = alpha * dy[i];
    }
    if (io->dparam[0]) {
        io->dparam[0][0] = (io->accumulate[0] ? io->dparam[0][0] : 0) + (float)sum;
    }
    return ASSAY_OK;
}

ASSAY_LAYER(rezero, "0.1.0", "residual connection that begins closed", ASSAY_HYPERS(rezero, hypers),
    .plan = plan, .forward = forward, .backward = backward);
