/* What metrics of likelihood share: how surprised a model is by a row's class, and the sums of the
 * weighted mean.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_METRIC_SHARED_LIKELIHOOD_H
#define ASSAY_PLUGINS_METRIC_SHARED_LIKELIHOOD_H

#include "classes.h"
#include "numbers.h"

#define LIKELIHOOD_BLOCK 256 // exponentials on the stack

/* -log of the probability sigmoid(z) of t = 1, or of the rest for t = 0: max(z, 0) - z t +
 * log1p(exp(-|z|)), which overflows for no z and keeps its precision where the model is sure. */
static inline double surprise_of_bit(double z, double t)
{
    return (z > 0 ? z * (1 - t) : -z * t) + log1p(exp(-fabs(z)));
}

/* The sum over c != i_max of exp(y[c] - y[i_max]): exponentials are floats, so that the loop is
 * vectorised, their sum is in double. NaN where y has one or no finite maximum. */
ASSAY_MULTIVERSION static double sum_of_others(const float *y, uint64_t n, uint64_t i_max)
{
    float e[LIKELIHOOD_BLOCK];
    double sum = 0;
    for (uint64_t begin = 0; begin < n; begin += LIKELIHOOD_BLOCK) {
        const uint64_t size = n - begin < LIKELIHOOD_BLOCK ? n - begin : LIKELIHOOD_BLOCK;
        for (uint64_t c = 0; c < size; c++) {
            e[c] = assay_exp(y[begin + c] - y[i_max]);
        }
        if (i_max - begin < size) e[i_max - begin] -= 1; // exp(0) is exactly 1; a NaN stays
        for (uint64_t c = 0; c < size; c++) {
            sum += (double)e[c];
        }
    }
    return sum;
}

/* -log softmax(y)[label], relative to the largest output, whose own term is left out of the sum so
 * that log1p keeps the digits of a model that is sure. */
static double surprise_of_class(const float *y, uint64_t n, uint64_t label)
{
    uint64_t i_max = 0;
    for (uint64_t c = 1; c < n; c++) {
        i_max = y[c] > y[i_max] ? c : i_max;
    }
    return ((double)y[i_max] - (double)y[label]) + log1p(sum_of_others(y, n, i_max));
}

/* Of row i of CLASS, where a single output stands for two classes, too. */
static inline double surprise_of_row(const assay_rows *rows, uint64_t i)
{
    const uint64_t n = rows->n_outputs;
    const float *y = rows->y + i * n;
    return n == 1 ? surprise_of_bit((double)y[0], (double)rows->label[i])
                  : surprise_of_class(y, n, (uint64_t)rows->label[i]);
}

static inline void surprise_sums(assay_metric_plan *plan)
{
    plan->n_sums = MEAN_SUMS;
    plan->n_values = 1;
    plan->names = own_name;
    plan->direction = ASSAY_METRIC_SMALLER_IS_BETTER;
}

/* A whole `plan` of a metric of classes alone. */
static inline int surprise_plan(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan)
{
    (void)hyper;
    surprise_sums(plan);
    return require_classes(ctx, plan->task);
}

/* A whole `add` of a metric of classes: sums of w l and of w. */
static inline int surprise_add(
    assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums)
{
    (void)hyper;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = row_weight(rows, i);
        if (weight == 0) continue; // a padded row may hold anything
        const int code = require_label(ctx, rows, i, rows->n_outputs == 1 ? 2 : rows->n_outputs);
        if (code != ASSAY_OK) return code;
        sums[MEAN_VALUE] += weight * surprise_of_row(rows, i);
        sums[MEAN_W] += weight;
    }
    return ASSAY_OK;
}

#endif
