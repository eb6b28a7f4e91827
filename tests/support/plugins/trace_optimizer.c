/* trace_optimizer: w <- w - lr m, m = the gradient; in one update a value of the tensor called `tensor` breaks, of the weights or of
 * the slot. `off` never becomes finite, and means it. */
#include <assay/plugin.h>

#include <string.h>

struct trace_optimizer {
    double lr;
    int64_t step, in_slot, element;
    const char *tensor;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(trace_optimizer, 0.037, 1e-3, 1),
    ASSAY_INT(trace_optimizer, step, 1e6, 1, 1e6, "the update in which it happens"),
    ASSAY_BOOL(trace_optimizer, in_slot, 0, "in the slot, not in the weight"),
    ASSAY_INT(trace_optimizer, element, 0, 0, 1e6, "which element"),
    ASSAY_STRING(trace_optimizer, tensor, "dense1.weight", "of which tensor"),
};

static const assay_slot slots[] = {
    { .name = "m" },
    { .name = "off", .shape = ASSAY_SLOT_SCALAR, .init = ASSAY_INF },
};

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct trace_optimizer *h = hyper;
    (void)ctx;
    for (uint64_t i = 0; i < s->n; i++) {
        s->slot[0][i] = s->g[i];
        s->w[i] -= (float)h->lr * s->g[i];
    }
    const uint64_t at = (uint64_t)h->element - s->begin;
    if (step->t == (uint64_t)h->step && (uint64_t)h->element >= s->begin && at < s->n &&
        strcmp(s->tensor->name, h->tensor) == 0) {
        *(h->in_slot ? &s->slot[0][at] : &s->w[at]) = (float)-ASSAY_INF;
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(trace_optimizer, "0.1.0", "descends until it breaks",
    ASSAY_HYPERS(trace_optimizer, hypers), .elem = update, ASSAY_SLOTS(slots));
