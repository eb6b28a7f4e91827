/* stream_probe: w <- w - lr g; writes down what an update is told: numbers from span->draw, the factor of clipping. A scratch slot
 * is written and read within the update. Reports how many updates there were. */
#include <assay/plugin.h>

struct stream_probe {
    double lr;
};

static const assay_hyper hypers[] = { ASSAY_LR(stream_probe, 0.0731, 1e-3, 1) };

enum { NUMBERS, CLIP, WHOLE, ROOM };

static const assay_slot slots[] = {
    [NUMBERS] = { .name = "numbers" },
    [CLIP] = { .name = "clip" },
    [WHOLE] = { .name = "whole" }, /* a number of the update as a whole */
    [ROOM] = { .name = "room", .flags = ASSAY_SLOT_SCRATCH, .init = 7.5 },
};

static const assay_metric_row metrics[] = {
    { "count", "updates so far", 0 },
    { "size", "elements", 1 },
};

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct stream_probe *h = hyper;
    float whole;
    ctx->host->uniform_f32(ctx, s->draw, s->begin, s->slot[NUMBERS], s->n);
    ctx->host->uniform_f32(ctx, step->draw, 0, &whole, 1);
    for (uint64_t i = 0; i < s->n; i++) {
        s->slot[CLIP][i] = (float)step->clip;
        s->slot[WHOLE][i] = whole;
        s->slot[ROOM][i] = (float)h->lr * s->g[i];
    }
    for (uint64_t i = 0; i < s->n; i++) {
        s->w[i] -= s->slot[ROOM][i];
    }
    (void)ctx->host->metric(ctx, 0, UINT64_MAX, (double)step->t);
    (void)ctx->host->metric(ctx, 1, s->tensor->index, (double)s->tensor->size);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(stream_probe, "0.1.0", "writes down what an update is told",
    ASSAY_HYPERS(stream_probe, hypers), .elem = update, ASSAY_SLOTS(slots), ASSAY_METRICS(metrics));
