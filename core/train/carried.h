/* What layers carry from one window of the streams to the next: for each state that the model's layers declare an array
 * [streams, floats], of which every replica's streams are a run of rows. */
#ifndef ASSAY_CORE_TRAIN_CARRIED_H
#define ASSAY_CORE_TRAIN_CARRIED_H

#include "model/model.h"

/* Zero is one without states. */
typedef struct carried {
    size_t n; /* states of all layers; 0: nothing is carried */
    size_t streams;
    size_t *floats; /* [n] of a stream */
    const char **name; /* [n] "lstm1.h" */
    float **start; /* [n] before the update under way */
    float **now; /* [n] what the next pass begins with */
    float **next; /* [n] what the pass under way leaves */
    float **held; /* [n] what the update leaves, once it counts */
} carried;

/* Nothing is carried where the model declares nothing. */
status carried_init(carried *c, arena *a, const model *m, size_t streams, error *err) MUST_CHECK;

/* Passes begin once more where the update began. */
void carried_rewind(carried *c);
/* A pass is done: what it has left is what the next one begins with. */
void carried_turn(carried *c);
/* The passes that count are done; others may follow, at other weights. */
void carried_hold(carried *c);
/* The update is done: the next one begins with what was held. */
void carried_advance(carried *c);

#endif
