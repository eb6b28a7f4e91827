/* RMSProp: the gradient over the root of its mean square, optionally centred and with momentum.
 *
 *   g' = g + weight_decay w
 *   v <- alpha v + (1 - alpha) g'^2
 *   a <- alpha a + (1 - alpha) g',   x = v - a^2     if centered;   x = v  otherwise
 *   u = g' / (sqrt(x) + eps)
 *   b <- momentum b + u,  w <- w - lr b              if momentum;   w <- w - lr u  otherwise
 *
 * Tieleman and Hinton 2012, "Lecture 6.5: rmsprop", Coursera, Neural networks for machine learning, slide 29. Centred, with
 * momentum: Graves 2013, "Generating sequences with recurrent neural networks", eq. 38 to 41. The form is that of
 * torch.optim.RMSprop; Graves puts eps inside the root and lr inside the velocity.
 *
 * Deviations from torch: where rounding makes v - a^2 negative (a gradient that hardly changes), it counts as 0; torch
 * gives NaN.
 *
 * Defaults: torch.optim.RMSprop 1.13. */
#include <assay/plugin.h>

#include <math.h>

struct rmsprop {
    double lr, alpha, eps, momentum, weight_decay;
    int64_t centered;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(rmsprop, 1e-2, 1e-5, 1e-1),
    ASSAY_REAL(rmsprop, alpha, 0.99, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(rmsprop, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square"),
    ASSAY_REAL(rmsprop, momentum, 0, 0, 1, "share of the velocity that is kept",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(rmsprop, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
    ASSAY_BOOL(rmsprop, centered, 0, "take the mean gradient out: divide by a standard deviation"),
};

enum { V, MOMENTUM, MEAN };

static const assay_slot slots[] = {
    [V] = { .name = "v" },
    [MOMENTUM] = { .name = "momentum", .when = "momentum" },
    [MEAN] = { .name = "mean", .when = "centered" },
};

/* The four variants are one loop whose two switches are constants where it is called, so that each is compiled without
 * branches. The arrays are parameters because clang heeds `restrict` only there, and gives up on five that may overlap. */
static inline void run(const struct rmsprop *h, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict v, float *restrict b, float *restrict a, const int centered,
    const int has_momentum)
{
    const float alpha = (float)h->alpha, rest = (float)(1 - h->alpha), eps = (float)h->eps;
    const float lr = (float)h->lr, momentum = (float)h->momentum, decay = (float)h->weight_decay;
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + decay * w[i];
        float x = alpha * v[i] + rest * (d * d);
        v[i] = x;
        if (centered) {
            a[i] = alpha * a[i] + rest * d;
            x -= a[i] * a[i];
            x = x > 0 ? x : 0;
        }
        float u = d / (sqrtf(x) + eps);
        if (has_momentum) {
            u += momentum * b[i];
            b[i] = u;
        }
        w[i] -= lr * u;
    }
}

ASSAY_MULTIVERSION static int update(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct rmsprop *h = hyper;
    float *v = s->slot[V], *b = s->slot[MOMENTUM], *a = s->slot[MEAN];
    (void)ctx;
    (void)step;
    if (h->centered && h->momentum > 0) {
        run(h, s->n, s->g, s->w, v, b, a, 1, 1);
    } else if (h->centered) {
        run(h, s->n, s->g, s->w, v, b, a, 1, 0);
    } else if (h->momentum > 0) {
        run(h, s->n, s->g, s->w, v, b, a, 0, 1);
    } else {
        run(h, s->n, s->g, s->w, v, b, a, 0, 0);
    }
    return ASSAY_OK;
}

static const assay_special_case special_cases[] = {
    { .of = "adam",
        .when = "alpha = 0.9; momentum = 0.0; centered = false;",
        .as = "beta1 = 0.0; beta2 = 0.9; amsgrad = false;",
        .after = 200,
        .tolerance = 1e-6,
        .doc = "without momentum, once the bias of the mean square has died out" },
    { .of = "sgd",
        .when = "lr = 7.31e6; eps = 1e8; momentum = 0.83; centered = false;",
        .as = "lr = 0.0731; momentum = 0.83; dampening = 0.0; nesterov = false;",
        .tolerance = 1e-5,
        .doc = "as eps grows the denominator becomes a constant" },
};

ASSAY_OPTIMIZER(rmsprop, "0.1.0", "RMSProp: the gradient over the root of its mean square",
    ASSAY_HYPERS(rmsprop, hypers), .elem = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
