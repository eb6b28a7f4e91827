/* Vector kernels, written as plain loops without a carried dependency, so that compilers vectorise
 * them.
 *
 * The order of a sum: lane l of 16 adds, in double, the elements i with i % 16 = l as i grows; then the
 * lanes are folded in halves (0 + 8, 1 + 9, ...; 0 + 4, ...) down to one. */
#include "num/vec.h"

#include <assay/math.h>

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 16, BLOCK = 512 };

static double fold(double lane[LANES])
{
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int l = 0; l < width; l++)
            lane[l] += lane[l + width];
    }
    return lane[0];
}

ASSAY_MULTIVERSION double vec_sum(const float *x, size_t n)
{
    double lane[LANES] = { 0.0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++)
            lane[l] += (double)x[i + (size_t)l];
    }
    for (int l = 0; i < n; i++, l++)
        lane[l] += (double)x[i];
    return fold(lane);
}

ASSAY_MULTIVERSION double vec_sum_squares(const float *x, size_t n)
{
    double lane[LANES] = { 0.0 };
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            const double v = (double)x[i + (size_t)l];
            lane[l] += v * v;
        }
    }
    for (int l = 0; i < n; i++, l++)
        lane[l] += (double)x[i] * (double)x[i];
    return fold(lane);
}

ASSAY_MULTIVERSION void vec_scale(float *x, size_t n, float a)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= a;
}

ASSAY_MULTIVERSION void vec_clip(float *x, size_t n, float limit)
{
    for (size_t i = 0; i < n; i++) {
        const float v = x[i] > limit ? limit : x[i];
        x[i] = v < -limit ? -limit : v;
    }
}

ASSAY_MULTIVERSION void vec_axpy(float *y, const float *x, size_t n, float a)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

ASSAY_MULTIVERSION void vec_add(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* In blocks of constant length, which compile to vector stores without a loop of their own. */
ASSAY_MULTIVERSION void vec_outer(
    float *restrict out, const float *restrict x, size_t rows, const float *restrict y, size_t cols)
{
    enum { WIDE = 64 };
    for (size_t i = 0; i < rows; i++, out += cols) {
        const float v = x[i];
        size_t j = 0;
        for (; j + WIDE <= cols; j += WIDE) {
            for (size_t l = 0; l < WIDE; l++)
                out[j + l] = v * y[j + l];
        }
        for (; j < cols; j++)
            out[j] = v * y[j];
    }
}

ASSAY_MULTIVERSION void vec_fill(float *x, size_t n, float v)
{
    for (size_t i = 0; i < n; i++)
        x[i] = v;
}

/* By bits: without the sign, those of infinity and NaN are the largest of all, and integers have a vector maximum. */
ASSAY_MULTIVERSION float vec_max_abs(const float *x, size_t n)
{
    uint32_t largest = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        bits &= 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    float max;
    memcpy(&max, &largest, sizeof max);
    return max;
}

size_t vec_first_nonfinite(const float *x, size_t n)
{
    for (size_t begin = 0; begin < n; begin += BLOCK) {
        const size_t n_block = n - begin < BLOCK ? n - begin : BLOCK;
        if (isfinite(vec_max_abs(x + begin, n_block))) continue;
        size_t i = begin;
        while (isfinite(x[i]))
            i++;
        return i;
    }
    return n;
}

bool vec_is_finite(const float *x, size_t n)
{
    return vec_first_nonfinite(x, n) == n;
}

ASSAY_MULTIVERSION void vec_sum_parts(
    float *out, const float *const *parts, size_t n_parts, size_t begin, size_t end)
{
    float sum[BLOCK];
    while (begin < end) {
        const size_t n = end - begin < BLOCK ? end - begin : BLOCK;
        vec_fill(sum, n, 0.0f);
        for (size_t p = 0; p < n_parts; p++) {
            const float *part = parts[p] + begin;
            if (p == 0) {
                for (size_t i = 0; i < n; i++)
                    sum[i] = part[i];
            } else {
                vec_add(sum, part, n);
            }
        }
        for (size_t i = 0; i < n; i++)
            out[begin + i] = sum[i];
        begin += n;
    }
}
