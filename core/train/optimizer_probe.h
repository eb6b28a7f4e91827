/* What a probed update shows of its tensors, gathered chunk by chunk where the update happens: a gradient that is made in pieces
 * exists nowhere else. Only core/train/optimizer*.c and probe.c include this. */
#ifndef ASSAY_CORE_TRAIN_OPTIMIZER_PROBE_H
#define ASSAY_CORE_TRAIN_OPTIMIZER_PROBE_H

#include "train/optimizer_group.h"
#include "train/probe_sample.h"
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
    double *total_squares, *total_dots; /* [n_slots] of the tensor that is read */
    bool *has_slot; /* [n_slots] whether that tensor has it */

    /* everything is looked at */
    size_t *stride; /* [n_tensors] of the sample for histograms */
    float *before; /* [n_flat] the weights before the update; of all groups together */
    probe_sums (*sums)[N_PROBED]; /* [n_chunks] */
    double *squares, *dots; /* [n_chunks, n_slots] of slots before the update; with the gradient */

    /* a share of it is */
    probe_sample *sample; /* [n_tensors]; NULL: everything */
    float **
        taken; /* [n_tensors] [N_PROBED + n_slots, sample.n]; of the update first the weights after it */
} group_probe;

/* Around a probed chunk's update; `g` is its gradient, clipped. Before it come weights, gradient and slots as they were. [worker] */
void group_probe_before(group *k, size_t i_chunk, const float *g);
void group_probe_after(group *k, size_t i_chunk);

/* One tensor of the last probed update. */
typedef struct probed_tensor {
    const tensor *of;
    size_t index; /* in the model */
    probe_sums sums[N_PROBED];
    size_t n_slots;
    const probe_slot *slots;
    const bool *has_slot; /* [n_slots] a slot may be of some tensors only */
    const double *squares, *dots; /* [n_slots] 0 of what it does not have */
} probed_tensor;

/* Lays out memory for probed updates, once, after optimizer_plan; share (0, 1] is how much of the tensors they look at. */
status optimizer_probe_plan(optimizer *o, double share, error *err) MUST_CHECK;

/* How many slots of a tensor's shape there are: the sum of their sizes over the parameters. */
double optimizer_probe_slots(const optimizer *o);

/* Calls `each` for every tensor that some group updates, in a fixed order; once after each probed update. Sums over a share of a tensor are
 * scaled to estimate those over all of it. */
void optimizer_probe_read(
    const optimizer *o, void (*each)(void *self, const probed_tensor *t), void *self);

/* The same of one group; `before` is NULL for a share below 1. */
status group_probe_plan(group *k, float *before, double share, arena *a, error *err) MUST_CHECK;
size_t group_probe_slots(const group *k); /* of each of its tensors */
void group_probe_read(const group *k, void (*each)(void *self, const probed_tensor *t), void *self);

#endif
