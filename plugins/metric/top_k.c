/* top_k: the weighted share of rows whose label is among the k largest outputs, with its standard
 * error.
 *
 *   right = fewer than k outputs lie above the label's (equal ones before it count as above)
 *
 * Error as in accuracy, which is k = 1. A row with a NaN is never right. Default k: 5, as reported
 * for ImageNet (Russakovsky et al. 2015, "ImageNet large scale visual recognition challenge"). */
#include "shared/classes.h"

struct top_k {
    int64_t k;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(top_k, k, 5, 1, 1 << 24, "how many guesses a row has"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    char text[200];
    const assay_task *task = plan->task;
    share_plan(plan);
    if (task->target == ASSAY_TARGET_CLASS && task->n_outputs == 1 && task->n_classes == 2) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "needs an output per class, but the last layer has only one: use accuracy");
    }
    const int code = require_classes(ctx, task);
    if (code != ASSAY_OK || (uint64_t)((const struct top_k *)hyper)->k <= task->n_classes)
        return code;
    snprintf(text, sizeof text, "must be at most %llu, the number of classes",
        (unsigned long long)task->n_classes);
    return ctx->host->fail(ctx, ASSAY_E_INVALID, "k", text);
}

static int is_among(const float *y, uint64_t n, uint64_t label, uint64_t k)
{
    uint64_t n_above = 0, n_nan = 0;
    for (uint64_t c = 0; c < n; c++) {
        n_nan += y[c] != y[c];
        n_above += y[c] > y[label] || (c < label && y[c] == y[label]);
    }
    return n_nan == 0 && n_above < k;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    const uint64_t k = (uint64_t)((const struct top_k *)hyper)->k, n = rows->n_outputs;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = row_weight(rows, i);
        if (weight == 0) continue;
        const int code = require_label(ctx, rows, i, n);
        if (code != ASSAY_OK) return code;
        share_add(sums, weight, is_among(rows->y + i * n, n, (uint64_t)rows->label[i], k));
    }
    return ASSAY_OK;
}

ASSAY_METRIC(top_k, "0.1.0", "share of rows whose label is among the k largest outputs",
    ASSAY_HYPERS(top_k, hypers), .plan = plan, .add = add, .result = share_result);
