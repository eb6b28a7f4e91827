/* What losses that compare every output with a target of its own share: the check of the task, the
 * mean or sum over a row's outputs, and the loop over weighted rows.
 *
 * Header-only and static, because a plugin links nothing of anybody's; `element` is a constant
 * where output_loss is called, so compilers inline it. */
#ifndef ASSAY_PLUGINS_LOSS_SHARED_OUTPUTS_H
#define ASSAY_PLUGINS_LOSS_SHARED_OUTPUTS_H

#include <assay/plugin.h>

#include <stdio.h>

enum { FEATURES_MEAN, FEATURES_SUM };

static const char *const features_choices[] = { "mean", "sum" };

#define FEATURES_ROW(T) \
    ASSAY_ENUM(T, features, FEATURES_MEAN, features_choices, \
        "a row's loss is the mean or the sum over its outputs")

/* As many outputs as targets, of numbers. */
static inline int plan_numbers(assay_ctx *ctx, const assay_task *task)
{
    char text[200];
    if (task->target == ASSAY_TARGET_CLASS) {
        snprintf(text, sizeof text,
            "compares numbers, but the data has %llu classes: use the loss softmax_xent",
            (unsigned long long)task->n_classes);
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL, text);
    }
    if (task->target != ASSAY_TARGET_REAL && task->target != ASSAY_TARGET_BINARY) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "the data has no targets to compare with: name them in the data block");
    }
    if (task->n_outputs != task->n_targets) {
        snprintf(text, sizeof text,
            "the last layer has %llu outputs but the data has %llu target%s: give it units = %llu",
            (unsigned long long)task->n_outputs, (unsigned long long)task->n_targets,
            task->n_targets == 1 ? "" : "s", (unsigned long long)task->n_targets);
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, text);
    }
    return ASSAY_OK;
}

/* The loss of one output with its derivative at *slope. */
typedef double (*output_element)(const void *hyper, double y, double target, double *slope);

static inline double output_target(const assay_rows *rows, uint64_t i, uint64_t j)
{
    return rows->label ? (double)rows->label[i] : (double)rows->target[i * rows->n_targets + j];
}

/* assay_loss.loss of a loss that is the mean or sum of `element` over the outputs of a row. */
static inline int output_loss(output_element element, const void *hyper, int64_t features,
    const assay_rows *rows, double scale, float *dy, double *out_sum)
{
    const uint64_t n = rows->n_outputs;
    const double share = features == FEATURES_SUM ? 1.0 : 1.0 / (double)n;
    double total = 0;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = rows->weight ? (double)rows->weight[i] : 1.0;
        double sum = 0;
        for (uint64_t j = 0; j < n; j++) {
            double slope = 0;
            if (weight != 0) { // a padded row may hold anything
                sum +=
                    element(hyper, (double)rows->y[i * n + j], output_target(rows, i, j), &slope);
            }
            if (dy) dy[i * n + j] = (float)(scale * weight * share * slope);
        }
        total += weight * share * sum;
    }
    *out_sum = total;
    return ASSAY_OK;
}

#endif
