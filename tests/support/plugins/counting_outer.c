/* counting_outer: hands its updates on, and reports a number of the same name as stream_probe does. */
#include <assay/plugin.h>

struct counting_outer {
    const assay_instance *inner;
};

static const assay_hyper hypers[] = {
    ASSAY_COMPONENT(counting_outer, inner, "optimizer", "makes the step", .flags = ASSAY_REQUIRED),
};

static const assay_metric_row metrics[] = { { "count", "twice the updates so far", 0 } };

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct counting_outer *h = hyper;
    (void)closure;
    (void)ctx->host->metric(ctx, 0, UINT64_MAX, 2 * (double)step->t);
    return ctx->host->inner_update(ctx, h->inner, step, spans, n, stride);
}

ASSAY_OPTIMIZER(counting_outer, "0.1.0", "hands its updates on",
    ASSAY_HYPERS(counting_outer, hypers), .model = update, ASSAY_METRICS(metrics));
