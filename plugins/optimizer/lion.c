/* Lion: the sign of an interpolated momentum.
 *
 *   u = beta1 m + (1 - beta1) g
 *   w <- (1 - lr weight_decay) w - lr sign(u)
 *   m <- beta2 m + (1 - beta2) g
 *
 * Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2. Every weight moves by lr at every update, so
 * lr is three to ten times smaller than Adam's and weight_decay as many times larger (section 5).
 *
 * Deviations: none.
 *
 * Defaults: beta1 0.9 and beta2 0.99 from the paper, algorithm 2; lr 1e-4 and weight_decay 0 from its authors' code. */
#include "shared/sign.h"

#include <assay/plugin.h>

struct lion {
    double lr, beta1, beta2, weight_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(lion, 1e-4, 1e-6, 1e-2),
    ASSAY_REAL(lion, beta1, 0.9, 0, 1, "share of the momentum in the step",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(lion, beta2, 0.99, 0, 1, "decay of the momentum", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(lion, weight_decay, 0, 0, ASSAY_INF, "share of the weights, times lr, that is lost",
        .flags = ASSAY_TUNE | ASSAY_LOG | ASSAY_SCHED, .tune_min = 1e-3, .tune_max = 1e1),
};

static const assay_slot slots[] = { { .name = "m" } };

ASSAY_MULTIVERSION static int update(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct lion *h = hyper;
    const float beta1 = (float)h->beta1, rest1 = (float)(1 - h->beta1);
    const float beta2 = (float)h->beta2, rest2 = (float)(1 - h->beta2);
    const float lr = (float)h->lr, shrink = (float)(1 - h->lr * h->weight_decay);
    const uint64_t n = s->n;
    /* Not `restrict`, and w is stored before m is made: otherwise gcc reads g and m anew at every use, which costs a tenth. */
    const float *g = s->g;
    float *w = s->w, *m = s->slot[0];
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < n; i++) {
        const float slope = g[i], mean = m[i];
        w[i] = shrink * w[i] - size_with_sign(lr, beta1 * mean + rest1 * slope);
        m[i] = beta2 * mean + rest2 * slope;
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(lion, "0.1.0", "Lion: the sign of an interpolated momentum",
    ASSAY_HYPERS(lion, hypers), .elem = update, ASSAY_SLOTS(slots));
