/* LAMB: AdamW whose step is given, tensor by tensor, the norm of the weights.
 *
 *   m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) g^2
 *   u  = (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps) + weight_decay w
 *   w <- w - lr |w| / |u| u
 *
 * You et al. 2020, "Large batch optimization for deep learning: training BERT in 76 minutes", algorithm 2. A first pass updates
 * m and v and takes the norms, a second one makes u anew and steps: 40 bytes per weight, where keeping u would cost as many and
 * another array.
 *
 * Deviations: phi is the identity, as in the authors' code; with `exclude`, also as there, biases and gains have the ratio 1 and
 * no decay; the ratio is 1 as well where a norm is 0.
 *
 * Defaults: betas, eps and weight_decay as in the authors' code; lr 1e-3 lies between the paper's 8.8e-4 for batches of 1024 and
 * 1.25e-3 for 2048. */
#include "shared/bias.h"
#include "shared/lanes.h"

#include <assay/plugin.h>

#include <math.h>

struct lamb {
    double lr, beta1, beta2, eps, weight_decay;
    int64_t ratio, exclude;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(lamb, 1e-3, 1e-4, 1e-1),
    ASSAY_REAL(lamb, beta1, 0.9, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(lamb, beta2, 0.999, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(lamb, eps, 1e-6, 0, ASSAY_INF, "added to the root of the mean square",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(lamb, weight_decay, 1e-2, 0, ASSAY_INF, "added to the step, times the weights",
        .flags = ASSAY_TUNE | ASSAY_LOG | ASSAY_SCHED, .tune_min = 1e-4, .tune_max = 1),
    ASSAY_BOOL(lamb, ratio, 1, "scale by the ratio of norms; without, it is AdamW"),
    ASSAY_BOOL(lamb, exclude, 1, "biases and gains are neither scaled nor decayed"),
};

enum { M, V };

static const assay_slot slots[] = { [M] = { .name = "m" }, [V] = { .name = "v" } };

static const assay_metric_row metrics[] = {
    { .name = "trust", .doc = "the ratio |w| / |u| of each tensor", .per_tensor = 1 },
};

static const assay_special_case special_cases[] = {
    { .of = "adamw",
        .when = "ratio = false; exclude = false;",
        .as = "",
        .doc = "without the ratio lr u is AdamW's step, decay included" },
};

enum { OF_WEIGHTS, OF_STEP, N_SUMS };

static int is_spared(const struct lamb *h, const assay_tensor *t)
{
    return h->exclude && (t->role == ASSAY_ROLE_BIAS || t->role == ASSAY_ROLE_GAIN);
}

struct factors {
    float beta1, rest1, beta2, rest2, eps, decay; /* rest = 1 - beta */
    float unbias1; /* 1 / (1 - beta1^t) */
    float unbias2; /* 1 / sqrt(1 - beta2^t) */
};

static struct factors factors_at(const struct lamb *h, uint64_t t, const assay_tensor *of)
{
    return (struct factors){
        .beta1 = (float)h->beta1,
        .rest1 = (float)(1 - h->beta1),
        .beta2 = (float)h->beta2,
        .rest2 = (float)(1 - h->beta2),
        .eps = (float)h->eps,
        .decay = is_spared(h, of) ? 0 : (float)h->weight_decay,
        .unbias1 = (float)(1 / share_seen(h->beta1, (double)t)),
        .unbias2 = (float)(1 / sqrt(share_seen(h->beta2, (double)t))),
    };
}

static inline void gather(const struct factors *f, uint64_t n, const float *restrict g,
    const float *restrict w, float *restrict m, float *restrict v, double *restrict of_weights,
    double *restrict of_step)
{
    for (uint64_t l = 0; l < n; l++) {
        m[l] = f->beta1 * m[l] + f->rest1 * g[l];
        v[l] = f->beta2 * v[l] + f->rest2 * (g[l] * g[l]);
        const float u = f->unbias1 * (m[l] / (sqrtf(v[l]) * f->unbias2 + f->eps)) + f->decay * w[l];
        of_weights[l] += (double)w[l] * (double)w[l];
        of_step[l] += (double)u * (double)u;
    }
}

ASSAY_MULTIVERSION static void gather_all(const struct factors f, uint64_t n, const float *g,
    const float *w, float *m, float *v, double *sums)
{
    double of_weights[LANES] = { 0 }, of_step[LANES] = { 0 };
    uint64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        gather(&f, LANES, g + i, w + i, m + i, v + i, of_weights, of_step);
    }
    gather(&f, n - i, g + i, w + i, m + i, v + i, of_weights, of_step);
    sums[OF_WEIGHTS] += lanes_fold(of_weights);
    sums[OF_STEP] += lanes_fold(of_step);
}

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, double *sums)
{
    (void)ctx;
    gather_all(
        factors_at(hyper, step->t, s->tensor), s->n, s->g, s->w, s->slot[M], s->slot[V], sums);
    return ASSAY_OK;
}

static double trust(const struct lamb *h, const assay_span *s)
{
    if (!h->ratio || is_spared(h, s->tensor)) {
        return 1;
    }
    const double w = sqrt(s->sums[OF_WEIGHTS]), u = sqrt(s->sums[OF_STEP]);
    return w > 0 && u > 0 ? w / u : 1;
}

ASSAY_MULTIVERSION static void walk(const struct factors f, uint64_t n, float shrink, float rate,
    const float *restrict m, const float *restrict v, float *restrict w)
{
    for (uint64_t i = 0; i < n; i++) {
        w[i] = shrink * w[i] - rate * (m[i] / (sqrtf(v[i]) * f.unbias2 + f.eps));
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct lamb *h = hyper;
    const double ratio = trust(h, s), rate = h->lr * ratio;
    const double decay = is_spared(h, s->tensor) ? 0 : h->weight_decay;
    walk(factors_at(h, step->t, s->tensor), s->n, (float)(1 - rate * decay),
        (float)(rate / share_seen(h->beta1, (double)step->t)), s->slot[M], s->slot[V], s->w);
    /* Chunks of a tensor are updated at the same time: one of them speaks for it. */
    return s->begin == 0 ? ctx->host->metric(ctx, 0, s->tensor->index, ratio) : ASSAY_OK;
}

ASSAY_OPTIMIZER(lamb, "0.1.0", "LAMB: AdamW's step with the norm of the weights, tensor by tensor",
    ASSAY_HYPERS(lamb, hypers), .elem = update, ASSAY_SLOTS(slots), .n_sums = N_SUMS,
    .reduce = reduce, ASSAY_METRICS(metrics), ASSAY_SPECIAL_CASES(special_cases));
