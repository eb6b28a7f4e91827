/* Schedule-free SGD: the gradient is taken between the sequence z and its running average x, and x is the answer.
 *
 *   y  = (1 - momentum) z + momentum x                (the weights that are trained)
 *   g' = g(y) + weight_decay y
 *   z <- z - rate g';   rate = lr min(1, t / warmup_steps)
 *   x <- (1 - c) x + c z;   c = weight_t / (weight_1 + ... + weight_t)
 *   weight_t = t^r max(rate_1 .. rate_t)^weight_lr_power
 *
 * Defazio et al. 2024, "The road less scheduled", the three sequences of section 1, with warm-up and weights as in algorithm 1;
 * in the form of its authors' code, which moves y itself: y <- y + c (z - y) + rate (momentum (1 - c) - 1) g'. Checks and files of
 * weights see x.
 *
 * Deviations: none from the code. The learning rate wants to be larger than with a schedule, and none is needed.
 *
 * Defaults: the authors' code. */
#include "shared/averaging.h"

#include <assay/plugin.h>

#include <string.h>

struct schedule_free_sgd {
    double lr, momentum, weight_decay, r, weight_lr_power;
    int64_t warmup_steps;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(schedule_free_sgd, 1, 1e-3, 1e1),
    ASSAY_REAL(schedule_free_sgd, momentum, 0.9, 0, 1,
        "how near to the average gradients are taken", .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX),
    ASSAY_REAL(schedule_free_sgd, weight_decay, 0, 0, ASSAY_INF,
        "added to the gradient, times the weights", .flags = ASSAY_SCHED),
    AVERAGING_HYPERS(schedule_free_sgd),
};

static const assay_slot slots[] = { { .name = "z" }, AVERAGING_SLOTS };

static double rate_of(const struct schedule_free_sgd *h, uint64_t t)
{
    return h->lr * averaging_warmth(t, h->warmup_steps);
}

static int combine(assay_ctx *ctx, const void *hyper, const assay_step *step)
{
    const struct schedule_free_sgd *h = hyper;
    (void)ctx;
    averaging_advance(step, rate_of(h, step->t), h->r, h->weight_lr_power);
    return ASSAY_OK;
}

/* Not `restrict`, and z is stored before y is made: otherwise gcc reads y and z anew at every use, which makes an update of a
 * million weights a third slower. */
ASSAY_MULTIVERSION static void walk(uint64_t n, float rate, float share, float jump, float decay,
    const float *g, float *y, float *z)
{
    for (uint64_t i = 0; i < n; i++) {
        const float at = y[i], old = z[i], d = g[i] + decay * at;
        z[i] = old - rate * d;
        y[i] = at + share * (old - at) - jump * d;
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct schedule_free_sgd *h = hyper;
    const double rate = rate_of(h, step->t);
    const double c = averaging_share(step, h->r, h->weight_lr_power);
    (void)ctx;
    if (step->t == 1) {
        memcpy(s->slot[0], s->w, s->n * sizeof *s->w);
    }
    walk(s->n, (float)rate, (float)c, (float)(rate * (1 - h->momentum * (1 - c))),
        (float)h->weight_decay, s->g, s->w, s->slot[0]);
    return ASSAY_OK;
}

/* Before the first update all three are the same, and z is not there yet. */
static int eval_weights(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, float *out)
{
    const struct schedule_free_sgd *h = hyper;
    (void)ctx;
    averaging_find(s->n, h->momentum, s->w, step->t == 0 ? s->w : s->slot[0], out);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(schedule_free_sgd, "0.1.0", "Schedule-free SGD: steps beside their running average",
    ASSAY_HYPERS(schedule_free_sgd, hypers), .elem = update, ASSAY_SLOTS(slots), .combine = combine,
    .eval_weights = eval_weights);
