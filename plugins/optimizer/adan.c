/* Adan: Adam with Nesterov's momentum estimated from differences of gradients, so that nothing is evaluated elsewhere.
 *
 *   d = g - g_prev                                   (0 at the first update)
 *   m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) d
 *   n <- beta3 n + (1 - beta3) (g + beta2 d)^2
 *   u = (m / (1 - beta1^t) + beta2 v / (1 - beta2^t)) / (sqrt(n / (1 - beta3^t)) + eps)
 *   w <- (w - lr u) / (1 + lr weight_decay)   if proximal;   (1 - lr weight_decay) w - lr u   otherwise
 *
 * Xie et al. 2022, "Adan: adaptive Nesterov momentum algorithm for faster optimizing deep models", algorithm 1.
 *
 * Deviations: beta is the share that is kept, where the paper writes beta for 1 - beta. The means start at 0 and their bias
 * is corrected, as in the authors' code; the paper starts m and n at the first gradient and its square. The second form of
 * weight decay is the authors' `no_prox`. Their restarts and their clipping are left out; the host clips.
 *
 * Defaults: the authors' code. */
#include "shared/bias.h"

#include <assay/plugin.h>

#include <math.h>

struct adan {
    double lr, beta1, beta2, beta3, eps, weight_decay;
    int64_t proximal;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(adan, 1e-3, 1e-5, 1e-1),
    ASSAY_REAL(adan, beta1, 0.98, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(adan, beta2, 0.92, 0, 1, "decay of the mean difference", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adan, beta3, 0.99, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adan, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square"),
    ASSAY_REAL(adan, weight_decay, 0, 0, ASSAY_INF, "share of the weights, times lr, that is lost",
        .flags = ASSAY_SCHED),
    ASSAY_BOOL(adan, proximal, 1, "divide the weights by 1 + lr weight_decay after the step"),
};

enum { M, V, N, PREVIOUS };

static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [V] = { .name = "v" },
    [N] = { .name = "n" },
    [PREVIOUS] = { .name = "previous" },
};

static const assay_special_case special_cases[] = {
    { .of = "adam",
        .when = "beta2 = 0.0; beta3 = 0.957; weight_decay = 0.0;",
        .as = "beta2 = 0.957; weight_decay = 0.0; amsgrad = false;",
        .tolerance = 1e-6,
        .doc = "differences weigh nothing" },
};

struct factors {
    float beta1, rest1, beta2, rest2, beta3, rest3, eps; /* rest = 1 - beta */
    float has_previous; /* 0 at the first update, then 1 */
    float rate_m, rate_v; /* lr / (1 - beta1^t), lr beta2 / (1 - beta2^t) */
    float unbias; /* 1 / sqrt(1 - beta3^t) */
    float before, after; /* factors of the weights, before and after the step */
};

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void run(const struct factors f, uint64_t n_elements,
    const float *restrict g, float *restrict w, float *restrict m, float *restrict v,
    float *restrict n, float *restrict previous)
{
    for (uint64_t i = 0; i < n_elements; i++) {
        const float d = f.has_previous * (g[i] - previous[i]);
        const float ahead = g[i] + f.beta2 * d;
        m[i] = f.beta1 * m[i] + f.rest1 * g[i];
        v[i] = f.beta2 * v[i] + f.rest2 * d;
        n[i] = f.beta3 * n[i] + f.rest3 * (ahead * ahead);
        const float u = (f.rate_m * m[i] + f.rate_v * v[i]) / (sqrtf(n[i]) * f.unbias + f.eps);
        w[i] = f.after * (f.before * w[i] - u);
        previous[i] = g[i];
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct adan *h = hyper;
    const double t = (double)step->t, decay = h->lr * h->weight_decay;
    const struct factors f = {
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .beta2 = (float)h->beta2,
        .rest2 = (float)(1 - h->beta2),
        .beta3 = (float)h->beta3,
        .rest3 = (float)(1 - h->beta3),
        .eps = (float)h->eps,
        .has_previous = step->t > 1 ? 1.0f : 0.0f,
        .rate_m = (float)(h->lr / share_seen(h->beta1, t)),
        .rate_v = (float)(h->lr * h->beta2 / share_seen(h->beta2, t)),
        .unbias = (float)(1 / sqrt(share_seen(h->beta3, t))),
        .before = (float)(h->proximal ? 1 : 1 - decay),
        .after = (float)(h->proximal ? 1 / (1 + decay) : 1),
    };
    (void)ctx;
    run(f, s->n, s->g, s->w, s->slot[M], s->slot[V], s->slot[N], s->slot[PREVIOUS]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adan, "0.1.0", "Adan: Nesterov's momentum from differences of gradients",
    ASSAY_HYPERS(adan, hypers), .elem = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
