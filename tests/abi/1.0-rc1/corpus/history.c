/* history: descends along the mean of the last `length` gradients, which it keeps.
 *
 *   item (t - 1) mod length <- g;  w <- w - lr mean of the items filled so far */
#include <assay/plugin.h>

struct history {
    double lr;
    int64_t length;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(history, 0.1, 1e-3, 1),
    ASSAY_INT(history, length, 3, 1, 100, "gradients kept"),
};

static const assay_slot slots[] = { { .name = "past", .times = "length" } };

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct history *h = hyper;
    const uint64_t length = (uint64_t)h->length, now = (step->t - 1) % length;
    const uint64_t filled = step->t < length ? step->t : length;
    (void)ctx;
    for (uint64_t i = 0; i < s->n; i++) {
        double sum = 0;
        s->slot[0][now * s->slot_stride + i] = s->g[i];
        for (uint64_t k = 0; k < filled; k++)
            sum += s->slot[0][k * s->slot_stride + i];
        s->w[i] -= (float)(h->lr * sum / (double)filled);
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(history, "0.1.0", "descends along the mean of the last gradients",
    ASSAY_HYPERS(history, hypers), .elem = update, ASSAY_SLOTS(slots));
