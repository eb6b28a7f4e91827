/* Yogi: Adam whose mean square moves by a bounded amount, up or down, so that it does not forget large gradients in a few updates.
 *
 *   m <- beta1 m + (1 - beta1) g
 *   v <- v - (1 - beta2) sign(v - g^2) g^2         (v starts at initial_accumulator)
 *   w <- (1 - lr weight_decay) w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * Zaheer et al. 2018, "Adaptive methods for nonconvex optimization", algorithm 2.
 *
 * Deviations: the paper starts v at the squared gradient of a large batch and corrects no bias. From a constant the first steps
 * would be some 1 / sqrt(1 - beta2) times too long, so the bias is corrected as in Adam, as TensorFlow Addons does; without
 * bias_correction it is the paper's algorithm, both factors being 1. weight_decay, decoupled as in adamw.c, is not in the
 * paper. v is a float: a g^2 below 2^-25 v / (1 - beta2) does not move it.
 *
 * Defaults: lr 0.01, beta1 0.9, beta2 0.999 and eps 1e-3 are those of the paper's experiments; initial_accumulator 1e-6 and
 * bias_correction are TensorFlow Addons'. */
#include "shared/bias.h"
#include "shared/sign.h"

#include <assay/plugin.h>

#include <math.h>

struct yogi {
    double lr, beta1, beta2, eps, initial_accumulator, weight_decay;
    int64_t bias_correction;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(yogi, 1e-2, 1e-4, 1e-1),
    ASSAY_REAL(yogi, beta1, 0.9, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(yogi, beta2, 0.999, 0, 1, "1 - beta2 is the share of g^2 by which v moves",
        .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(yogi, eps, 1e-3, 0, ASSAY_INF, "added to the root of v"),
    ASSAY_REAL(yogi, initial_accumulator, 1e-6, 0, ASSAY_INF, "where v starts from"),
    ASSAY_REAL(yogi, weight_decay, 0, 0, ASSAY_INF, "share of the weights, times lr, that is lost",
        .flags = ASSAY_SCHED),
    ASSAY_BOOL(yogi, bias_correction, 1, "correct the bias of m and v; the paper does not"),
};

enum { M, V };

static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [V] = { .name = "v" },
};

struct factors {
    float beta1, rest1, rest2, eps; /* rest = 1 - beta */
    float start, shrink;
    float rate; /* lr / (1 - beta1^t) */
    float unbias; /* 1 / sqrt(1 - beta2^t) */
};

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void run(const struct factors f, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict m, float *restrict v)
{
    for (uint64_t i = 0; i < n; i++) {
        const float square = g[i] * g[i], old = f.start + v[i];
        m[i] = f.beta1 * m[i] + f.rest1 * g[i];
        v[i] = old - size_with_sign(f.rest2 * square, old - square);
        w[i] = f.shrink * w[i] - f.rate * (m[i] / (sqrtf(v[i]) * f.unbias + f.eps));
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct yogi *h = hyper;
    const double t = (double)step->t;
    const double seen1 = h->bias_correction ? share_seen(h->beta1, t) : 1;
    const double seen2 = h->bias_correction ? share_seen(h->beta2, t) : 1;
    const struct factors f = {
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .rest2 = (float)(1 - h->beta2),
        .eps = (float)h->eps,
        /* The slot is zero before the first update; a hyperparameter cannot be a slot's first value. */
        .start = step->t == 1 ? (float)h->initial_accumulator : 0.0f,
        .shrink = (float)(1 - h->lr * h->weight_decay),
        .rate = (float)(h->lr / seen1),
        .unbias = (float)(1 / sqrt(seen2)),
    };
    (void)ctx;
    run(f, s->n, s->g, s->w, s->slot[M], s->slot[V]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(yogi, "0.1.0", "Yogi: Adam whose mean square moves by a bounded amount",
    ASSAY_HYPERS(yogi, hypers), .elem = update, ASSAY_SLOTS(slots));
