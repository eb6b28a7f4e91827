/* What metrics of numbers share: which tasks they accept, and a weighted mean over all outputs of
 * all rows.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_METRIC_SHARED_NUMBERS_H
#define ASSAY_PLUGINS_METRIC_SHARED_NUMBERS_H

#include <assay/plugin.h>

#include <math.h>
#include <stdio.h>

/* As many outputs as targets, of numbers. */
static inline int require_targets(assay_ctx *ctx, const assay_task *task)
{
    char text[200];
    if (task->target == ASSAY_TARGET_CLASS) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "compares numbers, but the data has classes: use accuracy, top_k or f1");
    }
    if (task->target != ASSAY_TARGET_REAL && task->target != ASSAY_TARGET_BINARY) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "the data has no targets to compare with: name them in the data block");
    }
    if (task->n_outputs == task->n_targets) return ASSAY_OK;
    snprintf(text, sizeof text,
        "the last layer has %llu outputs but the data has %llu target%s: give it units = %llu",
        (unsigned long long)task->n_outputs, (unsigned long long)task->n_targets,
        task->n_targets == 1 ? "" : "s", (unsigned long long)task->n_targets);
    return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, text);
}

/* The accumulator of a mean: sums of w v and of w, merged by addition. */
enum { MEAN_VALUE, MEAN_W, MEAN_SUMS };

static const char *const own_name[] = { "" };

static inline int mean_plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    (void)hyper;
    plan->n_sums = MEAN_SUMS;
    plan->n_values = 1;
    plan->names = own_name;
    plan->direction = ASSAY_METRIC_SMALLER_IS_BETTER;
    return require_targets(ctx, plan->task);
}

/* Adds the weighted rows' mean over outputs of value(y - target). */
static inline void mean_add(double (*value)(double), const assay_rows *rows, double *sums)
{
    const uint64_t n = rows->n_outputs;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = rows->weight ? (double)rows->weight[i] : 1.0;
        if (weight == 0) continue;
        double sum = 0;
        for (uint64_t j = 0; j < n; j++) {
            sum += value((double)rows->y[i * n + j] - (double)rows->target[i * n + j]);
        }
        sums[MEAN_VALUE] += weight * sum / (double)n;
        sums[MEAN_W] += weight;
    }
}

static inline double mean_of(const double *sums)
{
    return sums[MEAN_W] > 0 ? sums[MEAN_VALUE] / sums[MEAN_W] : NAN;
}

#endif
