/* probe: plain gradient descent that keeps the gradient it was handed, so that a test can read it.
 *
 *   g' = g;  w <- w - lr g */
#include <assay/plugin.h>

struct probe {
    double lr, momentum;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(probe, 0.1, 1e-3, 1),
    ASSAY_REAL(probe, momentum, 0.5, 0, 1, "does nothing but be driven by a schedule",
        .flags = ASSAY_SCHED),
};

static const assay_slot slots[] = { { .name = "g" }, { .name = "lr", .shape = ASSAY_SLOT_SCALAR },
    { .name = "momentum", .shape = ASSAY_SLOT_SCALAR } };

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct probe *h = hyper;
    const float lr = (float)h->lr;
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++) {
        s->slot[0][i] = s->g[i];
        s->w[i] -= lr * s->g[i];
    }
    s->slot[1][0] = lr;
    s->slot[2][0] = (float)h->momentum;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(probe, "0.1.0", "gradient descent that keeps what it was handed",
    ASSAY_HYPERS(probe, hypers), .tensor = update, ASSAY_SLOTS(slots));
