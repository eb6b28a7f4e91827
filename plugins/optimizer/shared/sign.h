/* The sign of a number as inline code that compilers vectorise: choices are made by masks on bits. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_SIGN_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_SIGN_H

#include <assay/math.h>

/* size sign(x) for size >= 0: 0 where x is 0 or -0. NaN stays, so that a gradient which is none does not pass for a step. */
static inline float size_with_sign(float size, float x)
{
    const uint32_t bits = assay_bits_(x), magnitude = bits & 0x7fffffffu;
    const uint32_t step = (bits ^ magnitude) | assay_bits_(size);
    const uint32_t usual = assay_choose_(magnitude != 0, step, 0);
    return assay_float_(assay_choose_(magnitude > 0x7f800000u, bits, usual));
}

#endif
