/* lars_like: a trust ratio per tensor from sums over chunks, and a running norm of the whole gradient in a MODEL slot.
 *
 *   n <- 0.9 n + 0.1 |g|        over all tensors
 *   w <- w - lr |w_t| / (|g_t| + 1e-9) g / (1 + n + loss)        per tensor t
 *
 * After You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks". */
#include <assay/plugin.h>

enum { W, G, N_SUMS };

struct lars_like {
    double lr;
};

static const assay_hyper hypers[] = { ASSAY_LR(lars_like, 0.1, 1e-3, 1) };

static const assay_slot slots[] = { { .name = "norm", .shape = ASSAY_SLOT_MODEL, .init = 0.25 },
    { .name = "seen" } };

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, double *sums)
{
    (void)ctx;
    (void)hyper;
    if (step->sums || s->sums) return ASSAY_E_INTERNAL;
    for (uint64_t i = 0; i < s->n; i++) {
        sums[W] += (double)s->w[i] * s->w[i];
        sums[G] += (double)s->g[i] * s->g[i];
    }
    return ASSAY_OK;
}

static int combine(assay_ctx *ctx, const void *hyper, const assay_step *step)
{
    (void)ctx;
    (void)hyper;
    step->global[0] = 0.9 * step->global[0] + 0.1 * sqrt(step->sums[G]);
    return ASSAY_OK;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct lars_like *h = hyper;
    const double trust = sqrt(s->sums[W]) / (sqrt(s->sums[G]) + 1e-9);
    const float lr = (float)(h->lr * trust / (1 + step->global[0] + step->loss));
    (void)ctx;
    for (uint64_t i = 0; i < s->n; i++) {
        s->w[i] -= lr * s->g[i];
        s->slot[1][i] += 1;
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(lars_like, "0.1.0", "trust ratios from reduced sums",
    ASSAY_HYPERS(lars_like, hypers), .elem = update, .reduce = reduce, .n_sums = N_SUMS,
    .combine = combine, ASSAY_SLOTS(slots));
