/* Elementary functions of floats as inline code that compilers vectorise: no branches, no calls, no tables.
 *
 * Largest errors over all floats, in units in the last place of the true result (tests/headers/test_math.c):
 *
 *     assay_exp      1.0
 *     assay_log      0.9
 *     assay_tanh     2.7
 *     assay_sigmoid  2.5 down to x = -88; below, where it is at most 7e-39, it stays there
 *
 * For gates, which need no relative accuracy and are many, there are two that take half the time:
 *
 *     assay_quick_tanh     6.5 units up to |x| = 7.9; beyond, it stays below 1 by 3e-7
 *     assay_quick_sigmoid  3e-7 in absolute terms
 *
 * Denormal results included; where a thread flushes denormals, so do they. NaN gives NaN. The bounds hold for strict
 * evaluation in float, with and without contraction to fused multiply-adds, but not under -ffast-math. */
#ifndef ASSAY_MATH_H
#define ASSAY_MATH_H

#include <stdint.h>
#include <string.h>

/* Put before a function whose loops matter: it is compiled for several levels of x86-64 (AVX-512, AVX2, the base) and the
 * loader takes the best that the processor has. Elementwise loops then give the same bits on all of them as long as
 * multiply-adds are not contracted (-ffp-contract=off). Elsewhere, and under sanitizers, it does nothing. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && \
    __GNUC__ >= 12 && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ASSAY_MULTIVERSION \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ASSAY_MULTIVERSION
#endif

#ifdef __cplusplus
extern "C" {
#endif

static inline uint32_t assay_bits_(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float assay_float_(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* yes where `condition` is 1, no where it is 0. Choices are made by masks on bits: where floating-point operations may trap,
 * which is the default, gcc vectorises neither comparisons of floats nor what it moves into a branch. */
static inline uint32_t assay_choose_(int condition, uint32_t yes, uint32_t no)
{
    const uint32_t mask = 0u - (uint32_t)condition;
    return (yes & mask) | (no & ~mask);
}

/* x, or the limit with x's sign where |x| is larger, infinities included; NaN stays. `limit` is given by its bits. */
static inline float assay_within_(float x, uint32_t limit)
{
    const uint32_t bits = assay_bits_(x), size = bits & 0x7fffffffu;
    const int outside = (size > limit) & (size <= 0x7f800000u);
    return assay_float_(assay_choose_(outside, (bits ^ size) | limit, bits));
}

/* The integer nearest to x, for |x| < 2^22: adding 1.5 * 2^23 leaves it in the low bits. */
static inline int32_t assay_nearest_(float x)
{
    return (int32_t)(assay_bits_(x + 12582912.0f) - 0x4b400000u);
}

/* x - n ln 2; ln 2 as 355/512, whose products with n are exact, and a rest. */
static inline float assay_less_ln2_(float x, float n)
{
    return (x - n * 0.693359375f) + n * 2.12194440e-4f;
}

/* (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2; a minimax fit to 0.05 ulp of e^r. */
static inline float assay_exp_rest_(float r)
{
    float p = 1.3814467e-3f;
    p = p * r + 8.368781e-3f;
    p = p * r + 4.1668393e-2f;
    p = p * r + 1.666652e-1f;
    return p * r + 4.9999994e-1f;
}

/* e^x. 0 below -103.97, infinite above 88.72. */
static inline float assay_exp(float x)
{
    /* e^x = 2^n e^r; 2^n as a product of two powers, so that neither denormal nor infinite results need care. */
    const float c = assay_within_(x, 0x42d00000u); /* 104 */
    const int32_t n = assay_nearest_(c * 1.44269504f);
    const float r = assay_less_ln2_(c, (float)n);
    const float p = r + r * r * assay_exp_rest_(r) + 1.0f;
    const uint32_t both = (uint32_t)n + 254u, half = both >> 1;
    return p * assay_float_(half << 23) * assay_float_((both - half) << 23);
}

/* The natural logarithm; -infinity of 0, NaN below. */
static inline float assay_log(float x)
{
    /* x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); denormals are scaled into the normal range first. */
    const uint32_t own = assay_bits_(x);
    const int tiny = own < 0x00800000u;
    const uint32_t bits =
        assay_bits_(x * assay_float_(assay_choose_(tiny, 0x4b000000u, 0x3f800000u))) +
        (0x3f800000u - 0x3f3504f3u);
    const float e = (float)((int32_t)(bits >> 23) - (127 + 23 * tiny));
    const float f = assay_float_((bits & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float f2 = f * f;
    /* (log(1 + f) - f + f^2 / 2) / f^3; a minimax fit to 0.1 ulp of log(1 + f). */
    float p = -7.634493e-2f;
    float y;
    p = p * f + 1.2761575e-1f;
    p = p * f - 1.3160183e-1f;
    p = p * f + 1.4201759e-1f;
    p = p * f - 1.6623357e-1f;
    p = p * f + 2.0001227e-1f;
    p = p * f - 2.500082e-1f;
    p = p * f + 3.333333e-1f;
    y = f * f2 * p - e * 2.12194440e-4f;
    y = f + (y - 0.5f * f2) + e * 0.693359375f;
    /* Infinity and positive NaN stand for themselves; what has a sign gives NaN, but -0. */
    const uint32_t odd = assay_choose_(own > 0x7f800000u, 0x7fc00000u, own);
    const uint32_t usual = assay_choose_(own >= 0x7f800000u, odd, assay_bits_(y));
    return assay_float_(assay_choose_((own & 0x7fffffffu) == 0, 0xff800000u, usual));
}

/* The integer nearest to x, twice: as a float, and shifted to where a float's exponent stands. For |x| < 2^22: adding 1.5 * 2^23
 * leaves it in the low bits, and its own bits are shifted out. */
static inline float assay_nearest_exponent_(float x, uint32_t *exponent)
{
    const float moved = x + 12582912.0f;
    *exponent = assay_bits_(moved) << 23;
    return moved - 12582912.0f;
}

/* The hyperbolic tangent; accurate in relative terms near 0, where it is x; -0 gives -0. */
static inline float assay_tanh(float x)
{
    /* tanh |x| = u / (u + 2), u = e^(2|x|) - 1 = 2^n q + (2^n - 1), q = e^r - 1. */
    const uint32_t sign = assay_bits_(x) & 0x80000000u;
    const float a = assay_float_(assay_bits_(x) ^ sign);
    const float c = assay_within_(a, 0x41200000u); /* 10 */
    uint32_t exponent;
    const float n = assay_nearest_exponent_(c * 2.88539008f, &exponent);
    const float r = assay_less_ln2_(2.0f * c, n);
    const float q = r + r * r * assay_exp_rest_(r);
    const float power = assay_float_(exponent + 0x3f800000u);
    const float u = power * q + (power - 1.0f);
    return assay_float_(assay_bits_(u / (u + 2.0f)) ^ sign);
}

/* 1 / (1 + e^-x); accurate in relative terms down to x = -88. */
static inline float assay_sigmoid(float x)
{
    /* e^v = 2^n e^r, neither 0 nor infinite for |v| <= 88. */
    const float v = -assay_within_(x, 0x42b00000u);
    uint32_t exponent;
    const float n = assay_nearest_exponent_(v * 1.44269504f, &exponent);
    const float r = assay_less_ln2_(v, n);
    const float p = r + r * r * assay_exp_rest_(r) + 1.0f;
    return 1.0f / (1.0f + p * assay_float_(exponent + 0x3f800000u));
}

/* x P(x^2) / Q(x^2), a minimax fit to 2e-8 up to 7.9; odd, exact in 0, at most 1. */
static inline float assay_quick_tanh(float x)
{
    const float c = assay_within_(x, 0x40fccccdu); /* 7.9 */
    const float s = c * c;
    float p = 2.41056283e-11f, q = 2.38088035e-4f;
    p = p * s - 1.49064424e-8f;
    p = p * s + 9.93926228e-6f;
    p = p * s + 2.99210606e-3f;
    p = p * s + 1.29849182e-1f;
    p = p * s + 1.0f;
    q = q * s + 2.40531308e-2f;
    q = q * s + 4.63182362e-1f;
    q = q * s + 1.0f;
    return c * p / q;
}

/* (1 + tanh(x / 2)) / 2 */
static inline float assay_quick_sigmoid(float x)
{
    return 0.5f + 0.5f * assay_quick_tanh(0.5f * x);
}

#ifdef __cplusplus
}
#endif

#endif
