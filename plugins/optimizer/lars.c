/* LARS: momentum whose rate is scaled, tensor by tensor, by the ratio of the norms of weights and gradient.
 *
 *   lambda = eta |w| / (|g| + weight_decay |w|)
 *   v <- momentum v + lr lambda (g + weight_decay w)
 *   w <- w - v
 *
 * You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1. One pass over weights
 * and gradient takes the norms, a second one updates: 28 bytes per weight.
 *
 * Deviations: with `exclude` biases and gains have lambda = 1 and no decay, as in most implementations since, and not in the
 * paper; lambda is 1 as well where it would be 0 (weights that begin at 0 would stay there) or 0 / 0.
 *
 * Defaults: momentum and weight_decay as in the paper's experiments; eta 0.001 as in most implementations; with lr 1 a tensor then
 * moves by a thousandth of its norm. What is excluded takes lr as it is: where that is too much, eta is what to raise. */
#include "shared/lanes.h"

#include <assay/plugin.h>

#include <math.h>

struct lars {
    double lr, momentum, eta, weight_decay;
    int64_t ratio, exclude;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(lars, 1, 1e-2, 1e1),
    ASSAY_REAL(lars, momentum, 0.9, 0, 1, "share of the velocity that is kept",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(lars, eta, 1e-3, 0, ASSAY_INF, "trust: how far a tensor moves, relative to its norm",
        .flags = ASSAY_OPEN_MIN | ASSAY_TUNE | ASSAY_LOG, .tune_min = 1e-4, .tune_max = 1e-1),
    ASSAY_REAL(lars, weight_decay, 5e-4, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
    ASSAY_BOOL(lars, ratio, 1, "scale by the ratio of norms; without, it is SGD"),
    ASSAY_BOOL(lars, exclude, 1, "biases and gains are neither scaled nor decayed"),
};

static const assay_slot slots[] = { { .name = "momentum", .when = "momentum" } };

static const assay_metric_row metrics[] = {
    { .name = "trust", .doc = "the factor lambda of each tensor's rate", .per_tensor = 1 },
};

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "ratio = false; exclude = false;",
        .as = "",
        .tolerance = 1e-5,
        .doc = "without the ratio it is momentum with the rate inside the velocity" },
};

enum { OF_WEIGHTS, OF_GRADIENT, N_SUMS };

static int is_spared(const struct lars *h, const assay_tensor *t)
{
    return h->exclude && (t->role == ASSAY_ROLE_BIAS || t->role == ASSAY_ROLE_GAIN);
}

ASSAY_MULTIVERSION static void add_squares(const assay_span *s, double *sums)
{
    sums[OF_WEIGHTS] += lanes_squares(s->n, s->w);
    sums[OF_GRADIENT] += lanes_squares(s->n, s->g);
}

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, double *sums)
{
    const struct lars *h = hyper;
    (void)ctx;
    (void)step;
    if (h->ratio && !is_spared(h, s->tensor)) {
        add_squares(s, sums);
    }
    return ASSAY_OK;
}

static double trust(const struct lars *h, const assay_span *s)
{
    if (!h->ratio || is_spared(h, s->tensor)) {
        return 1;
    }
    const double w = sqrt(s->sums[OF_WEIGHTS]);
    const double d = sqrt(s->sums[OF_GRADIENT]) + h->weight_decay * w;
    return w > 0 && d > 0 ? h->eta * w / d : 1;
}

ASSAY_MULTIVERSION static void plain(
    uint64_t n, float rate, float decay, const float *restrict g, float *restrict w)
{
    for (uint64_t i = 0; i < n; i++) {
        w[i] -= rate * (g[i] + decay * w[i]);
    }
}

ASSAY_MULTIVERSION static void with_momentum(uint64_t n, float keep, float rate, float decay,
    const float *restrict g, float *restrict w, float *restrict v)
{
    for (uint64_t i = 0; i < n; i++) {
        v[i] = keep * v[i] + rate * (g[i] + decay * w[i]);
        w[i] -= v[i];
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct lars *h = hyper;
    const double lambda = trust(h, s);
    const float rate = (float)(h->lr * lambda);
    const float decay = is_spared(h, s->tensor) ? 0 : (float)h->weight_decay;
    (void)step;
    if (s->slot[0]) {
        with_momentum(s->n, (float)h->momentum, rate, decay, s->g, s->w, s->slot[0]);
    } else {
        plain(s->n, rate, decay, s->g, s->w);
    }
    /* Chunks of a tensor are updated at the same time: one of them speaks for it. */
    return s->begin == 0 ? ctx->host->metric(ctx, 0, s->tensor->index, lambda) : ASSAY_OK;
}

ASSAY_OPTIMIZER(lars, "0.1.0", "LARS: momentum scaled by the ratio of norms, tensor by tensor",
    ASSAY_HYPERS(lars, hypers), .elem = update, ASSAY_SLOTS(slots), .n_sums = N_SUMS,
    .reduce = reduce, ASSAY_METRICS(metrics), ASSAY_SPECIAL_CASES(special_cases));
