/* Matrix products on the calling thread alone: our own kernels where they measure best, else OpenBLAS.
 *
 * OpenBLAS brings a pool of threads that spin for work and fight with ours; it is closed at start, and concurrency comes from
 * the team above instead. */
#include "num/gemm.h"

#include "base/arena.h"
#include "num/kernels.h"

#include <assert.h>
#include <cblas.h>
#include <limits.h>
#include <string.h>

/* Exported by OpenBLAS's pthread and OpenMP builds, in no header; a serial build lacks it. */
extern int blas_thread_shutdown_(void) __attribute__((weak));

void num_init(void)
{
    /* Setting the number again would start the closed pool anew, only to close it. */
    if (openblas_get_num_threads() == 1) return;
    openblas_set_num_threads(1);
    if (blas_thread_shutdown_) blas_thread_shutdown_();
}

bool num_blas_is_concurrent(void)
{
    return openblas_get_parallel() != OPENBLAS_SEQUENTIAL;
}

const char *num_blas_description(void)
{
    return openblas_get_config();
}

const char *num_kernels_name(void)
{
    const kernels *ks = kernels_get();
    return ks ? ks->name : "blas";
}

/* Planning keeps every dimension of a product within BLAS's int. */
static blasint as_int(size_t n)
{
    assert(n <= INT_MAX);
    return (blasint)n;
}

/* A matrix as stored: rows of `cols` numbers, `stride` apart. */
static status check_matrix(
    const char *name, const void *at, size_t rows, size_t cols, size_t stride, error *err)
{
    size_t bytes;
    if (!at) return fail(err, E_SHAPE, "a product without its matrix %s", name);
    if (stride < cols || stride > INT_MAX) {
        return fail(err, E_SHAPE,
            "a product whose matrix %s has rows of %zu numbers and a stride of %zu", name, cols,
            stride);
    }
    if (!size_product(rows, stride, &bytes) || !size_product(bytes, sizeof(float), &bytes)) {
        return fail(err, E_SHAPE, "a product whose matrix %s is larger than memory", name);
    }
    return OK;
}

static status check_sizes(const gemm *g, error *err)
{
    if (g->m <= INT_MAX && g->n <= INT_MAX && g->k <= INT_MAX) return OK;
    return fail(err, E_SHAPE, "a product of %zu x %zu by %zu x %zu, where %d is the most", g->m,
        g->k, g->k, g->n, INT_MAX);
}

static status check_b(const gemm *g, error *err)
{
    return check_matrix("B", g->b, g->trans_b ? g->n : g->k, g->trans_b ? g->k : g->n, g->ldb, err);
}

status gemm_check(const gemm *g, error *err)
{
    status st = OK;
    TRY(check_sizes(g, err));
    if (g->m == 0 || g->n == 0) return OK;
    TRY(check_matrix("C", g->c, g->m, g->n, g->ldc, err));
    if (g->k == 0) return OK;
    TRY(check_matrix("A", g->a, g->trans_a ? g->k : g->m, g->trans_a ? g->m : g->k, g->lda, err));
    if (!g->packed_b) TRY(check_b(g, err));
done:
    return st;
}

status gemm_check_pack(const gemm *g, error *err)
{
    status st = check_sizes(g, err);
    return st == OK && g->n > 0 && g->k > 0 ? check_b(g, err) : st;
}

/* What is left of C when there is nothing to add: beta C. */
static void scale_c(const gemm *g)
{
    for (size_t i = 0; i < g->m; i++) {
        float *row = g->c + i * g->ldc;
        for (size_t j = 0; j < g->n; j++)
            row[j] = g->beta == 0.0f ? 0.0f : g->beta * row[j];
    }
}

/* One row: C^T = alpha op(B)^T op(A)^T + beta C^T. A stored column has its stride between entries. */
static void run_row(const gemm *g, const float *b, size_t ldb, bool trans_b, float beta)
{
    const blasint step_a = as_int(g->trans_a ? g->lda : 1);
    const blasint rows = as_int(trans_b ? g->n : g->k), columns = as_int(trans_b ? g->k : g->n);
    cblas_sgemv(CblasRowMajor, trans_b ? CblasNoTrans : CblasTrans, rows, columns, g->alpha, b,
        as_int(ldb), g->a, step_a, beta, g->c, 1);
}

static void run_column(const gemm *g, const float *b, size_t ldb, bool trans_b, float beta)
{
    const blasint step_b = as_int(trans_b ? 1 : ldb);
    const blasint rows = as_int(g->trans_a ? g->k : g->m);
    const blasint columns = as_int(g->trans_a ? g->m : g->k);
    cblas_sgemv(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans, rows, columns, g->alpha,
        g->a, as_int(g->lda), b, step_b, beta, g->c, as_int(g->ldc));
}

/* Measured with OpenBLAS 0.3.21, one thread: a transposed B is its slow case; with one row or one column sgemv takes a
 * quarter of sgemm's time; for k = 1 sger was no better. */
static void run_blas(const gemm *g)
{
    const float *b = g->packed_b ? g->packed_b : g->b;
    const size_t ldb = g->packed_b ? g->n : g->ldb;
    const bool trans_b = g->trans_b && !g->packed_b;
    if (g->m == 1 || g->n == 1) {
        /* Some versions of sgemv read C even with beta 0; adding to zeros is safe with all. */
        if (g->beta == 0.0f) scale_c(g);
        const float beta = g->beta == 0.0f ? 1.0f : g->beta;
        (g->m == 1 ? run_row : run_column)(g, b, ldb, trans_b, beta);
        return;
    }
    cblas_sgemm(CblasRowMajor, g->trans_a ? CblasTrans : CblasNoTrans,
        trans_b ? CblasTrans : CblasNoTrans, as_int(g->m), as_int(g->n), as_int(g->k), g->alpha,
        g->a, as_int(g->lda), b, as_int(ldb), g->beta, g->c, as_int(g->ldc));
}

void gemm_run(const gemm *g)
{
    if (g->m == 0 || g->n == 0) return;
    if (g->k == 0) {
        scale_c(g);
        return;
    }
    const kernels *ks = kernels_get();
    if (ks && (g->packed_b || !kernels_yield(ks, g))) {
        kernels_gemm(ks, g);
    } else {
        run_blas(g);
    }
}

size_t gemm_packed_b_bytes(const gemm *g)
{
    const kernels *ks = kernels_get();
    size_t bytes;
    if (ks) return kernels_packed_bytes(ks, g->n, g->k, &bytes) ? bytes : 0;
    if (!size_product(g->k, g->n, &bytes)) return 0;
    return size_product(bytes, sizeof(float), &bytes) ? bytes : 0;
}

/* op(B) as it is, [k, n]. */
static void pack_plain(const gemm *g, float *packed)
{
    if (!g->trans_b) {
        for (size_t i = 0; i < g->k; i++) {
            memcpy(packed + i * g->n, g->b + i * g->ldb, g->n * sizeof *packed);
        }
        return;
    }
    enum { TILE = 16 }; /* so that neither side leaves the first cache */
    for (size_t i0 = 0; i0 < g->k; i0 += TILE) {
        for (size_t j0 = 0; j0 < g->n; j0 += TILE) {
            for (size_t i = i0; i < g->k && i < i0 + TILE; i++) {
                for (size_t j = j0; j < g->n && j < j0 + TILE; j++) {
                    packed[i * g->n + j] = g->b[j * g->ldb + i];
                }
            }
        }
    }
}

void gemm_pack_b(const gemm *g, void *out)
{
    const kernels *ks = kernels_get();
    if (g->n == 0 || g->k == 0) return;
    if (ks) {
        kernels_pack_b(ks, g, out);
    } else {
        pack_plain(g, out);
    }
}
