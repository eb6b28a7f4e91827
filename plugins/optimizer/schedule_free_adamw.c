/* Schedule-free AdamW: the gradient is taken between the sequence z and its running average x, and x is the answer.
 *
 *   y  = (1 - beta1) z + beta1 x                      (the weights that are trained)
 *   v <- beta2 v + (1 - beta2) g(y)^2
 *   d  = g(y) / (sqrt(v) + eps) + weight_decay y
 *   z <- z - rate d;   rate = lr sqrt(1 - beta2^t) min(1, t / warmup_steps)
 *   x <- (1 - c) x + c z;   c = weight_t / (weight_1 + ... + weight_t)
 *   weight_t = t^r max(rate_1 .. rate_t)^weight_lr_power
 *
 * Defazio et al. 2024, "The road less scheduled", algorithm 1, in the form of its authors' code, which moves y itself:
 * y <- y + c (z - y) + rate (beta1 (1 - c) - 1) d. Checks and files of weights see x.
 *
 * Deviations: weights are of the largest rate so far, as in the code; the paper has the present one, which is the same as long
 * as no schedule lowers it. Later versions of the code divide v by 1 - beta2^t where this one, as the paper, multiplies the
 * rate.
 *
 * Defaults: the authors' code. */
#include "shared/averaging.h"
#include "shared/bias.h"

#include <assay/plugin.h>

#include <math.h>
#include <string.h>

struct schedule_free_adamw {
    double lr, beta1, beta2, eps, weight_decay, r, weight_lr_power;
    int64_t warmup_steps;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(schedule_free_adamw, 2.5e-3, 1e-5, 1e-1),
    ASSAY_REAL(schedule_free_adamw, beta1, 0.9, 0, 1, "how near to the average gradients are taken",
        .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX),
    ASSAY_REAL(schedule_free_adamw, beta2, 0.999, 0, 1, "decay of the mean square",
        .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(schedule_free_adamw, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(schedule_free_adamw, weight_decay, 0, 0, ASSAY_INF,
        "share of the weights, times the rate, that is lost", .flags = ASSAY_SCHED),
    AVERAGING_HYPERS(schedule_free_adamw),
};

enum { Z, V };

static const assay_slot slots[] = {
    [Z] = { .name = "z" },
    [V] = { .name = "v" },
    AVERAGING_SLOTS,
};

static double rate_of(const struct schedule_free_adamw *h, uint64_t t)
{
    return h->lr * averaging_warmth(t, h->warmup_steps) * sqrt(share_seen(h->beta2, (double)t));
}

static int combine(assay_ctx *ctx, const void *hyper, const assay_step *step)
{
    const struct schedule_free_adamw *h = hyper;
    (void)ctx;
    averaging_advance(step, rate_of(h, step->t), h->r, h->weight_lr_power);
    return ASSAY_OK;
}

struct factors {
    float rate, share, jump; /* what z and y lose of d, and y gains of z - y */
    float beta2, rest2, eps, decay; /* rest = 1 - beta */
};

/* Not `restrict`, and z is stored before y is made: otherwise gcc reads g, y and z anew at every use, which costs a seventh of an
 * update of a million weights. */
ASSAY_MULTIVERSION static void walk(
    const struct factors f, uint64_t n, const float *g, float *y, float *z, float *v)
{
    for (uint64_t i = 0; i < n; i++) {
        const float slope = g[i], at = y[i], old = z[i];
        const float square = f.beta2 * v[i] + f.rest2 * (slope * slope);
        v[i] = square;
        const float d = slope / (sqrtf(square) + f.eps) + f.decay * at;
        z[i] = old - f.rate * d;
        y[i] = at + f.share * (old - at) - f.jump * d;
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct schedule_free_adamw *h = hyper;
    const double rate = rate_of(h, step->t);
    const double c = averaging_share(step, h->r, h->weight_lr_power);
    const struct factors f = {
        .rate = (float)rate,
        .share = (float)c,
        .jump = (float)(rate * (1 - h->beta1 * (1 - c))),
        .beta2 = (float)h->beta2,
        .rest2 = (float)(1 - h->beta2),
        .eps = (float)h->eps,
        .decay = (float)h->weight_decay,
    };
    (void)ctx;
    if (step->t == 1) {
        memcpy(s->slot[Z], s->w, s->n * sizeof *s->w);
    }
    walk(f, s->n, s->g, s->w, s->slot[Z], s->slot[V]);
    return ASSAY_OK;
}

/* Before the first update all three are the same, and z is not there yet. */
static int eval_weights(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, float *out)
{
    const struct schedule_free_adamw *h = hyper;
    (void)ctx;
    averaging_find(s->n, h->beta1, s->w, step->t == 0 ? s->w : s->slot[Z], out);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(schedule_free_adamw, "0.1.0",
    "Schedule-free AdamW: Adam's steps beside their running average",
    ASSAY_HYPERS(schedule_free_adamw, hypers), .elem = update, ASSAY_SLOTS(slots),
    .combine = combine, .eval_weights = eval_weights);
