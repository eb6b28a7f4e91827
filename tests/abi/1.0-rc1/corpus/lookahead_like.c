/* lookahead_like: every k updates of an inner optimizer the slow weights take a step towards the fast ones.
 *
 *   slow <- slow + alpha (w - slow);  w <- slow        at every k-th update
 *
 * After Zhang et al. 2019, "Lookahead optimizer", algorithm 1. */
#include <assay/plugin.h>

struct lookahead_like {
    double alpha;
    int64_t k;
    const assay_instance *inner, *pace;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(lookahead_like, alpha, 0.5, 0, 1, "share of the way"),
    ASSAY_INT(lookahead_like, k, 5, 1, 1000, "inner updates"),
    ASSAY_COMPONENT(
        lookahead_like, inner, "optimizer", "makes the fast steps", .flags = ASSAY_REQUIRED),
    ASSAY_COMPONENT(lookahead_like, pace, "schedule", "multiplies alpha; none: 1"),
};

static const assay_slot slots[] = { { .name = "slow" } };

static int factor_of(assay_ctx *ctx, const struct lookahead_like *h, uint64_t t, double *out)
{
    const assay_when when = { .struct_size = sizeof when,
        .step = t - 1,
        .total_steps = 100,
        .epoch = t / 10,
        .total_epochs = 10,
        .steps_per_epoch = 10,
        .n_checks = t,
        .monitored = 1 };
    *out = 1;
    return h->pace ? ctx->host->inner_factor(ctx, h->pace, &when, out) : ASSAY_OK;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct lookahead_like *h = hyper;
    double factor;
    (void)closure;
    for (uint64_t i = 0; i < n && step->t == 1; i++) {
        const assay_span *s = (const void *)((const char *)spans + i * stride);
        for (uint64_t k = 0; k < s->n; k++)
            s->slot[0][k] = s->w[k];
    }
    int code = ctx->host->inner_update(ctx, h->inner, step, spans, n, stride);
    if (code == ASSAY_OK) code = factor_of(ctx, h, step->t, &factor);
    if (code != ASSAY_OK || step->t % (uint64_t)h->k != 0) return code;
    const float alpha = (float)(h->alpha * factor);
    for (uint64_t i = 0; i < n; i++) {
        const assay_span *s = (const void *)((const char *)spans + i * stride);
        for (uint64_t k = 0; k < s->n; k++) {
            s->slot[0][k] += alpha * (s->w[k] - s->slot[0][k]);
            s->w[k] = s->slot[0][k];
        }
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(lookahead_like, "0.1.0", "slow weights behind an inner optimizer",
    ASSAY_HYPERS(lookahead_like, hypers), .model = update, ASSAY_SLOTS(slots));
