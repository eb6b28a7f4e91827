/* AdaBelief: Adam that divides by how far gradients are from their mean, not by how large they are.
 *
 *   g' = g + weight_decay w                         unless decoupled
 *   m <- beta1 m + (1 - beta1) g';   s <- beta2 s + (1 - beta2) (g' - m)^2 + eps
 *   w <- (1 - lr weight_decay) w - u if decoupled, else w - u;
 *        u = lr (m / (1 - beta1^t)) / (sqrt(s / (1 - beta2^t)) + eps)
 *
 * Zhuang et al. 2020, "AdaBelief optimizer: adapting stepsizes by the belief in observed gradients", algorithm 2. eps is added
 * to a square at every update, so that of Adam with eps corresponds to eps^2 here.
 *
 * Deviations: weight_decay, decoupled or through the gradient, is the authors' code, not the paper's algorithm. Their code
 * multiplies by RAdam's factor unless `rectify` is turned off; that is left out here, as in the paper.
 *
 * Defaults: the authors' code, version 0.2 (its eps of 1e-16 is meant for what Adam trains well; for what SGD trains better they
 * advise 1e-8). */
#include "shared/bias.h"

#include <assay/plugin.h>

#include <math.h>

struct adabelief {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t decoupled;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(adabelief, 1e-3, 1e-5, 1e-1),
    ASSAY_REAL(adabelief, beta1, 0.9, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(adabelief, beta2, 0.999, 0, 1, "decay of the mean squared distance from it",
        .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adabelief, eps, 1e-16, 0, ASSAY_INF,
        "added to the mean squared distance, at every update, and to its root"),
    ASSAY_REAL(adabelief, weight_decay, 0, 0, ASSAY_INF,
        "share of the weights, times lr, that is lost", .flags = ASSAY_SCHED),
    ASSAY_BOOL(adabelief, decoupled, 1,
        "weight decay acts on the weights; otherwise weight_decay w is added to the gradient"),
};

enum { M, S };

static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [S] = { .name = "s" },
};

struct factors {
    float beta1, rest1, beta2, rest2, eps; /* rest = 1 - beta */
    float rate; /* lr / (1 - beta1^t) */
    float unbias; /* 1 / sqrt(1 - beta2^t) */
    float coupled, shrink; /* of the two, one is without effect: 0, 1 */
};

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void run(const struct factors f, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict m, float *restrict s)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.coupled * w[i];
        m[i] = f.beta1 * m[i] + f.rest1 * d;
        const float off = d - m[i];
        s[i] = f.beta2 * s[i] + f.rest2 * (off * off) + f.eps;
        w[i] = f.shrink * w[i] - f.rate * (m[i] / (sqrtf(s[i]) * f.unbias + f.eps));
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct adabelief *h = hyper;
    const struct factors f = {
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .beta2 = (float)h->beta2,
        .rest2 = (float)(1 - h->beta2),
        .eps = (float)h->eps,
        .rate = (float)(h->lr / share_seen(h->beta1, (double)step->t)),
        .unbias = (float)(1 / sqrt(share_seen(h->beta2, (double)step->t))),
        .coupled = (float)(h->decoupled ? 0 : h->weight_decay),
        .shrink = (float)(h->decoupled ? 1 - h->lr * h->weight_decay : 1),
    };
    (void)ctx;
    run(f, s->n, s->g, s->w, s->slot[M], s->slot[S]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adabelief, "0.1.0", "AdaBelief: steps by how far gradients are from their mean",
    ASSAY_HYPERS(adabelief, hypers), .elem = update, ASSAY_SLOTS(slots));
