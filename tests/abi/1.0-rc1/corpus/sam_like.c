/* sam_like: steps with the gradient at the worst point nearby, through an inner optimizer.
 *
 *   e = rho g / |g|;  g' = gradient at w + e, same batch and draws;  the inner optimizer steps from w with g'
 *
 * After Foret et al. 2021, "Sharpness-aware minimization", equation 3. */
#include <assay/plugin.h>

struct sam_like {
    double rho;
    const assay_instance *inner;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(sam_like, rho, 0.05, 0, ASSAY_INF, "radius"),
    ASSAY_COMPONENT(sam_like, inner, "optimizer", "makes the step", .flags = ASSAY_REQUIRED),
};

static const assay_slot slots[] = { { .name = "start" },
    { .name = "perturbed_loss", .shape = ASSAY_SLOT_MODEL } };

static const assay_span *at(const assay_span *spans, uint64_t stride, uint64_t i)
{
    return (const assay_span *)(const void *)((const char *)spans + i * stride);
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct sam_like *h = hyper;
    double squares = 0;
    for (uint64_t i = 0; i < n; i++) {
        const assay_span *s = at(spans, stride, i);
        for (uint64_t k = 0; k < s->n; k++)
            squares += (double)s->g[k] * s->g[k];
    }
    const float scale = squares > 0 ? (float)(h->rho / sqrt(squares)) : 0;
    for (uint64_t i = 0; i < n; i++) {
        const assay_span *s = at(spans, stride, i);
        for (uint64_t k = 0; k < s->n; k++) {
            s->slot[0][k] = s->w[k];
            s->w[k] += scale * s->g[k];
        }
    }
    const int code = closure->evaluate(closure, ASSAY_CLOSURE_GRADIENT, &step->global[0]);
    for (uint64_t i = 0; i < n; i++) {
        const assay_span *s = at(spans, stride, i);
        for (uint64_t k = 0; k < s->n; k++)
            s->w[k] = s->slot[0][k];
    }
    if (code != ASSAY_OK) return code;
    return ctx->host->inner_update(ctx, h->inner, step, spans, n, stride);
}

ASSAY_OPTIMIZER(sam_like, "0.1.0", "sharpness-aware steps through an inner optimizer",
    ASSAY_HYPERS(sam_like, hypers), .model = update, ASSAY_SLOTS(slots));
