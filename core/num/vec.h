/* Vector kernels and reductions. Sums are taken in double in a fixed order: the result depends on the
 * data and its length alone, never on threads. */
#ifndef ASSAY_CORE_NUM_VEC_H
#define ASSAY_CORE_NUM_VEC_H

#include <stdbool.h>
#include <stddef.h>

double vec_sum(const float *x, size_t n);
double vec_sum_squares(const float *x, size_t n);
void vec_scale(float *x, size_t n, float a);
void vec_clip(float *x, size_t n, float limit); /* into [-limit, limit]; NaN stays */
void vec_axpy(float *y, const float *x, size_t n, float a); /* y += a x */
void vec_add(float *y, const float *x, size_t n); /* y += x */
/* out[rows, cols] = x[rows] y[cols]^T */
void vec_outer(float *out, const float *x, size_t rows, const float *y, size_t cols);
void vec_fill(float *x, size_t n, float v);
/* The largest magnitude; infinity or NaN where one is among them. */
float vec_max_abs(const float *x, size_t n);
bool vec_is_finite(const float *x, size_t n);
size_t vec_first_nonfinite(const float *x, size_t n); /* n when all are finite */

/* out[i] = parts[0][i] + parts[1][i] + ... in that order, for i in [begin, end). out may be parts[0]. */
void vec_sum_parts(float *out, const float *const *parts, size_t n_parts, size_t begin, size_t end);

#endif
