/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random
 * numbers: as easy as 1, 2, 3"). Every number is a pure function of (key, stream, index); there is no
 * state to save, and any thread may draw any part of a stream. */
#ifndef ASSAY_CORE_BASE_RNG_H
#define ASSAY_CORE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* One generator: a seed and what the numbers are for ("shuffle", "init/dense1.weight"). */
typedef struct rng {
    uint64_t key;
} rng;

rng rng_make(uint64_t seed, const char *purpose);

/* The raw block function. */
void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* out[k] = the number at absolute place index + k of `stream`. How a range is cut into calls does
 * not matter. */
void rng_u32(rng r, uint64_t stream, uint64_t index, uint32_t *out, size_t n);

/* Uniform on [0, 1), 24 bits. */
void rng_uniform(rng r, uint64_t stream, uint64_t index, float *out, size_t n);

/* Standard normal by Box-Muller: places 2k and 2k+1 come from one pair of uniforms. */
void rng_normal(rng r, uint64_t stream, uint64_t index, float *out, size_t n);

/* An integer in [0, bound), unbiased (multiply-shift over 64 bits; bias below 2^-32 is removed by
 * rejection inside the place's own sub-stream). bound >= 1. */
uint64_t rng_below(rng r, uint64_t stream, uint64_t index, uint64_t bound);

/* A Fisher-Yates shuffle of items[0..n), a function of (r, stream) alone. */
void rng_shuffle(rng r, uint64_t stream, uint32_t *items, size_t n);

#endif
