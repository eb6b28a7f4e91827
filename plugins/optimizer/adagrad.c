/* Adagrad: each weight's rate falls with the root of the sum of its squared gradients.
 *
 *   g' = g + weight_decay w
 *   s <- s + g'^2                                  (s starts at initial_accumulator)
 *   w <- w - lr / (1 + (t - 1) lr_decay) g' / (sqrt(s) + eps)
 *
 * Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization", figure 1
 * with diagonal matrices and the primal-dual update without a regulariser.
 *
 * Deviations: eps stands outside the root, as in torch.optim.Adagrad, where the paper's delta does, too; weight_decay and
 * lr_decay are torch's.
 *
 * Defaults: torch.optim.Adagrad 1.13. */
#include <assay/plugin.h>

#include <math.h>

struct adagrad {
    double lr, lr_decay, weight_decay, initial_accumulator, eps;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(adagrad, 1e-2, 1e-4, 1),
    ASSAY_REAL(adagrad, lr_decay, 0, 0, ASSAY_INF, "the rate is divided by 1 + (t - 1) times this"),
    ASSAY_REAL(adagrad, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
    ASSAY_REAL(
        adagrad, initial_accumulator, 0, 0, ASSAY_INF, "where the sums of squares start from"),
    ASSAY_REAL(adagrad, eps, 1e-10, 0, ASSAY_INF, "added to the root of the sum of squares"),
};

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "lr = 7.31e6; eps = 1e8; lr_decay = 0.0;",
        .as = "lr = 0.0731; momentum = 0.0;",
        .tolerance = 1e-5,
        .doc = "as eps grows the denominator becomes a constant" },
};

static const assay_slot slots[] = { { .name = "sum" } };

ASSAY_MULTIVERSION static int update(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct adagrad *h = hyper;
    const float rate = (float)(h->lr / (1 + (double)(step->t - 1) * h->lr_decay));
    const float decay = (float)h->weight_decay, eps = (float)h->eps;
    /* The slot is zero before the first update; a hyperparameter cannot be a slot's first value. */
    const float start = step->t == 1 ? (float)h->initial_accumulator : 0.0f;
    const float *restrict g = s->g;
    float *restrict w = s->w, *restrict sum = s->slot[0];
    (void)ctx;
    for (uint64_t i = 0; i < s->n; i++) {
        const float d = g[i] + decay * w[i];
        sum[i] = (start + sum[i]) + d * d;
        w[i] -= rate * (d / (sqrtf(sum[i]) + eps));
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adagrad, "0.1.0", "Adagrad: rates that fall with the sum of squared gradients",
    ASSAY_HYPERS(adagrad, hypers), .elem = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
