/* dropout: while training, each number is set to 0 with probability `rate` and scaled up otherwise.
 *
 *   y = x k,  dx = dy k,  k = 0 with probability rate, else 1 / (1 - rate)
 *   in evaluation y = x        any shape, kept
 *
 * Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, "Dropout: a simple way to
 * prevent neural networks from overfitting"; scaled while training instead of in evaluation
 * ("inverted"), as in PyTorch. The draw of an element is named by its time step, its sample's place
 * in the whole batch and its feature, so it does not depend on how a batch is cut into shards. k is
 * saved: reading it back costs less than drawing it again. Default rate: the paper's for hidden
 * units. */
#include "shared/elementwise.h"

#include <string.h>

struct dropout {
    double rate;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(dropout, rate, 0.5, 0, 1, "probability of dropping a number",
        .flags = ASSAY_OPEN_MAX | ASSAY_TUNE | ASSAY_SCHED, .tune_min = 0, .tune_max = 0.7),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const int code = elementwise_plan(ctx, hyper, plan);
    if (code != ASSAY_OK) return code;
    const int64_t i_saved = plan->saved(plan, assay_shape_size(&plan->out), 0);
    return i_saved < 0 ? (int)i_saved : ASSAY_OK;
}

static int is_active(const struct dropout *h, const assay_io *io)
{
    return io->training && h->rate > 0;
}

/* keep[time, batch, features] = 0 or 1 / (1 - rate) */
ASSAY_MULTIVERSION static void draw(
    assay_ctx *ctx, const struct dropout *h, const assay_io *io, float *keep)
{
    const float rate = (float)h->rate, gain = (float)(1 / (1 - h->rate));
    const uint64_t features = assay_shape_size(io->out_shape), n = io->batch * features;
    for (uint64_t t = 0; t < io->time; t++) {
        const uint64_t place = (t * io->batch_total + io->batch_begin) * features;
        float *k = keep + t * n;
        ctx->host->uniform_f32(ctx, io->draw, place, k, n);
        for (uint64_t i = 0; i < n; i++) {
            k[i] = k[i] < rate ? 0 : gain;
        }
    }
}

ASSAY_MULTIVERSION static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io_size(io);
    const float *x = io->x[0];
    if (!is_active(hyper, io)) {
        memcpy(io->y, x, n * sizeof(float));
        return ASSAY_OK;
    }
    float *keep = io->saved[0];
    draw(ctx, hyper, io, keep);
    for (uint64_t i = 0; i < n; i++) {
        io->y[i] = x[i] * keep[i];
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = io_size(io);
    float *dx = io->dx[0];
    (void)ctx;
    if (!dx) return ASSAY_OK;
    if (!is_active(hyper, io)) {
        memcpy(dx, io->dy, n * sizeof(float));
        return ASSAY_OK;
    }
    const float *keep = io->saved[0];
    for (uint64_t i = 0; i < n; i++) {
        dx[i] = io->dy[i] * keep[i];
    }
    return ASSAY_OK;
}

ASSAY_LAYER(dropout, "0.1.0", "sets numbers to 0 at random while training",
    ASSAY_HYPERS(dropout, hypers), .plan = plan, .forward = forward, .backward = backward);
