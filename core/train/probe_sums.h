/* What a probe takes of a run of numbers: the sum of their squares, and how many lie between which powers of two. */
#ifndef ASSAY_CORE_TRAIN_PROBE_SUMS_H
#define ASSAY_CORE_TRAIN_PROBE_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* Bin 0 counts zeros, bin 1 what is below 2^PROBE_FIRST, bins 2.. [2^e, 2^(e+1)) from e = PROBE_FIRST on, the last one 2^PROBE_END
 * and above. */
enum { PROBE_FIRST = -32, PROBE_END = 8, PROBE_BINS = PROBE_END - PROBE_FIRST + 3 };

enum { PROBED_WEIGHT, PROBED_GRADIENT, PROBED_UPDATE, N_PROBED };

typedef struct probe_sums {
    double squares;
    uint64_t bins[PROBE_BINS]; /* by magnitude */
} probe_sums;

/* Overwrites *out. Infinity and NaN count as the largest. */
void probe_sums_take(probe_sums *out, const float *x, size_t n);

/* *to += *from. */
void probe_sums_add(probe_sums *to, const probe_sums *from);

/* The sum of x y, in double and in a fixed order. */
double probe_dot(const float *x, const float *y, size_t n);

#endif
