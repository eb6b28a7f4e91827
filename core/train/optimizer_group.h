/* One optimizer instance over a set of tensors: its slots, chunks and resolved hyperparameters. A nested optimizer is a
 * group of its own over the same tensors. Only core/train/optimizer*.c include this. */
#ifndef ASSAY_CORE_TRAIN_OPTIMIZER_GROUP_H
#define ASSAY_CORE_TRAIN_OPTIMIZER_GROUP_H

#include "base/record.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/optimizer_streams.h"

#include <stdint.h>

/* One declared slot, and where it lies. */
typedef struct slot {
    const char *name;
    uint64_t shape;
    size_t times;
    bool exists; /* for tensors that have it at all */
    uint64_t limit; /* rows or columns of the largest tensor that has it */
    uint64_t flags; /* ASSAY_SLOT_... */
    double init;
    size_t i_global; /* of a MODEL slot */
} slot;

typedef struct chunk {
    assay_span span;
    size_t i_tensor; /* in the group */
    double squares; /* of its gradient, where the update wants the norm */
} chunk;

/* Chunks of one tensor that lie side by side: updated at once where its gradient lies whole. A call a chunk would begin the
 * streams from memory anew each time, which large models feel. */
typedef struct run {
    size_t first, n; /* chunks */
    size_t n_elements;
} run;

typedef struct group {
    instance *instance;
    const assay_optimizer *ops;
    const char *name; /* "optimizer", "optimizer/inner": where its state is found in checkpoints */
    const value *match; /* NULL: every tensor */

    model *model;
    float *g;
    team *team;
    size_t n_tensors;
    size_t *tensor; /* [n_tensors] index in the model */
    size_t n_elements;

    size_t
        n_resolved; /* one copy of the hyperparameters per different lr_scale; the first has scale 1 */
    void **resolved;
    double *lr_scale;
    size_t *resolved_of; /* [n_tensors] */

    size_t n_slots;
    slot *slots;
    float **slot_base; /* [n_tensors, n_slots] */
    size_t *slot_floats; /* [n_tensors, n_slots] */
    size_t n_globals;
    double *globals;

    assay_span *spans; /* [n_tensors] whole tensors */
    size_t n_chunks;
    chunk *chunks;
    size_t n_runs;
    run *runs; /* all chunks, in their order */
    double *chunk_sums; /* [n_chunks, n_sums] */
    double *tensor_sums; /* [n_tensors, n_sums] */
    double *sums; /* [n_sums] */

    size_t n_nested;
    struct group *nested;

    size_t n_values; /* numbers that the optimizer reports of itself */
    record_value *values; /* [n_values] named; per-tensor metrics have one per tensor */
    size_t *first_value; /* [ops->n_metrics] where each metric's values begin */

    /* of the update under way */
    assay_step step;
    float scale;
    size_t
        failed_piece; /* the lowest that failed; SIZE_MAX: none. Under the instance's lock, as is: */
    error failed;
    const update *update;
    struct group_probe *probe; /* NULL: no update is probed */
    float **rooms; /* [threads] STRETCH_FLOATS each, for a gradient that is made as it is used */
} group;

struct optimizer {
    arena memory;
    size_t n_groups;
    group *groups;
    model *model;
    team *team;
    float *g; /* [n_flat] what updates read */
    float *kept_g; /* [n_flat] the same before any closure has written there; NULL: none can */
    double seconds;
    double last_s; /* of the last update that was timed */
    unsigned n_untimed; /* updates until the next one is */
};

/* An instance and its nested ones; no tensors yet. (optimizer_group.c) */
status group_open(group *k, instance *i, const char *name, arena *a, error *err) MUST_CHECK;

/* Lays out state for k->tensor[n_tensors], nested groups too. */
status group_plan(group *k, model *m, float *g, team *t, arena *a, error *err) MUST_CHECK;

/* What is declared, and the memory of it. (optimizer_state.c) */
status group_open_slots(group *k, arena *a, error *err) MUST_CHECK;
status group_plan_slots(group *k, arena *a, error *err) MUST_CHECK;

/* Room for what it reports, without names yet; and an instance's hook that takes it: may come from several workers, each for its
 * own tensor. (optimizer_values.c) */
status group_plan_values(group *k, arena *a, error *err) MUST_CHECK;
void group_take_metric(void *self, instance *i, uint64_t i_metric, uint64_t i_tensor, double v);

/* Gives all groups' numbers their names, once all are planned. (optimizer_values.c) */
status optimizer_name_values(optimizer *o, error *err) MUST_CHECK;

/* One update. (optimizer_tiers.c) */
status group_update(group *k, const update *u, update_finding *out, error *err) MUST_CHECK;

/* An instance's hook: an inner optimizer's update, on behalf of the outer one's plugin; `self` is the outer's group. */
int group_inner_update(void *self, instance *outer, instance *inner, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride);

#endif
