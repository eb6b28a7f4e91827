/* What metrics of classes share: which tasks they accept, the class that a row's outputs name, and
 * a share of right rows with its standard error.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_METRIC_SHARED_CLASSES_H
#define ASSAY_PLUGINS_METRIC_SHARED_CLASSES_H

#include <assay/plugin.h>

#include <math.h>
#include <stdio.h>

#define THRESHOLD_ROW(T) \
    ASSAY_REAL(T, threshold, 0, -ASSAY_INF, ASSAY_INF, \
        "a single output above it means yes: 0 for logits, 0.5 for probabilities")

static inline double row_weight(const assay_rows *rows, uint64_t i)
{
    return rows->weight ? (double)rows->weight[i] : 1.0;
}

/* CLASS with an output per class, or two classes and one output. */
static inline int require_classes(assay_ctx *ctx, const assay_task *task)
{
    char text[200];
    if (task->target != ASSAY_TARGET_CLASS) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "needs data with classes: for numbers use rmse, mae or r2");
    }
    if (task->n_outputs == task->n_classes || (task->n_outputs == 1 && task->n_classes == 2)) {
        return ASSAY_OK;
    }
    snprintf(text, sizeof text,
        "the last layer has %llu outputs but the data has %llu classes: give it units = %llu",
        (unsigned long long)task->n_outputs, (unsigned long long)task->n_classes,
        (unsigned long long)task->n_classes);
    return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, text);
}

/* The same, or BINARY with an output per target. */
static inline int require_classes_or_binary(assay_ctx *ctx, const assay_task *task)
{
    char text[200];
    if (task->target != ASSAY_TARGET_BINARY) return require_classes(ctx, task);
    if (task->n_outputs == task->n_targets) return ASSAY_OK;
    snprintf(text, sizeof text,
        "the last layer has %llu outputs but the data has %llu target%s: give it units = %llu",
        (unsigned long long)task->n_outputs, (unsigned long long)task->n_targets,
        task->n_targets == 1 ? "" : "s", (unsigned long long)task->n_targets);
    return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, text);
}

/* Row i's label lies in [0, n_classes). */
static inline int require_label(
    assay_ctx *ctx, const assay_rows *rows, uint64_t i, uint64_t n_classes)
{
    char text[100];
    if (rows->label[i] >= 0 && (uint64_t)rows->label[i] < n_classes) return ASSAY_OK;
    snprintf(text, sizeof text, "label %ld is outside 0..%llu", (long)rows->label[i],
        (unsigned long long)(n_classes - 1));
    return ctx->host->fail(ctx, ASSAY_E_DATA, NULL, text);
}

/* 1, 0, or -1 for NaN, which is never right. */
static inline int64_t yes_or_no(float y, double threshold)
{
    return y != y ? -1 : (double)y > threshold;
}

/* The first of the largest outputs, or what a single one says; -1 where any of them is NaN. */
static inline int64_t class_of(const float *y, uint64_t n_outputs, double threshold)
{
    if (n_outputs == 1) return yes_or_no(y[0], threshold);
    uint64_t best = 0;
    for (uint64_t c = 0; c < n_outputs; c++) {
        if (y[c] != y[c]) return -1;
        best = y[c] > y[best] ? c : best;
    }
    return (int64_t)best;
}

/* The accumulator of a share: sums of w right, w and w^2, merged by addition. */
enum { SHARE_RIGHT, SHARE_W, SHARE_W2, SHARE_SUMS };

static const char *const share_names[] = { "", "se" };

static inline void share_plan(assay_metric_plan *plan)
{
    plan->n_sums = SHARE_SUMS;
    plan->n_values = 2;
    plan->names = share_names;
    plan->direction = ASSAY_METRIC_LARGER_IS_BETTER;
}

static inline void share_add(double *sums, double weight, double right)
{
    sums[SHARE_RIGHT] += weight * right;
    sums[SHARE_W] += weight;
    sums[SHARE_W2] += weight * weight;
}

/* p and its binomial standard error sqrt(p (1 - p) / n), n = (sum w)^2 / sum w^2 (Kish's effective
 * sample size). */
static inline int share_result(
    assay_ctx *ctx, const void *hyper, const double *sums, double *values)
{
    const double w = sums[SHARE_W];
    const double p = w > 0 ? sums[SHARE_RIGHT] / w : NAN;
    (void)ctx;
    (void)hyper;
    values[0] = p;
    values[1] = sqrt(fmax(p * (1 - p), 0) * sums[SHARE_W2]) / w;
    return ASSAY_OK;
}

#endif
