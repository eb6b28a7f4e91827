/* Signum: the sign of the momentum.
 *
 *   m <- momentum m + (1 - momentum) g;  w <- w - lr (sign(m) + weight_decay w)
 *
 * Bernstein, Wang, Azizzadenesheli and Anandkumar 2018, "signSGD: compressed optimisation for non-convex problems", algorithm 2;
 * the weight decay is decoupled, as in theirs. Defaults: momentum as is common, lr as is usual for methods whose every step has the
 * length lr. */
#include <assay/plugin.h>

struct signum {
    double lr, momentum, weight_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(signum, 1e-3, 1e-5, 1e-1),
    ASSAY_REAL(signum, momentum, 0.9, 0, 1, "share of the momentum that is kept",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(signum, weight_decay, 0, 0, 1, "decoupled weight decay",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 1e-4, .tune_max = 1),
};

static const assay_slot slots[] = { { .name = "m" } };

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct signum *h = hyper;
    const float keep = (float)h->momentum, take = (float)(1 - h->momentum);
    const float lr = (float)h->lr, decay = (float)(h->lr * h->weight_decay);
    const float *g = s->g; // [n]
    float *w = s->w, *m = s->slot[0]; // [n]
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++) {
        m[i] = keep * m[i] + take * g[i];
        w[i] -= lr * (float)((m[i] > 0) - (m[i] < 0)) + decay * w[i];
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(signum, "0.1.0", "Signum: the sign of the momentum", ASSAY_HYPERS(signum, hypers),
    .elem = update, ASSAY_SLOTS(slots));
