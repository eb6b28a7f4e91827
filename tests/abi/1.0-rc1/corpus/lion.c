/* Lion: the sign of an interpolated momentum.
 *
 *   u = beta1 m + (1 - beta1) g;  w <- w - lr (sign(u) + weight_decay w);  m <- beta2 m + (1 - beta2) g
 *
 * Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", algorithm 2. Defaults: the same paper. */
#include <assay/plugin.h>

struct lion {
    double lr, beta1, beta2, weight_decay;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(lion, 1e-4, 1e-5, 1e-2),
    ASSAY_REAL(lion, beta1, 0.9, 0, 1, "momentum used for the update", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(lion, beta2, 0.99, 0, 1, "momentum kept as state", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(lion, weight_decay, 0, 0, 1, "decoupled weight decay",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 1e-4, .tune_max = 1),
};

static const assay_slot slots[] = { { .name = "m" } };

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct lion *h = hyper;
    const float beta1 = (float)h->beta1, beta2 = (float)h->beta2;
    const float lr = (float)h->lr, decay = (float)(h->lr * h->weight_decay);
    const float *g = s->g;
    float *w = s->w, *m = s->slot[0];
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++) {
        const float u = beta1 * m[i] + (1 - beta1) * g[i];
        w[i] -= lr * (float)((u > 0) - (u < 0)) + decay * w[i];
        m[i] = beta2 * m[i] + (1 - beta2) * g[i];
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(lion, "0.1.0", "Lion: sign of an interpolated momentum", ASSAY_HYPERS(lion, hypers),
    .elem = update, ASSAY_SLOTS(slots));
