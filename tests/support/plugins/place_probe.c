/* place_probe: gradient descent that is evaluated beside its weights, as far away as eval_weights is told of group and update. */
#include <assay/plugin.h>

#include <string.h>

struct place_probe {
    double lr;
};

static const assay_hyper hypers[] = { ASSAY_LR(place_probe, 0.1, 1e-3, 1) };

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct place_probe *h = hyper;
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++)
        s->w[i] -= (float)h->lr * s->g[i];
    return ASSAY_OK;
}

/* The weights themselves, moved by what the step says of the group and the update. */
static int eval_weights(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, float *out)
{
    (void)ctx;
    (void)hyper;
    const double seen = 1e-3 * (double)step->n_tensors + 1e-5 * (double)step->n_elements +
        1e-4 * (double)step->draw + 1e-2 * (step->sums != 0) + 1e-2 * (s->sums != 0);
    for (uint64_t i = 0; i < s->n; i++)
        out[i] = s->w[i] + (float)seen;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(place_probe, "0.1.0", "gradient descent evaluated beside its weights",
    ASSAY_HYPERS(place_probe, hypers), .elem = update, .eval_weights = eval_weights);
