/* Elementary functions as inline code that compilers vectorise: no branches, no calls, no tables. */
#ifndef ASSAY_MATH_H
#define ASSAY_MATH_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline float assay_exp(float x)
{
    /* 2^n e^r with r in [-ln2/2, ln2/2]; a degree-6 polynomial for e^r. */
    const float lo = -87.33654f, hi = 88.72283f;
    const float c = x < lo ? lo : (x > hi ? hi : x);
    const float t = c * 1.44269504f + 12582912.0f;
    const float n = t - 12582912.0f;
    const float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const int32_t i = (int32_t)n;
    const uint32_t bits = (uint32_t)(i + 127) << 23;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return x != x ? x : p * scale;
}

#ifdef __cplusplus
}
#endif

#endif
