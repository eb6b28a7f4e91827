/* Sums and histograms for probes.
 *
 * A float's exponent field is its bin: it is cut out for a block at a time, which vectorises, and counted bytewise in several
 * tables that take turns, so that an increment need not wait for the one before. Zeros share their field with denormals and are
 * counted by themselves. */
#include "train/probe_sums.h"

#include <assay/math.h>

#include "num/vec.h"

#include <string.h>

enum { BLOCK = 4096, TABLES = 4, FIELDS = 256, BIAS = 127, LANES = 16 };

ASSAY_MULTIVERSION static void cut_exponents(
    const float *x, size_t n, uint8_t *out, uint32_t *out_zeros)
{
    uint32_t zeros = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits <<= 1; /* the sign goes */
        zeros += bits == 0;
        out[i] = (uint8_t)(bits >> 24);
    }
    *out_zeros = zeros;
}

static void count(const uint8_t *field, size_t n, uint16_t table[TABLES][FIELDS])
{
    size_t i = 0;
    for (; i + TABLES <= n; i += TABLES) {
        table[0][field[i]]++;
        table[1][field[i + 1]]++;
        table[2][field[i + 2]]++;
        table[3][field[i + 3]]++;
    }
    for (; i < n; i++) {
        table[0][field[i]]++;
    }
}

static size_t bin_of(int field)
{
    const int e = field - BIAS;
    return e < PROBE_FIRST ? 1 : e >= PROBE_END ? PROBE_BINS - 1 : (size_t)(e - PROBE_FIRST) + 2;
}

static void add_block(probe_sums *out, const float *x, size_t n)
{
    uint8_t field[BLOCK];
    uint16_t table[TABLES][FIELDS] = { { 0 } };
    uint32_t zeros;
    cut_exponents(x, n, field, &zeros);
    count(field, n, table);
    for (int f = 0; f < FIELDS; f++) {
        out->bins[bin_of(f)] += (uint64_t)table[0][f] + table[1][f] + table[2][f] + table[3][f];
    }
    out->bins[0] += zeros;
    out->bins[1] -= zeros;
}

void probe_sums_take(probe_sums *out, const float *x, size_t n)
{
    *out = (probe_sums){ .squares = vec_sum_squares(x, n) };
    for (size_t at = 0; at < n; at += BLOCK) {
        add_block(out, x + at, n - at < BLOCK ? n - at : BLOCK);
    }
}

void probe_sums_add(probe_sums *to, const probe_sums *from)
{
    to->squares += from->squares;
    for (size_t i = 0; i < PROBE_BINS; i++) {
        to->bins[i] += from->bins[i];
    }
}

ASSAY_MULTIVERSION double probe_dot(const float *x, const float *y, size_t n)
{
    double lane[LANES] = { 0.0 }, sum = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += (double)x[i + l] * (double)y[i + l];
        }
    }
    for (; i < n; i++) {
        sum += (double)x[i] * (double)y[i];
    }
    for (size_t l = 0; l < LANES; l++) {
        sum += lane[l];
    }
    return sum;
}
