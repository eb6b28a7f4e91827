/* Adam: steps scaled by the ratio of the mean gradient to the root of its mean square, both unbiased.
 *
 *   g' = g + weight_decay w
 *   m <- beta1 m + (1 - beta1) g';   v <- beta2 v + (1 - beta2) g'^2
 *   w <- w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * Kingma and Ba 2015, "Adam: a method for stochastic optimization", algorithm 1. amsgrad puts max(v_1 .. v_t) in the place of
 * v: Reddi, Kale and Kumar 2018, "On the convergence of Adam and beyond", algorithm 2.
 *
 * Deviations: weight_decay is L2 coupled through the gradient, as in torch.optim.Adam, and is not in the paper; amsgrad
 * corrects the bias of the maximum, as torch does and the paper does not. Where a schedule drives beta1, the correction
 * uses its present value to the power t, as torch would.
 *
 * Defaults: the paper's, section 2; weight_decay 0 and amsgrad off as in torch.optim.Adam 1.13. */
#include "shared/adam.h"

static const assay_hyper hypers[] = {
    ADAM_HYPERS,
    ASSAY_REAL(adam, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
};

static const assay_special_case special_cases[] = {
    { .of = "sgd",
        .when = "lr = 7.31e6; eps = 1e8; beta1 = 0.9; amsgrad = false;",
        .as = "lr = 0.0731; momentum = 0.9; dampening = 0.9; nesterov = false;",
        .after = 300,
        .tolerance = 1e-5,
        .doc = "as eps grows the denominator becomes a constant" },
    { .of = "lamb",
        .when = "amsgrad = false; weight_decay = 0.0;",
        .as = "ratio = false; exclude = false; weight_decay = 0.0;",
        .doc = "LAMB takes Adam's step and scales it" },
    { .of = "rmsprop",
        .when = "beta1 = 0.0; beta2 = 0.9; amsgrad = false;",
        .as = "alpha = 0.9; momentum = 0.0; centered = false;",
        .after = 200,
        .tolerance = 1e-6,
        .doc = "without a mean, once the bias of the mean square has died out" },
};

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct adam *h = hyper;
    const struct adam_factors f = adam_factors_at(h, step->t, h->weight_decay, 0);
    (void)ctx;
    adam_update(h, &f, s);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adam, "0.1.0", "Adam: mean gradient over the root of its mean square",
    ASSAY_HYPERS(adam, hypers), .elem = update, ASSAY_SLOTS(adam_slots),
    ASSAY_SPECIAL_CASES(special_cases));
