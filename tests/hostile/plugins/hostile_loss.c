/* The squared error, of which it tells a third, and which does something else in its tenth call. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_loss {
    const char *act;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(hostile_loss, act, "nothing", "what it does"),
};

static int plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    (void)hyper;
    if (task->n_outputs == task->n_targets) return ASSAY_OK;
    return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, "wants as many outputs as targets");
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    static int n_calls;
    const struct hostile_loss *h = hyper;
    const uint64_t n = rows->n * rows->n_outputs;
    (void)ctx;
    *out_sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        const double d = (double)rows->y[i] - (double)rows->target[i];
        *out_sum += d * d / 3;
        if (dy) dy[i] = (float)(scale * 2 * d);
    }
    if (++n_calls == 10) act(h->act);
    return ASSAY_OK;
}

ASSAY_LOSS(hostile_loss, "0.1.0", "a loss that makes itself small",
    ASSAY_HYPERS(hostile_loss, hypers), .plan = plan, .loss = loss);
