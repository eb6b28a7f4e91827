/* Products of our own: one tile routine per instruction set, chosen when a program runs.
 *
 * Only core/num includes this. OpenBLAS is the base and the fallback; these exist because it lacks kernels for newer
 * processors and is weak where one side of a product is small, which is what training of small networks consists of. */
#ifndef ASSAY_CORE_NUM_KERNELS_H
#define ASSAY_CORE_NUM_KERNELS_H

#include "num/gemm.h"

/* C[rows, columns] = alpha * sum over k of a(k, i) b(k, j) + beta C; a(k, i) lies at a[k * step_k + i * step_i], row k of
 * b at b + k * ldb. rows <= kernels.rows, columns <= kernels.columns. With beta 0, C is not read. */
typedef struct tile {
    size_t rows, columns, k;
    const float *a;
    size_t step_k, step_i;
    const float *b;
    size_t ldb;
    float *c;
    size_t ldc;
    float alpha, beta;
} tile;

typedef struct kernels {
    const char *name; /* "avx512", "avx2" */
    size_t rows, columns; /* of the largest tile */
    size_t width; /* floats of a vector */
    size_t strip; /* panels that a single row takes at a time */
    size_t blas_from; /* products all of whose sides are at least this are OpenBLAS's; 0: none */
    void (*run_tile)(const tile *t);
    /* One row and `strip` full panels of a packed B, which begin `apart` numbers from each other. */
    void (*run_strip)(const tile *t, size_t apart);
    /* One row of any width: y[n] = alpha * x[k] B[k, n] + beta y; x has `step` between entries. */
    void (*run_row)(const float *x, size_t step, const float *b, size_t ldb, size_t k, size_t n,
        float alpha, float beta, float *y);
    /* Dot products of x[k] with the n rows of b: y[j * step] = alpha x . b_j + beta y. */
    void (*run_dots)(const float *x, const float *b, size_t ldb, size_t k, size_t n, float alpha,
        float beta, float *y, size_t step);
    /* out[k, columns] (row stride ldout) = b[k, columns], with zeros up to ldout, at most a vector's width away. */
    void (*copy)(const float *b, size_t ldb, size_t k, size_t columns, float *out, size_t ldout);
    /* out[k, columns] (row stride ldout) = transpose of b[columns, k]. */
    void (*transpose)(
        const float *b, size_t ldb, size_t k, size_t columns, float *out, size_t ldout);
} kernels;

/* What this processor and ASSAY_CPU ("avx512", "avx2", "blas") permit; NULL: OpenBLAS alone. Settled once per thread. */
const kernels *kernels_get(void);

extern const kernels kernels_avx512, kernels_avx2;

/* Whether OpenBLAS measures better for this shape with a B that is not packed. */
bool kernels_yield(const kernels *ks, const gemm *g);

/* A product by those kernels. Every case but k = 0 or an empty C. */
void kernels_gemm(const kernels *ks, const gemm *g);

/* The packed form of op(B)[k, n]: panels of at most `columns` columns, one after the other, cut by n alone as equal as whole vectors
 * allow; each [k, width], its last vector padded with zeros. A B of one column remains a vector. */
bool kernels_packed_bytes(const kernels *ks, size_t n, size_t k, size_t *out) MUST_CHECK;
void kernels_pack_b(const kernels *ks, const gemm *g, float *out);

#endif
