/* AdamW: Adam whose weight decay acts on the weights and not through the gradient.
 *
 *   m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) g^2
 *   w <- (1 - lr weight_decay) w - lr (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *
 * Loshchilov and Hutter 2019, "Decoupled weight decay regularization", algorithm 2.
 *
 * Deviations: the paper shrinks by eta_t weight_decay, eta_t being the schedule's factor without the learning rate; like
 * torch.optim.AdamW the learning rate is in it here. amsgrad as in adam.c.
 *
 * Defaults: torch.optim.AdamW 1.13 (weight_decay 0.01, the rest Kingma and Ba 2015, section 2). */
#include "shared/adam.h"

static const assay_hyper hypers[] = {
    ADAM_HYPERS,
    ASSAY_REAL(adam, weight_decay, 0.01, 0, ASSAY_INF,
        "share of the weights, times lr, that is lost",
        .flags = ASSAY_TUNE | ASSAY_LOG | ASSAY_SCHED, .tune_min = 1e-4, .tune_max = 1),
};

static const assay_special_case special_cases[] = {
    { .of = "adam",
        .when = "weight_decay = 0.0;",
        .as = "weight_decay = 0.0;",
        .doc = "they differ in the decay alone" },
    { .of = "lamb",
        .when = "amsgrad = false;",
        .as = "ratio = false; exclude = false;",
        .doc = "LAMB takes AdamW's step and scales it" },
};

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct adam *h = hyper;
    const struct adam_factors f = adam_factors_at(h, step->t, 0, h->weight_decay);
    (void)ctx;
    adam_update(h, &f, s);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adamw, "0.1.0", "AdamW: Adam with decoupled weight decay",
    ASSAY_HYPERS(adam, hypers), .elem = update, ASSAY_SLOTS(adam_slots),
    ASSAY_SPECIAL_CASES(special_cases));
