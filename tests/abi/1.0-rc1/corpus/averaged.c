/* averaged: gradient descent that is evaluated at the running mean of its weights.
 *
 *   w <- w - lr g;  mean <- mean + (w - mean) / t;  evaluated at mean
 *
 * Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging". */
#include <assay/plugin.h>

#include <string.h>

struct averaged {
    double lr;
};

static const assay_hyper hypers[] = { ASSAY_LR(averaged, 0.1, 1e-3, 1) };
static const assay_slot slots[] = { { .name = "mean" } };

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct averaged *h = hyper;
    const float lr = (float)h->lr, share = 1 / (float)step->t;
    float *mean = s->slot[0];
    (void)ctx;
    for (uint64_t i = 0; i < s->n; i++) {
        s->w[i] -= lr * s->g[i];
        mean[i] += share * (s->w[i] - mean[i]);
    }
    return ASSAY_OK;
}

static int eval_weights(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, float *out)
{
    (void)ctx;
    (void)hyper;
    memcpy(out, step->t ? s->slot[0] : s->w, s->n * sizeof *out);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(averaged, "0.1.0", "gradient descent evaluated at the mean",
    ASSAY_HYPERS(averaged, hypers), .elem = update, .eval_weights = eval_weights,
    ASSAY_SLOTS(slots));
