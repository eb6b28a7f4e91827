/* What a probe takes of a run of numbers: sums of squares and products, and how many lie between which powers of two. */
#ifndef ASSAY_CORE_TRAIN_PROBE_SUMS_H
#define ASSAY_CORE_TRAIN_PROBE_SUMS_H

#include <stddef.h>
#include <stdint.h>

/* Bin 0 counts zeros, bin 1 what is below 2^PROBE_FIRST, bins 2.. [2^e, 2^(e+1)) from e = PROBE_FIRST on, the last one 2^PROBE_END
 * and above, infinity and NaN too. */
enum { PROBE_FIRST = -32, PROBE_END = 8, PROBE_BINS = PROBE_END - PROBE_FIRST + 3 };

/* Histograms are of a sample: of every k-th block of so many numbers, k such that about PROBE_SAMPLE of a tensor are counted,
 * fewer where only a share of it is looked at. */
enum { PROBE_BLOCK = 16, PROBE_SAMPLE = 4096, PROBE_SAMPLE_OF_SHARE = 512 };

enum { PROBED_WEIGHT, PROBED_GRADIENT, PROBED_UPDATE, N_PROBED };

typedef struct probe_sums {
    double squares;
    uint32_t bins[PROBE_BINS]; /* by magnitude */
} probe_sums;

/* The k for a tensor; none that would fall on the same columns of all rows. */
size_t probe_sample_stride(size_t size, size_t cols);

/* Counts of x[n], which stands at `begin` of its tensor, what belongs to the sample. Overwrites the bins. */
void probe_sums_count(probe_sums *out, const float *x, size_t begin, size_t n, size_t stride);

/* *to += *from. */
void probe_sums_add(probe_sums *to, const probe_sums *from);

/* The sum of x y, in double and in a fixed order. */
double probe_dot(const float *x, const float *y, size_t n);

/* before = now - before; the sum of its squares. */
double probe_change(float *before, const float *now, size_t n);

#endif
