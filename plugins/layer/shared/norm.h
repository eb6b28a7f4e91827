/* What layers that normalise share: their gain and bias, sums along a row, and the gradients of both.
 *
 * A value is normalised in float as ((x - shift) - rest) * scale, where shift + rest is the mean: in two
 * parts, because a mean that is large beside the deviation would leave nothing of it in one float.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_NORM_H
#define ASSAY_PLUGINS_LAYER_SHARED_NORM_H

#include "elementwise.h"

/* Indices of the parameters, where there are any. */
enum { NORM_GAIN, NORM_BIAS };

static inline int norm_param(
    assay_plan *plan, const char *name, const char *export_name, uint32_t role, assay_shape shape)
{
    const assay_param p = { .struct_size = sizeof p,
        .name = name,
        .shape = shape,
        .role = role,
        .init = role == ASSAY_ROLE_GAIN ? "ones" : "zeros",
        .export_name = export_name };
    const int64_t i = plan->param(plan, &p);
    return i < 0 ? (int)i : ASSAY_OK;
}

/* The gain, which PyTorch calls weight, and the bias if wanted. */
static inline int norm_params(assay_plan *plan, assay_shape shape, int has_bias)
{
    const int code = norm_param(plan, "gain", "weight", ASSAY_ROLE_GAIN, shape);
    if (code != ASSAY_OK || !has_bias) return code;
    return norm_param(plan, "bias", NULL, ASSAY_ROLE_BIAS, shape);
}

/* The mean in two floats, and what normalises. */
typedef struct norm_row {
    float shift, rest, scale;
} norm_row;

static inline float normal(float x, norm_row r)
{
    return ((x - r.shift) - r.rest) * r.scale;
}

/* Sums along a row are taken in this many lanes, in double: a fixed order that can be vectorised. */
enum { NORM_LANES = 8 };

static inline double norm_lanes(const double *lane)
{
    return ((lane[0] + lane[4]) + (lane[1] + lane[5])) +
        ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

/* The sums over i of a[i] and of a[i] b[i], a[i] = dy[i] gain[i] and b[i] = normal(x[i]). No gain: 1. */
static inline void norm_sums(const float *dy, const float *gain, const float *x, norm_row r,
    uint64_t n, double *out_a, double *out_ab)
{
    double a[NORM_LANES] = { 0 }, ab[NORM_LANES] = { 0 };
    for (uint64_t i = 0; i < n; i += NORM_LANES) {
        const uint64_t m = n - i < NORM_LANES ? n - i : NORM_LANES;
        for (uint64_t k = 0; k < m; k++) {
            const double v = (double)(gain ? dy[i + k] * gain[i + k] : dy[i + k]);
            a[k] += v;
            ab[k] += v * (double)normal(x[i + k], r);
        }
    }
    *out_a = norm_lanes(a);
    *out_ab = norm_lanes(ab);
}

/* sum[i] += dy[i] normal(x[i]), for the gain. */
static inline void norm_add_gain(
    const float *dy, const float *x, norm_row r, uint64_t n, double *sum)
{
    for (uint64_t i = 0; i < n; i++) {
        sum[i] += (double)dy[i] * (double)normal(x[i], r);
    }
}

/* sum[i] += v[i] */
static inline void norm_add(const float *v, uint64_t n, double *sum)
{
    for (uint64_t i = 0; i < n; i++) {
        sum[i] += (double)v[i];
    }
}

/* dparam[i] (+)= sum */
static inline void norm_store(const assay_io *io, uint64_t i_param, const double *sum, uint64_t n)
{
    float *d = io->dparam[i_param];
    for (uint64_t i = 0; i < n; i++) {
        d[i] = (float)(io->accumulate[i_param] ? (double)d[i] + sum[i] : sum[i]);
    }
}

#endif
