/* Where two runs part: the first step and the first number that is not the same to the bit. */
#ifndef ASSAY_CORE_TRAIN_LOCKSTEP_H
#define ASSAY_CORE_TRAIN_LOCKSTEP_H

#include "train/replay.h"

enum { PARTING_NAME = 512, PARTING_OTHERS = 8 };

typedef struct parting {
    bool found;
    uint64_t step; /* updates done */
    char name
        [PARTING_NAME]; /* "gradient/dense1.weight", "weights/...", "optimizer/0/dense1.weight/m" */
    size_t element, n; /* the first of n that differs */
    size_t n_differ; /* of the n */
    double a, b;
    bool is_double;
    uint64_t ulps; /* steps from one number to the other through those that its type has */
    size_t n_arrays, n_arrays_differ; /* that both runs have */
    char others[PARTING_OTHERS][PARTING_NAME]; /* further ones that differ */
    size_t n_others;
} parting;

/* Compares gradients, weights, buffers, optimizer state and schedules that both have, in this order. E_SHAPE where the weights
 * are not of the same names and sizes: such runs have no step in common. */
status states_compare(
    const array *a, size_t n_a, const array *b, size_t n_b, parting *out, error *err) MUST_CHECK;

/* How a walk came out. */
typedef enum lockstep_end {
    LOCKSTEP_PARTED, /* `parting` says where */
    LOCKSTEP_ENDED, /* one of them, or both, came to an end first */
    LOCKSTEP_NOT_A, /* a run is not what its own checkpoint says: another machine or other plugins */
    LOCKSTEP_NOT_B,
} lockstep_end;

typedef struct lockstep_run {
    trainer *trainer;
    const char *checkpoints; /* its folder, to compare with on the way; NULL: none */
} lockstep_run;

/* Both stand at the same step: compares, takes a step with each, compares, ... up to `limit` steps. */
status lockstep_walk(const lockstep_run *a, const lockstep_run *b, uint64_t limit,
    lockstep_end *out_end, parting *out, error *err) MUST_CHECK;

/* Compares the checkpoints of the steps that both folders have, oldest first; *out_n is how many there are and *out_same the last
 * step at which they were the same (0: none). */
status checkpoints_compare(const char *dir_a, const char *dir_b, size_t *out_n, uint64_t *out_same,
    parting *out, error *err) MUST_CHECK;

#endif
