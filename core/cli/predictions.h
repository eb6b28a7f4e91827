/* The outputs of a model for a part of the data, collected and written. */
#ifndef ASSAY_CORE_CLI_PREDICTIONS_H
#define ASSAY_CORE_CLI_PREDICTIONS_H

#include "base/error.h"
#include "base/text.h"
#include "data/batcher.h"

#include <stddef.h>
#include <stdint.h>

typedef struct predictions {
    const dataset *data;
    const char *loss; /* its id: decides what outputs mean */
    size_t first_row; /* subtracted from row numbers */
    size_t n_outputs;
    bool unlabelled; /* targets are not known: their columns stay empty */
    size_t n, capacity;
    struct prediction *of; /* [n] in any order until written */
    float *y; /* [n, n_outputs] as they came */
} predictions;

/* Room for all rows of a part, or all steps where each has a target. */
status predictions_init(predictions *p, const dataset *d, part of, size_t n_outputs,
    const char *loss, error *err) MUST_CHECK;
void predictions_release(predictions *p);

/* To be called by the evaluator for each batch; self is the predictions. */
status predictions_take(void *self, const batch *b, const float *y, error *err);

/* By the name's end: .npy (raw outputs, float32) or .csv; in the order of the data. */
status predictions_write(predictions *p, const char *path, error *err) MUST_CHECK;

#endif
