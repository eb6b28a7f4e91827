/* SGD with momentum, dampening and Nesterov's variant.
 *
 *   g' = g + weight_decay w
 *   b  = momentum b + (1 - dampening) g'        (the first update: b = g')
 *   d  = g' + momentum b  if nesterov,  b  otherwise;  g' when momentum is 0
 *   w <- w - lr d
 *
 * Momentum: Polyak 1964, "Some methods of speeding up the convergence of iteration methods", with the learning rate
 * outside the velocity. Nesterov's: Sutskever et al. 2013, "On the importance of initialization and momentum in deep
 * learning", eq. 3 and 4, in the form of Bengio et al. 2013, "Advances in optimizing recurrent networks", section 3.5.
 * The form is that of torch.optim.SGD.
 *
 * Deviations from torch.optim.SGD: the velocity starts at the first update of the run; torch starts it at the first
 * update with momentum, which differs where a schedule lifts momentum from 0 later and dampening is not 0.
 *
 * Defaults: torch.optim.SGD 1.13, which has none for lr; 0.01 is Bengio 2012, "Practical recommendations for
 * gradient-based training of deep architectures", section 3.1.1. */
#include <assay/plugin.h>

struct sgd {
    double lr, momentum, dampening, weight_decay;
    int64_t nesterov;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(sgd, 1e-2, 1e-4, 1),
    ASSAY_REAL(sgd, momentum, 0, 0, 1, "share of the velocity that is kept",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(sgd, dampening, 0, 0, 1, "share of the gradient that does not enter the velocity"),
    ASSAY_REAL(sgd, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
    ASSAY_BOOL(sgd, nesterov, 0, "look ahead by one velocity"),
};

static const assay_slot slots[] = { { .name = "momentum", .when = "momentum" } };

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct sgd *h = hyper;
    if (h->nesterov && !(h->momentum > 0)) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "nesterov", "needs a momentum above 0");
    }
    if (h->nesterov && h->dampening != 0) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "nesterov", "needs a dampening of 0");
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static void plain(const struct sgd *h, const assay_span *s)
{
    const float lr = (float)h->lr, decay = (float)h->weight_decay;
    const float *restrict g = s->g;
    float *restrict w = s->w;
    if (decay == 0) {
        for (uint64_t i = 0; i < s->n; i++) {
            w[i] -= lr * g[i];
        }
        return;
    }
    for (uint64_t i = 0; i < s->n; i++) {
        w[i] -= lr * (g[i] + decay * w[i]);
    }
}

/* The usual case, to the same bits as the general one below. */
ASSAY_MULTIVERSION static void with_heavy_ball(const struct sgd *h, const assay_span *s, float keep)
{
    const float lr = (float)h->lr;
    const float *restrict g = s->g;
    float *restrict w = s->w, *restrict b = s->slot[0];
    for (uint64_t i = 0; i < s->n; i++) {
        b[i] = keep * b[i] + g[i];
        w[i] -= lr * b[i];
    }
}

/* v = keep b + take d, and the step is own d + look v. */
ASSAY_MULTIVERSION static void with_momentum(
    const struct sgd *h, const assay_span *s, float keep, float take)
{
    const float lr = (float)h->lr, decay = (float)h->weight_decay;
    const float own = h->nesterov ? 1.0f : 0.0f;
    const float look = h->nesterov ? (float)h->momentum : 1.0f;
    const float *restrict g = s->g;
    float *restrict w = s->w, *restrict b = s->slot[0];
    for (uint64_t i = 0; i < s->n; i++) {
        const float d = g[i] + decay * w[i];
        const float v = keep * b[i] + take * d;
        b[i] = v;
        w[i] -= lr * (own * d + look * v);
    }
}

static const assay_special_case special_cases[] = {
    { .of = "lars",
        .when = "momentum = 0.83; dampening = 0.0; nesterov = false; weight_decay = 0.0629;",
        .as = "momentum = 0.83; weight_decay = 0.0629; ratio = false; exclude = false;",
        .tolerance = 1e-5,
        .doc = "LARS without its ratio, which has the rate inside the velocity" },
    { .of = "lars",
        .when = "momentum = 0.0; weight_decay = 0.0629;",
        .as = "momentum = 0.0; weight_decay = 0.0629; ratio = false; exclude = false;",
        .tolerance = 1e-5,
        .doc = "the same without momentum" },
    { .of = "lars",
        .when = "momentum = 0.83; dampening = 0.0; nesterov = false; weight_decay = 0.0;",
        .as = "momentum = 0.83; weight_decay = 0.0; ratio = false; exclude = false;",
        .tolerance = 1e-5,
        .doc = "the same without decay" },
};

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct sgd *h = hyper;
    (void)ctx;
    if (h->momentum == 0) {
        plain(h, s);
    } else if (step->t > 1 && h->weight_decay == 0 && h->dampening == 0 && !h->nesterov) {
        with_heavy_ball(h, s, (float)h->momentum);
    } else if (step->t == 1) {
        with_momentum(h, s, 0, 1);
    } else {
        with_momentum(h, s, (float)h->momentum, (float)(1 - h->dampening));
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(sgd, "0.1.0", "SGD with momentum, dampening and Nesterov's variant",
    ASSAY_HYPERS(sgd, hypers), .elem = update, ASSAY_SLOTS(slots), .validate = validate,
    ASSAY_SPECIAL_CASES(special_cases));
