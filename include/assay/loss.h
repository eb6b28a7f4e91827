/* Losses and metrics: what a batch's outputs are worth. */
#ifndef ASSAY_LOSS_H
#define ASSAY_LOSS_H

#include "abi.h"
#include "hyper.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the targets are: assay_data.target, assay_rows.target. */
#define ASSAY_TARGET_NONE 0u
#define ASSAY_TARGET_CLASS 1u /* int32_t label[rows] in [0, n_classes) */
#define ASSAY_TARGET_REAL 2u /* float target[rows, outputs] */
#define ASSAY_TARGET_BINARY 3u /* float target[rows, outputs], 0 or 1 each */

/* What a model's output is compared with; known when the model is planned. */
typedef struct assay_task {
    uint64_t struct_size;
    uint64_t target; /* ASSAY_TARGET_... */
    uint64_t n_classes; /* of CLASS */
    uint64_t n_outputs; /* numbers in a row of the model's output */
    uint64_t n_targets; /* numbers in a row of the target; 1 for CLASS */
    const char *const *class_names; /* [n_classes] or NULL */
    const char *const *target_names; /* [n_targets] or NULL */
} assay_task;

/* Some rows of a batch: outputs beside targets. A row is a sample, or a time step of one. */
typedef struct assay_rows {
    uint64_t struct_size;
    uint64_t n; /* rows */
    uint64_t n_outputs, n_targets;
    const float *y; /* [n, n_outputs] */
    const int32_t *label; /* [n], of CLASS */
    const float *target; /* [n, n_targets], of REAL and BINARY */
    const float *weight; /* [n]: 0 does not count, 2 counts as two equal rows; NULL: all 1 */
} assay_rows;

/* A loss. l is the loss of one row; the host divides the sum of weight * l by the sum of the weights. */
typedef struct assay_loss {
    uint64_t struct_size;

    /* REQUIRED */
    /* Whether outputs and targets fit; fails by host->fail with a message that names the remedy. [control] */
    int (*plan)(assay_ctx *ctx, const void *hyper, const assay_task *task);
    /* out_sum = sum over rows of weight * l, in double, in row order. Where dy is not NULL it is overwritten:
     * dy[row] = scale * weight * dl/dy. [worker] */
    int (*loss)(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
        double *out_sum);

    /* OPTIONAL */
    int (*validate)(assay_ctx *ctx, const void *hyper); /* [control] */
} assay_loss;

/* assay_metric_plan.direction */
#define ASSAY_METRIC_SMALLER_IS_BETTER 0u
#define ASSAY_METRIC_LARGER_IS_BETTER 1u
#define ASSAY_METRIC_NEITHER \
    2u /* a description: not ranked, monitored only where the config says how */

/* What a metric declares. */
typedef struct assay_metric_plan {
    uint64_t struct_size;
    const assay_task *task;
    /* written by the metric */
    uint64_t n_sums; /* doubles of its accumulator, zero at first */
    uint64_t n_values; /* numbers it gives */
    const char *const
        *names; /* [n_values]: "" is the metric's own name, "se" becomes <metric>_se */
    uint64_t rows,
        cols; /* not 0: the values are one matrix [rows, cols], n_values = rows * cols and names is NULL */
    uint64_t direction; /* ASSAY_METRIC_..., of the first value */
} assay_metric_plan;

typedef struct assay_metric {
    uint64_t struct_size;

    /* REQUIRED */
    int (*plan)(assay_ctx *ctx, const void *hyper, assay_metric_plan *plan); /* [control] */
    /* Adds some rows to sums[n_sums]. Outputs are the model's, as the loss gets them: under softmax_xent logits, not probabilities;
     * outputs and real targets are in the data's own units where the targets were standardised. [worker] */
    int (*add)(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double *sums);
    /* values[n_values] from sums[n_sums]; NaN where nothing was counted. [control] */
    int (*result)(assay_ctx *ctx, const void *hyper, const double *sums, double *values);

    /* OPTIONAL */
    /* into = into and from together; the host merges in a fixed order. Absent: element by element addition. [control] */
    int (*merge)(assay_ctx *ctx, const void *hyper, double *into, const double *from);
    int (*validate)(assay_ctx *ctx, const void *hyper); /* [control] */
} assay_metric;

#ifdef __cplusplus
}
#endif

#endif
