/* What adam and adamw share: their hyperparameters, their state and their kernel.
 *
 *   g' = g + coupled w
 *   m <- beta1 m + (1 - beta1) g';   v <- beta2 v + (1 - beta2) g'^2;   x <- max(x, v) with amsgrad, else x = v
 *   w <- (1 - lr decoupled) w - lr / (1 - beta1^t) m / (sqrt(x) / sqrt(1 - beta2^t) + eps)
 *
 * Everything that does not depend on the element is computed once per call in double: 1 - beta2 taken in float would be
 * off by 1e-5 of itself. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_ADAM_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_ADAM_H

#include "bias.h"

#include <assay/plugin.h>

#include <math.h>

struct adam {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t amsgrad;
};

/* The rows of the table, but the weight decay, whose meaning and default differ. */
#define ADAM_HYPERS \
    ASSAY_LR(adam, 1e-3, 1e-5, 1e-1), \
        ASSAY_REAL(adam, beta1, 0.9, 0, 1, "decay of the mean gradient", \
            .flags = ASSAY_OPEN_MAX | ASSAY_SCHED), \
        ASSAY_REAL(adam, beta2, 0.999, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX), \
        ASSAY_REAL(adam, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square"), \
        ASSAY_BOOL(adam, amsgrad, 0, "divide by the largest mean square so far")

enum { ADAM_M, ADAM_V, ADAM_V_MAX };

static const assay_slot adam_slots[] = {
    [ADAM_M] = { .name = "m" },
    [ADAM_V] = { .name = "v" },
    [ADAM_V_MAX] = { .name = "v_max", .when = "amsgrad" },
};

struct adam_factors {
    float beta1, rest1, beta2, rest2; /* rest = 1 - beta */
    float rate; /* lr / (1 - beta1^t) */
    float unbias; /* 1 / sqrt(1 - beta2^t) */
    float eps, coupled, shrink; /* shrink = 1 - lr decoupled */
};

static inline struct adam_factors adam_factors_at(
    const struct adam *h, uint64_t t, double coupled, double decoupled)
{
    return (struct adam_factors){
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .beta2 = (float)h->beta2,
        .rest2 = (float)(1 - h->beta2),
        .rate = (float)(h->lr / share_seen(h->beta1, (double)t)),
        .unbias = (float)(1 / sqrt(share_seen(h->beta2, (double)t))),
        .eps = (float)h->eps,
        .coupled = (float)coupled,
        .shrink = (float)(1 - h->lr * decoupled),
    };
}

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on five that may overlap. */
ASSAY_MULTIVERSION static void adam_plain(const struct adam_factors f, uint64_t n,
    const float *restrict g, float *restrict w, float *restrict m, float *restrict v)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.coupled * w[i];
        m[i] = f.beta1 * m[i] + f.rest1 * d;
        v[i] = f.beta2 * v[i] + f.rest2 * (d * d);
        w[i] = f.shrink * w[i] - f.rate * (m[i] / (sqrtf(v[i]) * f.unbias + f.eps));
    }
}

ASSAY_MULTIVERSION static void adam_amsgrad(const struct adam_factors f, uint64_t n,
    const float *restrict g, float *restrict w, float *restrict m, float *restrict v,
    float *restrict x)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.coupled * w[i];
        m[i] = f.beta1 * m[i] + f.rest1 * d;
        v[i] = f.beta2 * v[i] + f.rest2 * (d * d);
        x[i] = x[i] > v[i] ? x[i] : v[i];
        w[i] = f.shrink * w[i] - f.rate * (m[i] / (sqrtf(x[i]) * f.unbias + f.eps));
    }
}

static inline void adam_update(
    const struct adam *h, const struct adam_factors *f, const assay_span *s)
{
    float *m = s->slot[ADAM_M], *v = s->slot[ADAM_V];
    if (h->amsgrad) {
        adam_amsgrad(*f, s->n, s->g, s->w, m, v, s->slot[ADAM_V_MAX]);
    } else {
        adam_plain(*f, s->n, s->g, s->w, m, v);
    }
}

#endif
