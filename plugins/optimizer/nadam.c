/* NAdam: Adam with Nesterov's momentum, whose coefficient mu rises from beta1 / 2 to beta1.
 *
 *   g' = g + weight_decay w
 *   mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2);   p_t = mu_1 mu_2 ... mu_t
 *   m <- beta1 m + (1 - beta1) g';   v <- beta2 v + (1 - beta2) g'^2
 *   w <- w - lr ((1 - mu_t) / (1 - p_t) g' + mu_(t+1) / (1 - p_(t+1)) m) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * Dozat 2016, "Incorporating Nesterov momentum into Adam", ICLR workshop, algorithm 2. The product p_t is state of the whole
 * group: a schedule may drive beta1, and then no formula of t gives it.
 *
 * Deviations: m decays by beta1 where the paper has mu_t, and weight_decay is L2 coupled through the gradient; both as in
 * torch.optim.NAdam. p_(t+1) is p_t mu_(t+1) as in the paper and in torch's `foreach` path; its plain path of 1.13 has a
 * factor mu_t too many there.
 *
 * Defaults: torch.optim.NAdam 1.13; 0.96 and momentum_decay 0.004 = 1 / 250 are the paper's schedule of mu. */
#include "shared/bias.h"

#include <assay/plugin.h>

#include <math.h>

struct nadam {
    double lr, beta1, beta2, eps, weight_decay, momentum_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(nadam, 2e-3, 1e-5, 1e-1),
    ASSAY_REAL(nadam, beta1, 0.9, 0, 1, "decay of the mean gradient, and momentum in the end",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(nadam, beta2, 0.999, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(nadam, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square"),
    ASSAY_REAL(nadam, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
    ASSAY_REAL(nadam, momentum_decay, 4e-3, 0, ASSAY_INF,
        "what momentum lacks falls by 0.96 to this power per update"),
};

enum { M, V, MU_PRODUCT };

/* mu_product is the only one that is the group's: step->global[0]. */
static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [V] = { .name = "v" },
    [MU_PRODUCT] = { .name = "mu_product", .shape = ASSAY_SLOT_MODEL, .init = 1 },
};

static const assay_special_case special_cases[] = {
    { .of = "adam",
        .when = "beta1 = 0.0;",
        .as = "beta1 = 0.0; amsgrad = false;",
        .tolerance = 1e-6,
        .doc = "without momentum there is none to look ahead by" },
};

static double momentum_at(const struct nadam *h, uint64_t t)
{
    return h->beta1 * (1 - 0.5 * pow(0.96, (double)t * h->momentum_decay));
}

static int combine(assay_ctx *ctx, const void *hyper, const assay_step *step)
{
    (void)ctx;
    step->global[0] *= momentum_at(hyper, step->t);
    return ASSAY_OK;
}

struct factors {
    float beta1, rest1, beta2, rest2, eps, decay; /* rest = 1 - beta */
    float rate_g, rate_m; /* of the gradient and of its mean */
    float unbias; /* 1 / sqrt(1 - beta2^t) */
};

/* The arrays are parameters because clang heeds `restrict` only there, and gives up on so many that may overlap. */
ASSAY_MULTIVERSION static void run(const struct factors f, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict m, float *restrict v)
{
    for (uint64_t i = 0; i < n; i++) {
        const float d = g[i] + f.decay * w[i];
        m[i] = f.beta1 * m[i] + f.rest1 * d;
        v[i] = f.beta2 * v[i] + f.rest2 * (d * d);
        w[i] -= (f.rate_g * d + f.rate_m * m[i]) / (sqrtf(v[i]) * f.unbias + f.eps);
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct nadam *h = hyper;
    const double product = step->global[0];
    const double mu = momentum_at(h, step->t), next = momentum_at(h, step->t + 1);
    const struct factors f = {
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .beta2 = (float)h->beta2,
        .rest2 = (float)(1 - h->beta2),
        .eps = (float)h->eps,
        .decay = (float)h->weight_decay,
        .rate_g = (float)(h->lr * (1 - mu) / (1 - product)),
        .rate_m = (float)(h->lr * next / (1 - product * next)),
        .unbias = (float)(1 / sqrt(share_seen(h->beta2, (double)step->t))),
    };
    (void)ctx;
    run(f, s->n, s->g, s->w, s->slot[M], s->slot[V]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(nadam, "0.1.0", "NAdam: Adam with Nesterov's momentum", ASSAY_HYPERS(nadam, hypers),
    .elem = update, .combine = combine, ASSAY_SLOTS(slots), ASSAY_SPECIAL_CASES(special_cases));
