/* Outputs of a part, row after row, and how they lie in batches.
 *
 * In the order of the part's rows: of plain samples and of sequences with one target a row each; of sequences with a target for every step a row for
 * each of their real steps; of streams a row for each sample, which is a step. Padding has no row. */
#ifndef ASSAY_CORE_TRAIN_OUTPUTS_H
#define ASSAY_CORE_TRAIN_OUTPUTS_H

#include "data/batcher.h"

typedef struct outputs {
    const dataset *data;
    part part;
    size_t n; /* floats of a row */
    const float *y; // [dataset_output_rows, n], to read; or
    float *to; /* to write */
    size_t next; /* row that the next sample begins with; 0 before the first batch */
} outputs;

/* Batches in the order of an evaluation, each once. to[batch's target rows, n]: rows of padding are 0. */
void outputs_to_batch(outputs *o, const batch *b, float *to);
void outputs_of_batch(outputs *o, const batch *b, const float *from);

#endif
