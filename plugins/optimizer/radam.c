/* RAdam: Adam that leaves the root of the mean square out while it is known from too few gradients, and then lets it in by a
 * factor r that rises to 1.
 *
 *   g' = g + weight_decay w
 *   m <- beta1 m + (1 - beta1) g';   v <- beta2 v + (1 - beta2) g'^2;   m' = m / (1 - beta1^t)
 *   rho_inf = 2 / (1 - beta2) - 1;   rho_t = rho_inf - 2 t beta2^t / (1 - beta2^t)
 *   w <- w - lr m' r sqrt(1 - beta2^t) / (sqrt(v) + eps)   if rho_t > 5, where
 *        r = sqrt((rho_t - 4) (rho_t - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho_t))
 *   w <- w - lr m'                                         otherwise
 *
 * Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2. With beta2 = 0.999 the sixth update
 * is the first with the root; with beta2 up to 2/3 there is none.
 *
 * Deviations: the paper switches at rho_t > 4, where r starts from 0; 5 is what its authors' code and torch.optim.RAdam use.
 * weight_decay is L2 coupled through the gradient, and eps is added before v's bias is corrected, both as in torch.
 *
 * Defaults: torch.optim.RAdam 1.13. */
#include "shared/bias.h"

#include <assay/plugin.h>

#include <math.h>

struct radam {
    double lr, beta1, beta2, eps, weight_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(radam, 1e-3, 1e-5, 1e-1),
    ASSAY_REAL(radam, beta1, 0.9, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(radam, beta2, 0.999, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(radam, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square"),
    ASSAY_REAL(radam, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
};

enum { M, V };

static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [V] = { .name = "v" },
};

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "beta1 = 0.0; beta2 = 0.5;",
        .as = "momentum = 0.0;",
        .tolerance = 1e-6,
        .doc = "the mean square is never known well enough, and the mean is the gradient" },
};

struct factors {
    float beta1, rest1, beta2, rest2, eps, decay; /* rest = 1 - beta */
    float rate; /* lr / (1 - beta1^t), times r sqrt(1 - beta2^t) where r is in */
};

/* r sqrt(1 - beta2^t), or 0 where the root is to be left out. */
static double rectification(double beta2, double t)
{
    const double seen = share_seen(beta2, t), all = 2 / (1 - beta2) - 1;
    const double rho = all - 2 * t * (1 - seen) / seen;
    if (!(rho > 5)) {
        return 0;
    }
    return sqrt(seen * (rho - 4) * (rho - 2) * all / ((all - 4) * (all - 2) * rho));
}

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void without_root(const struct factors f, uint64_t n,
    const float *restrict g, float *restrict w, float *restrict m, float *restrict v)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.decay * w[i];
        m[i] = f.beta1 * m[i] + f.rest1 * d;
        v[i] = f.beta2 * v[i] + f.rest2 * (d * d);
        w[i] -= f.rate * m[i];
    }
}

ASSAY_MULTIVERSION static void with_root(const struct factors f, uint64_t n,
    const float *restrict g, float *restrict w, float *restrict m, float *restrict v)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.decay * w[i];
        m[i] = f.beta1 * m[i] + f.rest1 * d;
        v[i] = f.beta2 * v[i] + f.rest2 * (d * d);
        w[i] -= f.rate * (m[i] / (sqrtf(v[i]) + f.eps));
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct radam *h = hyper;
    const double rate = h->lr / share_seen(h->beta1, (double)step->t);
    const double r = rectification(h->beta2, (double)step->t);
    const struct factors f = {
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .beta2 = (float)h->beta2,
        .rest2 = (float)(1 - h->beta2),
        .eps = (float)h->eps,
        .decay = (float)h->weight_decay,
        .rate = (float)(r > 0 ? r * rate : rate),
    };
    (void)ctx;
    if (r > 0) {
        with_root(f, s->n, s->g, s->w, s->slot[M], s->slot[V]);
    } else {
        without_root(f, s->n, s->g, s->w, s->slot[M], s->slot[V]);
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(radam, "0.1.0", "RAdam: Adam whose root comes in as it becomes known",
    ASSAY_HYPERS(radam, hypers), .elem = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
