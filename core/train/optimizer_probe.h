/* What a probed update shows of its tensors, gathered chunk by chunk where the update happens: a gradient that is made in pieces
 * exists nowhere else. Only core/train/optimizer*.c and probe.c include this. */
#ifndef ASSAY_CORE_TRAIN_OPTIMIZER_PROBE_H
#define ASSAY_CORE_TRAIN_OPTIMIZER_PROBE_H

#include "train/optimizer_group.h"
#include "train/probe_sums.h"

/* One slot of the same shape as its tensor; of a slot with `times`, one of its copies; nested optimizers' slots too. */
typedef struct probe_slot {
    const char *name; /* "m", "s.2", "inner0.m" */
    const group *of; /* whose state it is */
    size_t i_slot, copy;
} probe_slot;

typedef struct group_probe {
    size_t n_slots;
    probe_slot *slots;
    size_t *stride; /* [n_tensors] of the sample for histograms */
    float *before; /* [n_flat] the weights before the update; of all groups together */
    probe_sums (*sums)[N_PROBED]; /* [n_chunks] */
    double *squares, *dots; /* [n_chunks, n_slots] of slots before the update; with the gradient */
    double *total_squares, *total_dots; /* [n_slots] of the tensor that is read */
} group_probe;

/* Around a chunk's update; `g` is its gradient, clipped. Before it come weights, gradient and slots as they were. [worker] */
void group_probe_before(group *k, size_t i_chunk, const float *g);
void group_probe_after(group *k, size_t i_chunk);

/* One tensor of the last probed update. */
typedef struct probed_tensor {
    const tensor *of;
    size_t index; /* in the model */
    probe_sums sums[N_PROBED];
    size_t n_slots;
    const probe_slot *slots;
    const double *squares, *dots; /* [n_slots] */
} probed_tensor;

/* Lays out memory for probed updates, once, after optimizer_plan. */
status optimizer_probe_plan(optimizer *o, error *err) MUST_CHECK;

/* Calls `each` for every tensor that some group updates, in a fixed order. */
void optimizer_probe_read(
    const optimizer *o, void (*each)(void *self, const probed_tensor *t), void *self);

/* The same of one group; `squares` and `dots` have room for its slots. */
status group_probe_plan(group *k, float *before, arena *a, error *err) MUST_CHECK;
void group_probe_read(const group *k, void (*each)(void *self, const probed_tensor *t), void *self);

#endif
