/* Loss and metrics over a part of the data, in evaluation mode. */
#ifndef ASSAY_CORE_TRAIN_EVALUATOR_H
#define ASSAY_CORE_TRAIN_EVALUATOR_H

#include "base/record.h"
#include "train/objective.h"

typedef struct evaluator evaluator;

/* The keys of a metric that are the host's. */
extern const hyper_table metric_table;
extern const char *const metric_keys[]; /* their names, NULL-terminated */

/* From the config's `metrics` (a list of names or blocks, one name, or NULL: none). A block's `name` renames the metric. */
status evaluator_new(
    registry *r, config *c, value *block, uint64_t seed, evaluator **out, error *err) MUST_CHECK;

/* Once, after model_plan: settles shapes and lays out accumulators. Batches hold at most max_batch samples. */
status evaluator_plan(
    evaluator *e, const dataset *d, objective *o, size_t max_batch, error *err) MUST_CHECK;

/* Instead of evaluator_plan, for outputs that were made elsewhere: no model runs. `loss`, bound and not yet planned, may be NULL: its value is then
 * NaN. Batches are cut into n_shards, as they were when the outputs were made. */
typedef struct evaluator_given {
    instance *loss;
    size_t n_outputs, n_shards, max_batch;
    team *team;
} evaluator_given;

status evaluator_plan_given(
    evaluator *e, const dataset *d, const evaluator_given *g, error *err) MUST_CHECK;
/* Where a part's outputs are: y[dataset_output_rows, n_outputs], in the order of train/outputs.h; borrowed. */
void evaluator_give(evaluator *e, part p, const float *y);
void evaluator_free(evaluator *e);

typedef struct evaluator_options {
    size_t
        max_samples; /* 0: all; of sequences and streams the batch that reaches it counts whole */
    size_t max_batches; /* 0: all */
    /* Each batch and its outputs in the data's units, a row for each of its target rows and in their order; may be NULL. */
    status (*each)(void *self, const batch *b, const float *y, error *err);
    void *self;
    uint64_t *samples; /* counted here; may be NULL */
} evaluator_options;

/* values[evaluator_n_values]: "loss" first, then every metric's. An empty part gives NaN. */
status evaluator_run(evaluator *e, part p, const evaluator_options *o,
    const record_value **out_values, error *err) MUST_CHECK;

size_t evaluator_n_values(const evaluator *e);
const char *evaluator_name(const evaluator *e, size_t i); /* "loss", "accuracy", "accuracy_se" */
bool evaluator_is_matrix(const evaluator *e, size_t i);
/* Index of a value by name; evaluator_n_values when absent. */
size_t evaluator_find(const evaluator *e, const char *name);
uint64_t evaluator_direction(const evaluator *e, size_t i); /* ASSAY_METRIC_... */

/* Output buffers for `each`; only laid out when asked for. */
status evaluator_collect_outputs(evaluator *e, error *err) MUST_CHECK;

#endif
