/* f1: the harmonic mean of precision and recall.
 *
 *   F_c = 2 tp_c / (2 tp_c + fp_c + fn_c)        weighted counts of class c
 *   macro: mean of F_c over the classes that occur as label or as answer
 *   weighted: mean of F_c by how often each is the label
 *   micro: 2 tp / (2 tp + fp + fn) of the counts summed over classes
 *   binary: F_1, of the second of two classes
 *
 * van Rijsbergen 1979, "Information retrieval", chapter 7; averages and their treatment of absent
 * classes as in scikit-learn's f1_score. Yes-or-no targets: each is a class of its own, and only
 * yes counts. A row with a NaN misses its class and is nobody's false positive. Default: macro,
 * which does not hide the small classes. */
#include "shared/classes.h"

enum { MACRO, MICRO, WEIGHTED, BINARY };

static const char *const average_choices[] = { "macro", "micro", "weighted", "binary" };

struct f1 {
    int64_t average;
    double threshold;
};

static const assay_hyper hypers[] = {
    ASSAY_ENUM(f1, average, MACRO, average_choices, "how the classes are put together"),
    THRESHOLD_ROW(f1),
};

/* The accumulator: the sum of w, then per class its counts. */
enum { TP, FP, FN, PER_CLASS };

typedef struct plan_data {
    uint64_t n_classes;
    uint64_t i_binary; /* the class of average = "binary" */
} plan_data;

static int plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    static const char *const names[] = { "" };
    const assay_task *task = plan->task;
    const int is_class = task->target == ASSAY_TARGET_CLASS;
    const int code = require_classes_or_binary(ctx, task);
    if (code != ASSAY_OK) return code;
    if (((const struct f1 *)hyper)->average == BINARY &&
        (is_class ? task->n_classes != 2 : task->n_targets != 1)) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "average",
            "binary needs data of two classes: use macro, micro or weighted");
    }
    plan_data *data = ctx->host->alloc(ctx, sizeof *data);
    if (!data) return ASSAY_E_NOMEM;
    data->n_classes = is_class ? task->n_classes : task->n_targets;
    data->i_binary = data->n_classes - 1;
    ctx->self = data;
    plan->n_sums = 1 + PER_CLASS * data->n_classes;
    plan->n_values = 1;
    plan->names = names;
    plan->direction = ASSAY_METRIC_LARGER_IS_BETTER;
    return ASSAY_OK;
}

static void count_class(double *counts, int64_t answer, int64_t label, double weight)
{
    if (answer == label) {
        counts[PER_CLASS * label + TP] += weight;
        return;
    }
    counts[PER_CLASS * label + FN] += weight;
    if (answer >= 0) counts[PER_CLASS * answer + FP] += weight;
}

static void count_yes(double *counts, int64_t answer, int is_yes, double weight)
{
    if (is_yes) {
        counts[answer == 1 ? TP : FN] += weight;
    } else if (answer == 1) {
        counts[FP] += weight;
    }
}

static int add(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    const double threshold = ((const struct f1 *)hyper)->threshold;
    const uint64_t n = rows->n_outputs;
    for (uint64_t i = 0; i < rows->n; i++) {
        const float *y = rows->y + i * n;
        const double weight = row_weight(rows, i);
        if (weight == 0) continue;
        sums[0] += weight;
        if (rows->label) {
            const int code = require_label(ctx, rows, i, ((const plan_data *)ctx->self)->n_classes);
            if (code != ASSAY_OK) return code;
            count_class(sums + 1, class_of(y, n, threshold), rows->label[i], weight);
            continue;
        }
        for (uint64_t j = 0; j < n; j++) {
            count_yes(sums + 1 + PER_CLASS * j, yes_or_no(y[j], threshold),
                rows->target[i * n + j] > 0.5f, weight);
        }
    }
    return ASSAY_OK;
}

/* 0 where nothing is counted at all. */
static double f_of(double tp, double fp, double fn)
{
    const double all = 2 * tp + fp + fn;
    return all > 0 ? 2 * tp / all : 0;
}

/* A mean of F_c over the classes: by share of labels, or even over those that occur. */
static double average_of(const double *counts, uint64_t n, int by_label)
{
    double sum = 0, sum_w = 0;
    for (uint64_t c = 0; c < n; c++) {
        const double *k = counts + PER_CLASS * c;
        const double w = by_label ? k[TP] + k[FN] : k[TP] + k[FP] + k[FN] > 0;
        sum += w * f_of(k[TP], k[FP], k[FN]);
        sum_w += w;
    }
    return sum_w > 0 ? sum / sum_w : 0;
}

static double micro_of(const double *counts, uint64_t n)
{
    double all[PER_CLASS] = { 0 };
    for (uint64_t i = 0; i < PER_CLASS * n; i++) {
        all[i % PER_CLASS] += counts[i];
    }
    return f_of(all[TP], all[FP], all[FN]);
}

static int result(assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    const plan_data *data = ctx->self;
    const double *counts = sums + 1, *one = counts + PER_CLASS * data->i_binary;
    values[0] = NAN;
    if (!(sums[0] > 0)) return ASSAY_OK;
    switch (((const struct f1 *)hyper)->average) {
    case MICRO: values[0] = micro_of(counts, data->n_classes); break;
    case BINARY: values[0] = f_of(one[TP], one[FP], one[FN]); break;
    case WEIGHTED: values[0] = average_of(counts, data->n_classes, 1); break;
    default: values[0] = average_of(counts, data->n_classes, 0); break;
    }
    return ASSAY_OK;
}

ASSAY_METRIC(f1, "0.1.0", "harmonic mean of precision and recall", ASSAY_HYPERS(f1, hypers),
    .plan = plan, .add = add, .result = result);
