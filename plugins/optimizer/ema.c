/* An exponential average of the weights: an inner optimizer trains w, checks and files look at the average.
 *
 *   w <- inner(w, g)
 *   a <- a + share_t (w - a),   share_t = (1 - decay) / (1 - decay^t)                  start = "unbiased"
 *                               share_t = 1 - min(decay, (1 + t) / (10 + t)), a_0 = w_0      start = "warm_up"
 *
 * Averaging: Polyak and Juditsky 1992, "Acceleration of stochastic approximation by averaging". With exponentially falling
 * weights and its bias corrected: Kingma and Ba 2015, "Adam: a method for stochastic optimization", section 7.2; there the mean
 * starts at 0 and is divided by 1 - decay^t, here the quotient itself is kept, which is the same. The warm-up is that of
 * tf.train.ExponentialMovingAverage(decay, num_updates).
 *
 * Deviations: none.
 *
 * Defaults: decay 0.999, the one that TensorFlow's documentation recommends with 0.9999; unbiased as in Kingma and Ba. */
#include "shared/bias.h"
#include "shared/pieces.h"

#include <math.h>
#include <string.h>

struct ema {
    double decay;
    int64_t start;
    const assay_instance *inner;
};

enum { UNBIASED, WARM_UP };

static const char *const starts[] = { "unbiased", "warm_up" };

static const assay_hyper hypers[] = {
    ASSAY_COMPONENT(
        ema, inner, "optimizer", "trains the weights; it has the lr", .flags = ASSAY_REQUIRED),
    ASSAY_REAL(ema, decay, 0.999, 0, 1, "share of the average that an update keeps",
        .flags = ASSAY_OPEN_MAX | ASSAY_TUNE, .tune_min = 0.9, .tune_max = 0.9999),
    ASSAY_ENUM(ema, start, UNBIASED, starts,
        "unbiased: the mean of the weights so far, late ones counting more; warm_up: a decay that "
        "grows, from the first weights on"),
};

static const assay_slot slots[] = { { .name = "average" } };

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "decay = 0.0; inner = { type = \"sgd\"; lr = 0.0731; momentum = 0.83; };",
        .as = "lr = 0.0731; momentum = 0.83;",
        .doc = "the average is the last weights" },
};

static double share_at(const struct ema *h, uint64_t step)
{
    const double t = (double)step;
    if (h->start == WARM_UP) {
        return 1 - fmin(h->decay, (1 + t) / (10 + t));
    }
    return (1 - h->decay) / share_seen(h->decay, t);
}

static void remember(const void *arg, piece *p)
{
    (void)arg;
    memcpy(piece_slot(p, 0), piece_w(p), p->n * sizeof(float));
}

/* (1 - share) a + share w: the last weights to the bit where the share is 1. */
ASSAY_MULTIVERSION static void average(const void *arg, piece *p)
{
    const double *share_of = arg;
    const float share = (float)*share_of, rest = (float)(1 - *share_of);
    const float *restrict w = piece_w(p);
    float *restrict a = piece_slot(p, 0);
    for (uint64_t i = 0; i < p->n; i++) {
        a[i] = rest * a[i] + share * w[i];
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct ema *h = hyper;
    const double share = share_at(h, step->t);
    pieces all;
    (void)closure;
    int code = pieces_cut(ctx, spans, n, stride, &all);
    if (code != ASSAY_OK) {
        return code;
    }
    if (step->t == 1) {
        (void)pieces_each(&all, remember, h);
    }
    code = ctx->host->inner_update(ctx, h->inner, step, spans, n, stride);
    if (code == ASSAY_OK) {
        (void)pieces_each(&all, average, &share);
    }
    return code;
}

static int eval_weights(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, float *out)
{
    (void)ctx;
    (void)hyper;
    memcpy(out, step->t > 0 ? s->slot[0] : s->w, s->n * sizeof *out);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(ema, "0.1.0",
    "an exponential average of the weights that an inner optimizer trains",
    ASSAY_HYPERS(ema, hypers), .model = update, .eval_weights = eval_weights, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
