/* Prodigy: Adam whose learning rate d is an estimate of how far the solution lies from where training began.
 *
 *   r <- beta3 r + lr d^2 / d0 <g, w_0 - w>;   s <- beta3 s + lr d^2 / d0 g
 *   d' = d_coef r / |s|_1, over all tensors, or d where that is larger; at most growth_rate d
 *   m <- beta1 m + (1 - beta1) d g;   v <- beta2 v + (1 - beta2) d^2 g^2
 *   w <- (1 - lr d weight_decay) w - lr d m / (sqrt(v) + d eps);   d <- d'
 *
 * Mishchenko and Defazio 2024, "Prodigy: an expeditiously adaptive parameter-free learner", algorithm 4. The first pass takes
 * both sums, the second does the rest: 48 bytes per weight.
 *
 * Deviations: what the authors' code has beyond the paper: d_coef, growth_rate, a beta3 of its own, decoupled decay,
 * bias_correction (lr times Adam's), safeguard_warmup (s without lr), and the bounds on d' as above. eps is scaled by d, as in the
 * paper; the code takes d' there. Where lr is 0 the code leaves all as it is. A layer's lr_scale is part of its lr.
 *
 * Defaults: the authors' code; growth_rate 0 stands for no limit, beta3 0 for sqrt(beta2). */
#include "shared/bias.h"
#include "shared/lanes.h"

#include <assay/plugin.h>

#include <math.h>
#include <string.h>

struct prodigy {
    double lr, beta1, beta2, beta3, eps, weight_decay, d0, d_coef, growth_rate;
    int64_t bias_correction, safeguard_warmup;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(prodigy, 1, 1e-2, 1e1),
    ASSAY_REAL(prodigy, beta1, 0.9, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(prodigy, beta2, 0.999, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(prodigy, beta3, 0, 0, 1, "decay of the sums behind d; 0: the root of beta2"),
    ASSAY_REAL(prodigy, eps, 1e-8, 0, ASSAY_INF, "times d, added to the root of the mean square",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(prodigy, weight_decay, 0, 0, ASSAY_INF,
        "share of the weights, times lr d, that is lost", .flags = ASSAY_SCHED),
    ASSAY_REAL(
        prodigy, d0, 1e-6, 0, ASSAY_INF, "first estimate of the distance", .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(prodigy, d_coef, 1, 0, ASSAY_INF, "factor of the estimate",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 0.1, .tune_max = 10),
    ASSAY_REAL(
        prodigy, growth_rate, 0, 0, ASSAY_INF, "d grows at most by this factor; 0: no limit"),
    ASSAY_BOOL(prodigy, bias_correction, 0, "correct the bias of both means, as Adam does"),
    ASSAY_BOOL(prodigy, safeguard_warmup, 0, "leave lr out of the denominator of d's estimate"),
};

enum { M, V, S, W0 };
enum { D, D_MAX, R }; /* of assay_step.global */
enum { PROGRESS, LENGTH, N_SUMS }; /* what r grows by; |s|_1 */

static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [V] = { .name = "v" },
    [S] = { .name = "s" },
    [W0] = { .name = "w0" },
    { .name = "d", .shape = ASSAY_SLOT_MODEL },
    { .name = "d_max", .shape = ASSAY_SLOT_MODEL },
    { .name = "r", .shape = ASSAY_SLOT_MODEL },
};

static const assay_metric_row metrics[] = { { .name = "d", .doc = "estimate of the distance" } };

static const assay_special_case special_cases[] = {
    { .of = "adamw",
        .when = "d0 = 1.0; d_coef = 0.0; bias_correction = true; weight_decay = 0.0; eps = 1e-30;",
        .as = "weight_decay = 0.0; eps = 1e-30;",
        .tolerance = 1e-5,
        .doc = "d stays at d0 = 1" },
};

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct prodigy *h = hyper;
    if (h->growth_rate > 0 && h->growth_rate < 1) {
        return ctx->host->fail(
            ctx, ASSAY_E_INVALID, "growth_rate", "must be at least 1, or 0 for no limit");
    }
    return ASSAY_OK;
}

/* d of an update, from what the one before has left: free until it has left d0, a guess far below any use. */
static double estimate(const struct prodigy *h, const assay_step *step)
{
    const double *at = step->global;
    if (step->t == 1) {
        return h->d0;
    }
    const double from = at[D] == h->d0 ? at[D_MAX] : at[D];
    return h->growth_rate > 0 ? fmin(at[D_MAX], h->growth_rate * from) : at[D_MAX];
}

static double decay_of_sums(const struct prodigy *h)
{
    return h->beta3 > 0 ? h->beta3 : sqrt(h->beta2);
}

static double rate_of(const struct prodigy *h, uint64_t t)
{
    const double time = (double)t;
    return h->bias_correction
        ? h->lr * sqrt(share_seen(h->beta2, time)) / share_seen(h->beta1, time)
        : h->lr;
}

static inline void gather(uint64_t n, float keep, float take, const float *restrict g,
    const float *restrict w, const float *restrict w0, float *restrict s, double *restrict progress,
    double *restrict length)
{
    for (uint64_t l = 0; l < n; l++) {
        s[l] = keep * s[l] + take * g[l];
        progress[l] += (double)g[l] * (double)(w0[l] - w[l]);
        length[l] += (double)fabsf(s[l]);
    }
}

ASSAY_MULTIVERSION static void gather_all(
    const assay_span *of, float keep, float take, double weight, double *sums)
{
    double progress[LANES] = { 0 }, length[LANES] = { 0 };
    const float *g = of->g, *w = of->w, *w0 = of->slot[W0];
    float *s = of->slot[S];
    uint64_t i = 0;
    for (; i + LANES <= of->n; i += LANES) {
        gather(LANES, keep, take, g + i, w + i, w0 + i, s + i, progress, length);
    }
    gather(of->n - i, keep, take, g + i, w + i, w0 + i, s + i, progress, length);
    sums[PROGRESS] += weight * lanes_fold(progress);
    sums[LENGTH] += lanes_fold(length);
}

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, double *sums)
{
    const struct prodigy *h = hyper;
    const double d = estimate(h, step), scale = d / h->d0 * d, rate = rate_of(h, step->t);
    (void)ctx;
    if (step->t == 1) {
        memcpy(s->slot[W0], s->w, s->n * sizeof *s->w);
    }
    gather_all(s, (float)decay_of_sums(h), (float)(h->safeguard_warmup ? scale : scale * rate),
        scale * rate, sums);
    return ASSAY_OK;
}

static int combine(assay_ctx *ctx, const void *hyper, const assay_step *step)
{
    const struct prodigy *h = hyper;
    const double length = step->sums[LENGTH];
    double *at = step->global;
    at[D] = estimate(h, step);
    at[D_MAX] = step->t == 1 ? h->d0 : at[D_MAX];
    at[R] = decay_of_sums(h) * at[R] + step->sums[PROGRESS];
    if (length > 0) {
        const double found = h->d_coef * at[R] / length;
        at[D_MAX] = found > at[D_MAX] ? found : at[D_MAX];
    }
    return ctx->host->metric(ctx, 0, UINT64_MAX, at[D]);
}

struct factors {
    float beta1, take1, beta2, take2, eps; /* take: of the gradient, and of its square */
    float rate, shrink;
};

ASSAY_MULTIVERSION static void walk(const struct factors f, uint64_t n, const float *restrict g,
    float *restrict w, float *restrict m, float *restrict v)
{
    for (uint64_t i = 0; i < n; i++) {
        m[i] = f.beta1 * m[i] + f.take1 * g[i];
        v[i] = f.beta2 * v[i] + (f.take2 * g[i]) * (f.take2 * g[i]);
        w[i] = f.shrink * w[i] - f.rate * (m[i] / (sqrtf(v[i]) + f.eps));
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct prodigy *h = hyper;
    const double d = step->global[D], rate = d * rate_of(h, step->t);
    const struct factors f = {
        .beta1 = (float)h->beta1,
        .take1 = (float)(d * (1 - h->beta1)),
        .beta2 = (float)h->beta2,
        .take2 = (float)(d * sqrt(1 - h->beta2)),
        .eps = (float)(d * h->eps),
        .rate = (float)rate,
        .shrink = (float)(1 - rate * h->weight_decay),
    };
    (void)ctx;
    walk(f, s->n, s->g, s->w, s->slot[M], s->slot[V]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(prodigy, "0.1.0", "Prodigy: Adam that finds its learning rate",
    ASSAY_HYPERS(prodigy, hypers), .elem = update, ASSAY_SLOTS(slots), .validate = validate,
    .n_sums = N_SUMS, .reduce = reduce, .combine = combine, ASSAY_METRICS(metrics),
    ASSAY_SPECIAL_CASES(special_cases));
