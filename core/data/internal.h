/* A dataset from the inside: for the files of this room and its tests. */
#ifndef ASSAY_CORE_DATA_INTERNAL_H
#define ASSAY_CORE_DATA_INTERNAL_H

#include "data/dataset.h"
#include "data/split.h"
#include "data/steps.h"
#include "data/transform.h"

#include "base/arena.h"
#include "registry/hyper.h"

#include <string.h>

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
    origin at, batch_size_at, window_at, standardize_at, standardize_target_at, class_weights_at;
} data_plan;

struct dataset {
    assay_data view;
    data_options options;
    split parts;
    char hash[N_PARTS][33];
    transform features;
    float *targets; /* as the view's, standardised, or NULL */
    double *target_mean, *target_deviation; /* [n_targets], where targets is not NULL */
    double *label_weight; /* [n_classes] class weights, or NULL: none */
    float *
        class_weight; /* [n_samples] sample weight times class weight, where there are class weights and a target for
                            each sample */
    size_t max_time;
    instance *source; /* NULL when the view is the caller's */
};

/* Reads the reserved keys of a data block; defaults are added to the tree. `source` is the plugin's table, whose keys are
 * not the host's. */
status data_plan_read(
    config *c, value *block, const hyper_table *source, data_plan *out, error *err) MUST_CHECK;

/* A dataset over a view that outlives it; checks the view, splits, fits and applies. The view's memory may be standardised
 * in place. */
status dataset_make(
    const assay_data *view, const data_plan *plan, dataset **out, error *err) MUST_CHECK;

/* A target row as floats: to[n_targets] from `targets`, or from the view's bytes where that is NULL. */
static inline void targets_row(const assay_data *v, const float *targets, size_t row, float *to)
{
    const size_t n = v->n_targets;
    if (targets != NULL) {
        memcpy(to, targets + row * n, n * sizeof(float));
        return;
    }
    for (size_t k = 0; k < n; k++)
        to[k] = (float)v->targets_u8[row * n + k];
}

/* *out = n * each zeroed bytes for free(), unless not wanted; false when memory is out. */
static inline bool buffer_new(bool wanted, size_t n, size_t each, void *out)
{
    if (!wanted) return true;
    void *p = mem_aligned(n > 0 ? n : 1, each);
    memcpy(out, &p, sizeof(p));
    return p != NULL;
}

/* Whether what the plugin handed out follows the contract: E_PLUGIN, E_UNSUPPORTED, E_RANGE. */
status view_check(const assay_data *d, error *err) MUST_CHECK;

#endif
