/* What happens to features between the plugin's memory and a batch: scaling of bytes, standardisation, missing values. */
#ifndef ASSAY_CORE_DATA_TRANSFORM_H
#define ASSAY_CORE_DATA_TRANSFORM_H

#include <assay/dataset.h>

#include "data/steps.h"

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* seen = (value - shift) * factor; NaN becomes fill. Arrays are [n] on the heap. */
typedef struct transform {
    size_t n; /* features; 0 when the values are passed on as they are */
    float *shift, *factor, *fill;
    bool has_missing; /* NaN may occur */
} transform;

/* Fitted on the marked steps alone. Without standardisation and missing values `out` is empty (n is 0). E_RANGE when a feature
 * has missing values but none of those steps has a value to take the mean of. */
status transform_fit(const assay_data *d, bool standardize, const step_set *steps, transform *out,
    error *err) MUST_CHECK;
void transform_release(transform *t);

/* Whether there is anything to fit. */
bool transform_is_needed(const assay_data *d, bool standardize);

/* All steps of writable float memory, in place. */
void transform_apply(const transform *t, const assay_data *d);

/* Whether a step as the plugin holds it is what a batch wants. */
bool transform_is_view(const transform *t, const assay_data *d);

/* One step as floats: to[features]. */
void transform_row(const transform *t, const assay_data *d, size_t step, float *to);

/* Mean and deviation of each of n_targets columns over the marked rows; deviation 1 of a constant one. */
void target_moments(const assay_data *d, const step_set *rows, double *mean, double *deviation);

#endif
