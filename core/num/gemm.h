/* Matrix products. The only place that calls BLAS; always on the calling thread alone.
 *
 * Row-major throughout. `num_init` must run first in a process: it closes OpenBLAS's own thread pool. */
#ifndef ASSAY_CORE_NUM_GEMM_H
#define ASSAY_CORE_NUM_GEMM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Closes OpenBLAS's pool. Idempotent. */
void num_init(void);

/* Whether concurrent calls of gemm are safe (openblas_get_parallel() is not 0). */
bool num_blas_is_concurrent(void);

/* "OpenBLAS 0.3.21 ... SkylakeX" for doctor and provenance. */
const char *num_blas_description(void);

/* Whose products run on this processor: "avx512", "avx2", or "blas". */
const char *num_kernels_name(void);

/* C[m,n] = alpha op(A)[m,k] op(B)[k,n] + beta C. op transposes where its flag is set. With beta 0, C is
 * not read. C overlaps neither A nor B. */
typedef struct gemm {
    bool trans_a, trans_b;
    size_t m, n, k;
    float alpha;
    const float *a;
    size_t lda; /* row stride of A as stored */
    const float *b;
    size_t ldb;
    float beta;
    float *c;
    size_t ldc;
    const void
        *packed_b; /* from gemm_pack_b for the same trans_b, n, k; then b and ldb are not read */
} gemm;

void gemm_run(const gemm *g);

/* Whether sizes, strides and pointers make sense, for what came from a plugin: what gemm_run takes for granted. E_SHAPE. */
status gemm_check(const gemm *g, error *err) MUST_CHECK;
/* The same for gemm_pack_b, which reads n, k, b and ldb. */
status gemm_check_pack(const gemm *g, error *err) MUST_CHECK;

/* Packing of B for repeated use: bytes needed, and the packing, at the speed of memory. How it looks depends on the processor and
 * ASSAY_CPU and is for gemm_run of this process alone; `out` is best 64-byte aligned. n, k and trans_b decide, never m.
 *
 * With a packed B a row of C has the same bits whatever m is, so rows may be shared out as one likes. (For the same trans_a, and
 * ldc == 1 or not where n is 1. OpenBLAS, which runs where there are no kernels for the processor, promises nothing like it.)
 * Without, the kernel that runs may depend on m. */
size_t gemm_packed_b_bytes(const gemm *g);
void gemm_pack_b(const gemm *g, void *out);

#endif
