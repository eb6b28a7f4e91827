/* What happens to features between the plugin's memory and a batch: scaling of bytes, standardisation, missing values. */
#ifndef ASSAY_CORE_DATA_TRANSFORM_H
#define ASSAY_CORE_DATA_TRANSFORM_H

#include <assay/dataset.h>

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* seen = (value - shift) * factor; NaN becomes fill. Arrays are [n] on the heap. */
typedef struct transform {
    size_t n; /* features; 0 when the values are passed on as they are */
    float *shift, *factor, *fill;
    bool has_missing; /* NaN may occur */
} transform;

/* Fitted on `rows` alone. Without standardisation and missing values `out` is empty (n is 0). E_RANGE when a feature has
 * missing values but none of the rows has a value to take the mean of. */
status transform_fit(const assay_data *d, bool standardize, const uint32_t *rows, size_t n_rows,
    transform *out, error *err) MUST_CHECK;
void transform_release(transform *t);

/* All rows of writable float memory, in place. */
void transform_apply(const transform *t, const assay_data *d);

/* Whether a row as the plugin holds it is what a batch wants. */
bool transform_is_view(const transform *t, const assay_data *d);

/* One row as floats: to[features]. */
void transform_row(const transform *t, const assay_data *d, size_t row, float *to);

/* Mean and deviation of each of n_targets columns over `rows`; deviation 1 of a constant one. */
void target_moments(
    const assay_data *d, const uint32_t *rows, size_t n_rows, double *mean, double *deviation);

#endif
