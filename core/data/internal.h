/* A dataset from the inside: for the files of this room and its tests. */
#ifndef ASSAY_CORE_DATA_INTERNAL_H
#define ASSAY_CORE_DATA_INTERNAL_H

#include "data/dataset.h"
#include "data/split.h"
#include "data/transform.h"

#include "registry/hyper.h"

typedef enum class_weighting {
    CLASS_WEIGHTS_NONE,
    CLASS_WEIGHTS_BALANCED,
    CLASS_WEIGHTS_GIVEN
} class_weighting;

/* Everything that the host reads from a `data` block. */
typedef struct data_plan {
    data_options batches;
    bool standardize, standardize_target;
    class_weighting weighting;
    const double *class_weights; /* of CLASS_WEIGHTS_GIVEN; borrowed from the config */
    size_t n_class_weights;
    split_options split;
    origin at, standardize_at, standardize_target_at, class_weights_at;
} data_plan;

struct dataset {
    assay_data view;
    data_options options;
    split parts;
    char hash[N_PARTS][33];
    transform features;
    float *targets; /* [n_samples, n_targets] standardised, or NULL */
    double *target_mean, *target_deviation; /* [n_targets], where targets is not NULL */
    float
        *class_weight; /* [n_samples] sample weight times class weight, or NULL: no class weights */
    instance *source; /* NULL when the view is the caller's */
};

/* Reads the reserved keys of a data block; defaults are added to the tree. `source` is the plugin's table, whose keys are
 * not the host's. */
status data_plan_read(
    config *c, value *block, const hyper_table *source, data_plan *out, error *err) MUST_CHECK;

/* The keys that data_plan_read reads, NULL-terminated. */
const char *const *data_plan_keys(void);

/* A dataset over a view that outlives it; checks the view, splits, fits and applies. The view's memory may be standardised
 * in place. */
status dataset_make(
    const assay_data *view, const data_plan *plan, dataset **out, error *err) MUST_CHECK;

/* Whether what the plugin handed out follows the contract: E_PLUGIN, E_UNSUPPORTED, E_RANGE. */
status view_check(const assay_data *d, error *err) MUST_CHECK;

#endif
