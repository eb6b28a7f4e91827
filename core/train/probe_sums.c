/* Sums and histograms for probes.
 *
 * A step's probe has about the time of a step (2 % of 50), while a step of one sample takes hardly longer than reading the
 * weights: so all numbers enter the sums, in as few passes as can be, but only a sample the histograms, where counting one
 * costs as much as adding up ten. A float's exponent field gives its bin; counts go to several tables in turn, so that
 * an increment need not wait for the one before. */
#include "train/probe_sums.h"

#include <assay/math.h>

#include <string.h>

enum { LANES = 16, TABLES = 4, BIAS = 127 };

static size_t common_divisor(size_t a, size_t b)
{
    while (b) {
        const size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

size_t probe_sample_stride(size_t size, size_t cols)
{
    const size_t row = cols / PROBE_BLOCK;
    size_t k = size / PROBE_SAMPLE ? size / PROBE_SAMPLE : 1;
    while (row > 1 && k > 1 && common_divisor(k, row) > 1) {
        k++;
    }
    return k;
}

static size_t bin_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits <<= 1; /* the sign goes */
    const int e = (int)(bits >> 24) - BIAS;
    const int bin = e < PROBE_FIRST ? 1 : e >= PROBE_END ? PROBE_BINS - 1 : e - PROBE_FIRST + 2;
    return bits == 0 ? 0 : (size_t)bin;
}

void probe_sums_count(probe_sums *out, const float *x, size_t begin, size_t n, size_t stride)
{
    uint32_t table[TABLES][PROBE_BINS] = { { 0 } };
    const size_t period = stride * PROBE_BLOCK, into = begin % period;
    for (size_t at = into < PROBE_BLOCK ? 0 : period - into; at < n;) {
        const size_t whole = PROBE_BLOCK - (begin + at) % period; /* the first may be cut */
        const size_t end = n - at < whole ? n : at + whole;
        for (size_t i = at; i < end; i++) {
            table[i % TABLES][bin_of(x[i])]++;
        }
        at += whole + period - PROBE_BLOCK;
    }
    for (size_t i = 0; i < PROBE_BINS; i++) {
        out->bins[i] = table[0][i] + table[1][i] + table[2][i] + table[3][i];
    }
}

void probe_sums_add(probe_sums *to, const probe_sums *from)
{
    to->squares += from->squares;
    for (size_t i = 0; i < PROBE_BINS; i++) {
        to->bins[i] += from->bins[i];
    }
}

static double fold(const double lane[LANES])
{
    double sum = 0;
    for (size_t l = 0; l < LANES; l++) {
        sum += lane[l];
    }
    return sum;
}

/* A loop with one sum, as compilers vectorise it; with the squares in the same loop GCC 12 gives up on the products. */
ASSAY_MULTIVERSION double probe_dot(const float *x, const float *y, size_t n)
{
    double lane[LANES] = { 0.0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            lane[l] += (double)x[i + l] * (double)y[i + l];
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        lane[l] += (double)x[i] * (double)y[i];
    }
    return fold(lane);
}

ASSAY_MULTIVERSION double probe_change(float *before, const float *now, size_t n)
{
    double squares[LANES] = { 0.0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (size_t l = 0; l < LANES; l++) {
            const float change = now[i + l] - before[i + l];
            before[i + l] = change;
            squares[l] += (double)change * (double)change;
        }
    }
    for (size_t l = 0; i < n; i++, l++) {
        before[i] = now[i] - before[i];
        squares[l] += (double)before[i] * (double)before[i];
    }
    return fold(squares);
}
