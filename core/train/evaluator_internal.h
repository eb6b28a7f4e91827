/* The evaluator's inside. Only core/train/evaluator*.c include this. */
#ifndef ASSAY_CORE_TRAIN_EVALUATOR_INTERNAL_H
#define ASSAY_CORE_TRAIN_EVALUATOR_INTERNAL_H

#include "train/evaluator.h"

typedef struct metric {
    instance *instance;
    const assay_metric *ops;
    const char *name;
    assay_metric_plan plan;
    size_t first; /* of its values among the evaluator's */
    double *sums; /* [n_replicas, n_sums] */
    double *values; /* [n_values] */
} metric;

struct evaluator {
    arena memory;
    size_t n_metrics;
    metric *metrics;
    const dataset *data;
    objective *objective;
    batcher *batchers[N_PARTS];
    size_t n_values;
    record_value *values;
    uint64_t *direction; /* ASSAY_METRIC_... of each value */
    double *losses, *weights; /* [n_replicas] */
    float **y, **target; /* [n_replicas] in the data's units; NULL where they already are */
    size_t max_batch, max_rows; /* samples; their target rows */
    float *outputs; /* [max_rows, n_outputs] or NULL */
    error *errors; /* [n_replicas] the first that went wrong there; code OK: nothing */
    assay_task task;
    size_t n_replicas, n_outputs;
    evaluator_given given; /* where there is no objective */
    const float *given_y[N_PARTS];
    float *given_batch; /* [max_rows, n_outputs] of the batch under way */
    batch batch; /* the same */
};

#endif
