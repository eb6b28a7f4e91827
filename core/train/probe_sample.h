/* Which numbers of a tensor a probe of a share of it looks at. */
#ifndef ASSAY_CORE_TRAIN_PROBE_SAMPLE_H
#define ASSAY_CORE_TRAIN_PROBE_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole stretches of `length` numbers, one from each of `n_groups` groups of neighbours; small tensors whole. */
typedef struct probe_sample {
    size_t size; /* of the tensor */
    size_t length, n_stretches, n_groups;
    size_t n; /* numbers taken; `size`: all */
} probe_sample;

enum { PROBE_STRETCH = 64, PROBE_LEAST = 1024 };

/* A sample of about share (0, 1] of the tensor, and at least PROBE_LEAST numbers where it has so many. */
probe_sample probe_sample_make(size_t size, size_t length, double share);

/* The draw of a tensor's sample at a step. */
uint64_t probe_sample_draw(size_t i_tensor, uint64_t step);

/* Numbers [begin, begin + n) of the tensor are in the sample, at its place `at`. */
typedef struct probe_cut {
    size_t begin, n, at;
} probe_cut;

/* Goes through what of [begin, end) is in the sample: `*i` comes from probe_cut_first. False: no more. */
size_t probe_cut_first(const probe_sample *s, size_t begin);
bool probe_cut_next(
    const probe_sample *s, uint64_t draw, size_t begin, size_t end, size_t *i, probe_cut *out);

/* What a sum over the sample is multiplied by to estimate that over the tensor. */
double probe_sample_scale(const probe_sample *s);

#endif
