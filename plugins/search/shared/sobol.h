/* Scrambled quasi-random points in the unit cube: Sobol' and Halton.
 *
 * Sobol' 1967, "On the distribution of points in a cube and the approximate evaluation of integrals"; primitive polynomials and
 * first direction numbers of Joe and Kuo 2008, "Constructing Sobol sequences with better two-dimensional projections"
 * (new-joe-kuo-6.21201), rows 2 to 80. Scrambled as Owen 1995, "Randomly permuted (t,m,s)-nets and (t,s)-sequences", by the hash of
 * Laine and Karras 2011 in the form of Burley 2020, "Practical hash-based Owen scrambling": a function of (seed, index), so that
 * points can be had in any order. The 32 bits are followed by random ones.
 *
 * Halton 1960 with the digits of each place permuted at random (Owen 2017, "A randomized Halton algorithm in R"). */
#ifndef ASSAY_PLUGINS_SEARCH_SHARED_SOBOL_H
#define ASSAY_PLUGINS_SEARCH_SHARED_SOBOL_H

#include "draw.h"

enum { SOBOL_BITS = 32, SOBOL_MOST_DIMENSIONS = 80 };

typedef struct sobol_row {
    uint32_t s, a; /* degree of the polynomial, its inner coefficients */
    uint32_t m[9]; /* [s] */
} sobol_row;

/* Of dimension 1 and on; dimension 0 is the sequence of van der Corput. */
static const sobol_row sobol_rows[] = {
    /* clang-format off */
    { 1, 0, { 1 } },
    { 2, 1, { 1, 3 } },
    { 3, 1, { 1, 3, 1 } },
    { 3, 2, { 1, 1, 1 } },
    { 4, 1, { 1, 1, 3, 3 } },
    { 4, 4, { 1, 3, 5, 13 } },
    { 5, 2, { 1, 1, 5, 5, 17 } },
    { 5, 4, { 1, 1, 5, 5, 5 } },
    { 5, 7, { 1, 1, 7, 11, 19 } },
    { 5, 11, { 1, 1, 5, 1, 1 } },
    { 5, 13, { 1, 1, 1, 3, 11 } },
    { 5, 14, { 1, 3, 5, 5, 31 } },
    { 6, 1, { 1, 3, 3, 9, 7, 49 } },
    { 6, 13, { 1, 1, 1, 15, 21, 21 } },
    { 6, 16, { 1, 3, 1, 13, 27, 49 } },
    { 6, 19, { 1, 1, 1, 15, 7, 5 } },
    { 6, 22, { 1, 3, 1, 15, 13, 25 } },
    { 6, 25, { 1, 1, 5, 5, 19, 61 } },
    { 7, 1, { 1, 3, 7, 11, 23, 15, 103 } },
    { 7, 4, { 1, 3, 7, 13, 13, 15, 69 } },
    { 7, 7, { 1, 1, 3, 13, 7, 35, 63 } },
    { 7, 8, { 1, 3, 5, 9, 1, 25, 53 } },
    { 7, 14, { 1, 3, 1, 13, 9, 35, 107 } },
    { 7, 19, { 1, 3, 1, 5, 27, 61, 31 } },
    { 7, 21, { 1, 1, 5, 11, 19, 41, 61 } },
    { 7, 28, { 1, 3, 5, 3, 3, 13, 69 } },
    { 7, 31, { 1, 1, 7, 13, 1, 19, 1 } },
    { 7, 32, { 1, 3, 7, 5, 13, 19, 59 } },
    { 7, 37, { 1, 1, 3, 9, 25, 29, 41 } },
    { 7, 41, { 1, 3, 5, 13, 23, 1, 55 } },
    { 7, 42, { 1, 3, 7, 3, 13, 59, 17 } },
    { 7, 50, { 1, 3, 1, 3, 5, 53, 69 } },
    { 7, 55, { 1, 1, 5, 5, 23, 33, 13 } },
    { 7, 56, { 1, 1, 7, 7, 1, 61, 123 } },
    { 7, 59, { 1, 1, 7, 9, 13, 61, 49 } },
    { 7, 62, { 1, 3, 3, 5, 3, 55, 33 } },
    { 8, 14, { 1, 3, 1, 15, 31, 13, 49, 245 } },
    { 8, 21, { 1, 3, 5, 15, 31, 59, 63, 97 } },
    { 8, 22, { 1, 3, 1, 11, 11, 11, 77, 249 } },
    { 8, 38, { 1, 3, 1, 11, 27, 43, 71, 9 } },
    { 8, 47, { 1, 1, 7, 15, 21, 11, 81, 45 } },
    { 8, 49, { 1, 3, 7, 3, 25, 31, 65, 79 } },
    { 8, 50, { 1, 3, 1, 1, 19, 11, 3, 205 } },
    { 8, 52, { 1, 1, 5, 9, 19, 21, 29, 157 } },
    { 8, 56, { 1, 3, 7, 11, 1, 33, 89, 185 } },
    { 8, 67, { 1, 3, 3, 3, 15, 9, 79, 71 } },
    { 8, 70, { 1, 3, 7, 11, 15, 39, 119, 27 } },
    { 8, 84, { 1, 1, 3, 1, 11, 31, 97, 225 } },
    { 8, 97, { 1, 1, 1, 3, 23, 43, 57, 177 } },
    { 8, 103, { 1, 3, 7, 7, 17, 17, 37, 71 } },
    { 8, 115, { 1, 3, 1, 5, 27, 63, 123, 213 } },
    { 8, 122, { 1, 1, 3, 5, 11, 43, 53, 133 } },
    { 9, 8, { 1, 3, 5, 5, 29, 17, 47, 173, 479 } },
    { 9, 13, { 1, 3, 3, 11, 3, 1, 109, 9, 69 } },
    { 9, 16, { 1, 1, 1, 5, 17, 39, 23, 5, 343 } },
    { 9, 22, { 1, 3, 1, 5, 25, 15, 31, 103, 499 } },
    { 9, 25, { 1, 1, 1, 11, 11, 17, 63, 105, 183 } },
    { 9, 44, { 1, 1, 5, 11, 9, 29, 97, 231, 363 } },
    { 9, 47, { 1, 1, 5, 15, 19, 45, 41, 7, 383 } },
    { 9, 52, { 1, 3, 7, 7, 31, 19, 83, 137, 221 } },
    { 9, 55, { 1, 1, 1, 3, 23, 15, 111, 223, 83 } },
    { 9, 59, { 1, 1, 5, 13, 31, 15, 55, 25, 161 } },
    { 9, 62, { 1, 1, 3, 13, 25, 47, 39, 87, 257 } },
    { 9, 67, { 1, 1, 1, 11, 21, 53, 125, 249, 293 } },
    { 9, 74, { 1, 1, 7, 11, 11, 7, 57, 79, 323 } },
    { 9, 81, { 1, 1, 5, 5, 17, 13, 81, 3, 131 } },
    { 9, 82, { 1, 1, 7, 13, 23, 7, 65, 251, 475 } },
    { 9, 87, { 1, 3, 5, 1, 9, 43, 3, 149, 11 } },
    { 9, 91, { 1, 1, 3, 13, 31, 13, 13, 255, 487 } },
    { 9, 94, { 1, 3, 3, 1, 5, 63, 89, 91, 127 } },
    { 9, 103, { 1, 1, 3, 3, 1, 19, 123, 127, 237 } },
    { 9, 104, { 1, 1, 5, 7, 23, 31, 37, 243, 289 } },
    { 9, 109, { 1, 1, 5, 11, 17, 53, 117, 183, 491 } },
    { 9, 122, { 1, 1, 1, 5, 1, 13, 13, 209, 345 } },
    { 9, 124, { 1, 1, 3, 15, 1, 57, 115, 7, 33 } },
    { 9, 137, { 1, 3, 1, 11, 7, 43, 81, 207, 175 } },
    { 9, 138, { 1, 3, 1, 1, 15, 27, 63, 255, 49 } },
    { 9, 143, { 1, 3, 5, 3, 27, 61, 105, 171, 305 } },
    { 9, 145, { 1, 1, 5, 3, 1, 3, 57, 249, 149 } },
    /* clang-format on */
};

/* The direction numbers v[SOBOL_BITS] of a dimension below SOBOL_MOST_DIMENSIONS. */
static inline void sobol_directions(uint64_t dimension, uint32_t *v)
{
    if (dimension == 0) {
        for (uint32_t k = 0; k < SOBOL_BITS; k++)
            v[k] = 1u << (31 - k);
        return;
    }
    const sobol_row *row = &sobol_rows[dimension - 1];
    for (uint32_t k = 0; k < row->s; k++)
        v[k] = row->m[k] << (31 - k);
    for (uint32_t k = row->s; k < SOBOL_BITS; k++) {
        v[k] = v[k - row->s] ^ (v[k - row->s] >> row->s);
        for (uint32_t i = 1; i < row->s; i++) {
            if (row->a >> (row->s - 1 - i) & 1) v[k] ^= v[k - i];
        }
    }
}

/* Point `index` (below 2^32) of one dimension, not scrambled. In the order of the index's bits rather than of its Gray code: blocks of
 * 2^k points are the same. */
static inline uint32_t sobol_bits(const uint32_t *v, uint64_t index)
{
    uint32_t x = 0;
    for (uint32_t k = 0; index >> k; k++) {
        if (index >> k & 1) x ^= v[k];
    }
    return x;
}

static inline uint32_t sobol_reverse(uint32_t x)
{
    x = x << 16 | x >> 16;
    x = (x & 0x00ff00ffu) << 8 | (x & 0xff00ff00u) >> 8;
    x = (x & 0x0f0f0f0fu) << 4 | (x & 0xf0f0f0f0u) >> 4;
    x = (x & 0x33333333u) << 2 | (x & 0xccccccccu) >> 2;
    return (x & 0x55555555u) << 1 | (x & 0xaaaaaaaau) >> 1;
}

/* Each bit is flipped or not as a hash of the bits above it says. */
static inline uint32_t sobol_scramble(uint32_t x, uint32_t seed)
{
    x = sobol_reverse(x);
    x ^= x * 0x3d20adeau;
    x += seed;
    x *= seed >> 16 | 1u;
    x ^= x * 0x05526c56u;
    x ^= x * 0x53a22864u;
    return sobol_reverse(x);
}

/* Seeds of the scrambling of n dimensions, by stream DRAW_OWN. */
static inline void sobol_seeds(assay_ctx *ctx, uint32_t *seeds, uint64_t n)
{
    ctx->host->random_u32(ctx, DRAW_OWN, 0, seeds, n);
}

/* Coordinates u[n] of point `index`, last bits from `stream`. `v` is [n][SOBOL_BITS], as sobol_directions gives it; n is at most
 * SOBOL_MOST_DIMENSIONS. */
static inline void sobol_point(assay_ctx *ctx, const uint32_t *v, const uint32_t *seeds,
    uint64_t index, uint64_t stream, double *u, uint64_t n)
{
    draw_units(ctx, stream, 0, u, n);
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t x = sobol_scramble(sobol_bits(v + i * SOBOL_BITS, index), seeds[i]);
        u[i] = fmin(((double)x + u[i]) * 0x1p-32, 1 - 0x1p-53);
    }
}

/* The i-th prime, from 2 at 0. */
static inline uint64_t halton_prime(uint64_t i)
{
    for (uint64_t p = 2, n = 0;; p++) {
        int is_prime = 1;
        for (uint64_t k = 2; k * k <= p && is_prime; k++)
            is_prime = p % k != 0;
        if (is_prime && n++ == i) return p;
    }
}

/* The random permutations of the digits of one dimension, a row for each place. */
struct halton_digits {
    uint64_t base, n_places;
    uint16_t *permuted; // [n_places, base]
};

/* Fisher and Yates, by a stream for each place. */
static inline void halton_permute(
    assay_ctx *ctx, uint64_t stream, uint64_t base, uint16_t *permuted)
{
    for (uint64_t i = 0; i < base; i++)
        permuted[i] = (uint16_t)i;
    for (uint64_t i = base - 1; i > 0; i--) {
        const uint64_t k = draw_below(ctx, stream, i, i + 1);
        const uint16_t other = permuted[k];
        permuted[k] = permuted[i];
        permuted[i] = other;
    }
}

/* As many places as 32 bits have. 0 when memory is out. */
static inline int halton_digits_new(assay_ctx *ctx, uint64_t dimension, struct halton_digits *out)
{
    out->base = halton_prime(dimension);
    out->n_places = (uint64_t)ceil(32 / log2((double)out->base));
    out->permuted = ctx->host->alloc(ctx, out->n_places * out->base * sizeof *out->permuted);
    for (uint64_t i = 0; out->permuted && i < out->n_places; i++) {
        halton_permute(
            ctx, DRAW_OWN + 1 + (dimension << 8) + i, out->base, out->permuted + i * out->base);
    }
    return out->permuted != 0;
}

/* Coordinate of point `index`; `last` in (0, 1) fills up what no digit says. */
static inline double halton_unit(const struct halton_digits *d, uint64_t index, double last)
{
    double u = 0, scale = 1;
    for (uint64_t place = 0; place < d->n_places; place++) {
        scale /= (double)d->base;
        u += scale * (double)d->permuted[place * d->base + index % d->base];
        index /= d->base;
    }
    return fmin(u + scale * last, 1 - 0x1p-53);
}

#endif
