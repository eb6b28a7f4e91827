/* A dataset from the inside: for the files of this room and its tests. */
#ifndef ASSAY_CORE_DATA_INTERNAL_H
#define ASSAY_CORE_DATA_INTERNAL_H

#include "data/dataset.h"
#include "data/pack.h"
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
    size_t whole[N_PARTS]; /* rows that a part has where all data are */
    size_t longest[N_PARTS]; /* steps of its longest sample; 0 of an empty part */
    pack_use use; /* N_PACKS: opened from its plugin */
    const char **names; /* of a pack: what the view's names point to, or NULL */
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

/* -- dataset.c: what a dataset that is opened from a pack needs, too; d->options, view, parts, whole and longest are there -- */

/* Streams fit the data and the batch size; each part is a run of samples. */
status dataset_check_streams(const dataset *d, const data_plan *plan, error *err) MUST_CHECK;
/* The weights of classes in training, and that something of the training part counts. */
status dataset_weigh(dataset *d, const data_plan *plan, error *err) MUST_CHECK;
/* The longest time that a batch of any part can have. */
size_t dataset_longest_time(const dataset *d);

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

/* The same of a view whose shape and counts are known to be sound, of which the features may be any numbers (tokens may not), and need
 * not be there for every step: x_stride may be 0. */
status view_check_content(const assay_data *d, error *err) MUST_CHECK;

#endif
