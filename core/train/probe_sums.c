/* Sums and histograms for probes.
 *
 * A step's probe has about the time of a step (2 % of 50), while a step of one sample takes hardly longer than reading the
 * weights: so all numbers enter the sums, in as few passes as can be, but only a sample the histograms, where counting one
 * costs as much as adding up ten. A float's exponent field gives its bin; counts go to several tables in turn, so that
 * an increment need not wait for the one before. */
#include "train/probe_sums.h"

#include <assay/math.h>

#include <string.h>

enum { LANES = 16, TABLES = 4, WAITING = 512, BIAS = 127 };

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

/* bin[i] of x[i]. A loop of its own, without branches, for compilers to vectorise. */
ASSAY_MULTIVERSION static void find_bins(const float *x, size_t n, uint8_t *bin)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bits <<= 1; /* the sign goes */
        int at = (int)(bits >> 24) - BIAS - PROBE_FIRST + 2;
        at = at < 1 ? 1 : at;
        at = at > PROBE_BINS - 1 ? PROBE_BINS - 1 : at;
        bin[i] = (uint8_t)(bits == 0 ? 0 : at);
    }
}

typedef struct counting {
    uint32_t table[TABLES][PROBE_BINS];
    float waiting[WAITING];
    size_t n;
} counting;

static void count_waiting(counting *c)
{
    uint8_t bin[WAITING];
    find_bins(c->waiting, c->n, bin);
    for (size_t i = 0; i < c->n; i++) {
        c->table[i % TABLES][bin[i]]++;
    }
    c->n = 0;
}

void probe_sums_count(probe_sums *out, const float *x, size_t begin, size_t n, size_t stride)
{
    counting c;
    memset(c.table, 0, sizeof c.table);
    c.n = 0;
    const size_t period = stride * PROBE_BLOCK, into = begin % period;
    for (size_t at = into < PROBE_BLOCK ? 0 : period - into; at < n;) {
        const size_t whole = PROBE_BLOCK - (begin + at) % period; /* the first may be cut */
        const size_t length = n - at < whole ? n - at : whole;
        if (c.n + length > WAITING) {
            count_waiting(&c);
        }
        memcpy(c.waiting + c.n, x + at, length * sizeof *x);
        c.n += length;
        at += whole + period - PROBE_BLOCK;
    }
    count_waiting(&c);
    for (size_t i = 0; i < PROBE_BINS; i++) {
        out->bins[i] = c.table[0][i] + c.table[1][i] + c.table[2][i] + c.table[3][i];
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
