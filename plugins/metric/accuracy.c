/* accuracy: the weighted share of right answers, with its standard error.
 *
 *   p = sum of w right / sum of w,  se = sqrt(p (1 - p) / n),  n = (sum of w)^2 / sum of w^2
 *
 * Classes: right is 1 where the largest output (the first of equals) is the label's; with a single
 * output for two classes, where it lies on the label's side of `threshold`. Yes-or-no targets:
 * right is the fraction of a row's outputs that lie on the right side; the error then treats a row
 * as one draw, which is on the safe side, since the variance of a fraction is at most p (1 - p).
 * NaN is never right. n is Kish 1965, "Survey sampling". */
#include "shared/classes.h"

struct accuracy {
    double threshold;
};

static const assay_hyper hypers[] = { THRESHOLD_ROW(accuracy) };

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    (void)hyper;
    share_plan(plan);
    return require_classes_or_binary(ctx, plan->task);
}

static double fraction_right(const float *y, const float *target, uint64_t n, double threshold)
{
    uint64_t n_right = 0;
    for (uint64_t j = 0; j < n; j++) {
        n_right += yes_or_no(y[j], threshold) == (target[j] > 0.5f);
    }
    return (double)n_right / (double)n;
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    const double threshold = ((const struct accuracy *)hyper)->threshold;
    const uint64_t n = rows->n_outputs;
    for (uint64_t i = 0; i < rows->n; i++) {
        const float *y = rows->y + i * n;
        const double weight = row_weight(rows, i);
        if (weight == 0) continue;
        if (!rows->label) {
            share_add(sums, weight, fraction_right(y, rows->target + i * n, n, threshold));
            continue;
        }
        const int code = require_label(ctx, rows, i, n == 1 ? 2 : n);
        if (code != ASSAY_OK) return code;
        share_add(sums, weight, class_of(y, n, threshold) == rows->label[i]);
    }
    return ASSAY_OK;
}

ASSAY_METRIC(accuracy, "0.1.0", "share of right answers", ASSAY_HYPERS(accuracy, hypers),
    .plan = plan, .add = add, .result = share_result);
