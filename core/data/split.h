/* Which rows are for training, validation and test. A function of the data and the split's own seed alone, never of a
 * run's. */
#ifndef ASSAY_CORE_DATA_SPLIT_H
#define ASSAY_CORE_DATA_SPLIT_H

#include "data/dataset.h"

#include <stddef.h>
#include <stdint.h>

typedef enum split_method { SPLIT_RANDOM, SPLIT_STRATIFIED, SPLIT_TIME } split_method;

typedef struct split_options {
    uint64_t seed;
    split_method method;
    double validation,
        test; /* below 1 a fraction of the rows that are not marked, from 1 on a count */
    uint64_t folds, fold; /* 0 folds: none */
    origin at, validation_at, test_at, folds_at, fold_at, method_at; /* for messages */
} split_options;

/* Rows ascending, on the heap; the parts are disjoint and hold every row. */
typedef struct split {
    uint32_t *rows[N_PARTS];
    size_t n[N_PARTS];
} split;

/* Sizes of fractions are rounded half up. Errors: E_RANGE (sizes that leave nothing to train on, a part without a row, fold
 * out of range, a class with fewer rows than there are parts), E_CONFLICT (a part that the files mark already, folds with
 * validation, groups with another method than random), E_UNSUPPORTED (stratified without one class for each sample). */
status split_make(const assay_data *d, const split_options *o, split *out, error *err) MUST_CHECK;
void split_release(split *s);

#endif
