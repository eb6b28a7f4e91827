/* confusion: how often each class was taken for each.
 *
 *   M[r, c] = sum of w over the rows of class r that were answered c        [classes, classes]
 *
 * An answer is the largest output (the first of equals); with a single output for two classes, or
 * one yes-or-no target, the side of `threshold` it lies on. A row with a NaN answers nothing and is
 * counted in no cell. */
#include "shared/classes.h"

struct confusion {
    double threshold;
};

static const assay_hyper hypers[] = { THRESHOLD_ROW(confusion) };

typedef struct plan_data {
    uint64_t n_classes;
} plan_data;

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    const assay_task *task = plan->task;
    const int is_class = task->target == ASSAY_TARGET_CLASS;
    (void)hyper;
    if (task->target == ASSAY_TARGET_BINARY && task->n_targets != 1) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "needs classes or a single yes-or-no target: for several use f1");
    }
    const int code = require_classes_or_binary(ctx, task);
    if (code != ASSAY_OK) return code;
    plan_data *data = ctx->host->alloc(ctx, sizeof *data);
    if (!data) return ASSAY_E_NOMEM;
    data->n_classes = is_class ? task->n_classes : 2;
    ctx->self = data;
    plan->rows = plan->cols = data->n_classes;
    plan->n_values = data->n_classes * data->n_classes;
    plan->n_sums = 1 + plan->n_values; // and the sum of w
    plan->direction = ASSAY_METRIC_LARGER_IS_BETTER;
    return ASSAY_OK;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    const double threshold = ((const struct confusion *)hyper)->threshold;
    const uint64_t n = rows->n_outputs, n_classes = ((const plan_data *)ctx->self)->n_classes;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = row_weight(rows, i);
        if (weight == 0) continue;
        const int code = rows->label ? require_label(ctx, rows, i, n_classes) : ASSAY_OK;
        if (code != ASSAY_OK) return code;
        const uint64_t label = rows->label ? (uint64_t)rows->label[i] : rows->target[i] > 0.5f;
        const int64_t answer = class_of(rows->y + i * n, n, threshold);
        sums[0] += weight;
        if (answer >= 0) sums[1 + label * n_classes + (uint64_t)answer] += weight;
    }
    return ASSAY_OK;
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    const uint64_t n_classes = ((const plan_data *)ctx->self)->n_classes;
    (void)hyper;
    for (uint64_t i = 0; i < n_classes * n_classes; i++) {
        values[i] = sums[0] > 0 ? sums[1 + i] : NAN;
    }
    return ASSAY_OK;
}

ASSAY_METRIC(confusion, "0.1.0", "how often each class was taken for each",
    ASSAY_HYPERS(confusion, hypers), .plan = plan, .add = add, .result = result);
