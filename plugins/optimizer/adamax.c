/* Adamax: Adam with a decaying maximum of the gradient's size in the place of the root of its mean square.
 *
 *   g' = g + weight_decay w
 *   m <- beta1 m + (1 - beta1) g';   u <- max(beta2 u, |g'| + eps)
 *   w <- w - lr / (1 - beta1^t) m / u
 *
 * Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 2.
 *
 * Deviations: weight_decay is L2 coupled through the gradient, and eps keeps u above 0 where there was no gradient yet; both as
 * in torch.optim.Adamax, and neither is in the paper.
 *
 * Defaults: the paper's, section 7.1; eps 1e-8 and weight_decay 0 as in torch.optim.Adamax 1.13. */
#include "shared/bias.h"

#include <assay/plugin.h>

#include <math.h>

struct adamax {
    double lr, beta1, beta2, eps, weight_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(adamax, 2e-3, 1e-5, 1e-1),
    ASSAY_REAL(adamax, beta1, 0.9, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(adamax, beta2, 0.999, 0, 1, "decay of the largest size", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(adamax, eps, 1e-8, 0, ASSAY_INF, "added to the size of the gradient"),
    ASSAY_REAL(adamax, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
};

enum { M, U };

static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [U] = { .name = "u" },
};

struct factors {
    float beta1, rest1, beta2, eps, decay; /* rest1 = 1 - beta1 */
    float rate; /* lr / (1 - beta1^t) */
};

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void run(const struct factors f, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict m, float *restrict u)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.decay * w[i];
        const float old = f.beta2 * u[i], size = fabsf(d) + f.eps;
        m[i] = f.beta1 * m[i] + f.rest1 * d;
        u[i] = old > size ? old : size;
        w[i] -= f.rate * (m[i] / u[i]);
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct adamax *h = hyper;
    const struct factors f = {
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .beta2 = (float)h->beta2,
        .eps = (float)h->eps,
        .decay = (float)h->weight_decay,
        .rate = (float)(h->lr / share_seen(h->beta1, (double)step->t)),
    };
    (void)ctx;
    run(f, s->n, s->g, s->w, s->slot[M], s->slot[U]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adamax, "0.1.0", "Adamax: mean gradient over a decaying maximum of its size",
    ASSAY_HYPERS(adamax, hypers), .elem = update, ASSAY_SLOTS(slots));
