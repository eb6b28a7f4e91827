/* Dense linear algebra by LAPACK, which is column-major: it sees our row-major a as its transpose.
 *
 * Nothing is copied to turn it round. A symmetric matrix is its own transpose, with the triangles
 * swapped; the QR of a is the LQ of its transpose (sgelqf, sorglq); the SVD of the transpose has u and
 * vt in each other's place. Values that are not finite are refused at the door: some drivers loop or
 * return nonsense on them. */
#include "num/linalg.h"

#include "base/arena.h"
#include "num/lapack.h"
#include "num/vec.h"

#include <cblas.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static status to_int(size_t n, int *out, error *err)
{
    if (n > INT_MAX) {
        return fail(
            err, E_RANGE, "a dimension of %zu is more than LAPACK's limit of %d", n, INT_MAX);
    }
    *out = (int)n;
    return OK;
}

/* Sizes as ints, a stride that holds a row, and entries that are numbers. */
static status check_matrix(size_t m, size_t n, const float *a, size_t lda, int *out_m, int *out_n,
    int *out_lda, error *err)
{
    status st = OK;
    TRY(to_int(m, out_m, err));
    TRY(to_int(n, out_n, err));
    TRY(to_int(lda, out_lda, err));
    if (lda < n) {
        TRY(fail(err, E_SHAPE, "a row stride of %zu is less than the %zu columns", lda, n));
    }
    for (size_t i = 0; i < m; i++) {
        const size_t j = vec_first_nonfinite(a + i * lda, n);
        if (j < n) {
            TRY(fail(err, E_NUMERIC, "the matrix holds %g at row %zu, column %zu",
                (double)a[i * lda + j], i, j));
        }
    }
done:
    return st;
}

/* LAPACK's own complaint about an argument is a bug of ours. */
static status check_arguments(int info, const char *routine, error *err)
{
    if (info >= 0) return OK;
    return fail(err, E_INTERNAL, "%s: argument %d is wrong", routine, -info);
}

/* Work space: what was taken last is given back first. */
typedef struct work {
    void *at; /* NULL: none */
    size_t bytes;
} work;

static status take_work(team *room, size_t n, size_t each, work *out, error *err)
{
    size_t bytes;
    if (!size_product(n, each, &bytes)) return fail_nomem(err, "work space of LAPACK");
    void *at = room ? team_scratch(room, bytes) : mem_aligned(n, each);
    if (!at) return fail_nomem(err, "work space of LAPACK");
    *out = (work){ at, bytes };
    return OK;
}

static void give_back(team *room, const work *w)
{
    if (!room) {
        free(w->at);
    } else if (w->at) {
        team_scratch_return(room, w->at, w->bytes);
    }
}

/* The floats that a query asked for: LAPACK returns the count as a float. */
static status take_floats(team *room, float n_asked, work *out, int *out_n, error *err)
{
    const float most = 2147483520.0f; /* the largest float below 2^31 */
    if (n_asked > most) return fail(err, E_RANGE, "the matrix is too large for LAPACK");
    const int n = n_asked < 1.0f ? 1 : (int)n_asked;
    const status st = take_work(room, (size_t)n, sizeof(float), out, err);
    if (st == OK) *out_n = n;
    return st;
}

status linalg_potrf(size_t n, float *a, size_t lda, error *err)
{
    status st = OK;
    int rows, columns, stride, info;
    TRY(check_matrix(n, n, a, lda, &rows, &columns, &stride, err));
    if (n == 0) goto done;
    spotrf_("U", &rows, a, &stride, &info, 1);
    TRY(check_arguments(info, "spotrf", err));
    if (info > 0) {
        TRY(fail(err, E_NUMERIC,
            "the matrix is not positive definite: the leading minor of order %d is not positive",
            info));
    }
    for (size_t i = 0; i < n; i++) {
        memset(a + i * lda + i + 1, 0, (n - i - 1) * sizeof *a);
    }
done:
    return st;
}

status linalg_trsm(bool right, bool trans, size_t m, size_t n, const float *l, size_t ldl, float *b,
    size_t ldb, error *err)
{
    status st = OK;
    const size_t order = right ? n : m;
    int rows, columns, stride_l, stride_b;
    TRY(check_matrix(order, 0, l, ldl, &rows, &columns, &stride_l, err));
    TRY(check_matrix(m, n, b, ldb, &rows, &columns, &stride_b, err));
    if (ldl < order) {
        TRY(fail(err, E_SHAPE, "a row stride of %zu is less than the %zu columns", ldl, order));
    }
    for (size_t i = 0; i < order; i++) {
        const float d = l[i * ldl + i];
        if (d == 0.0f || vec_first_nonfinite(l + i * ldl, i + 1) <= i) {
            TRY(fail(err, E_NUMERIC,
                "row %zu of the triangle has a zero on its diagonal or is not finite", i));
        }
    }
    if (m == 0 || n == 0) goto done;
    cblas_strsm(CblasRowMajor, right ? CblasRight : CblasLeft, CblasLower,
        trans ? CblasTrans : CblasNoTrans, CblasNonUnit, rows, columns, 1.0f, l, stride_l, b,
        stride_b);
done:
    return st;
}

status linalg_syevd(size_t n, float *a, size_t lda, float *w, team *room, error *err)
{
    status st = OK;
    work floats = { NULL, 0 }, ints = { NULL, 0 };
    int rows, columns, stride, info, n_work = -1, n_iwork = -1, asked_iwork = 0;
    float asked = 0.0f;
    TRY(check_matrix(n, n, a, lda, &rows, &columns, &stride, err));
    if (n == 0) goto done;
    ssyevd_("V", "U", &rows, a, &stride, w, &asked, &n_work, &asked_iwork, &n_iwork, &info, 1, 1);
    TRY(check_arguments(info, "ssyevd", err));
    TRY(take_floats(room, asked, &floats, &n_work, err));
    n_iwork = asked_iwork < 1 ? 1 : asked_iwork;
    TRY(take_work(room, (size_t)n_iwork, sizeof(int), &ints, err));
    ssyevd_("V", "U", &rows, a, &stride, w, floats.at, &n_work, ints.at, &n_iwork, &info, 1, 1);
    TRY(check_arguments(info, "ssyevd", err));
    if (info > 0) TRY(fail(err, E_NUMERIC, "the eigenvalues did not converge"));
done:
    give_back(room, &ints);
    give_back(room, &floats);
    return st;
}

/* r is the upper triangle that sgelqf left in a. */
static void copy_upper(size_t n, const float *a, size_t lda, float *r, size_t ldr)
{
    for (size_t i = 0; i < n; i++) {
        memset(r + i * ldr, 0, i * sizeof *r);
        memcpy(r + i * ldr + i, a + i * lda + i, (n - i) * sizeof *r);
    }
}

status linalg_geqrf(
    size_t m, size_t n, float *a, size_t lda, float *r, size_t ldr, team *room, error *err)
{
    status st = OK;
    work floats = { NULL, 0 }, tau = { NULL, 0 };
    int rows, columns, stride, info, n_work = -1;
    float asked[2] = { 0.0f, 0.0f };
    if (m < n)
        TRY(fail(
            err, E_SHAPE, "a thin QR needs at least as many rows as columns, got %zu x %zu", m, n));
    if (r && ldr < n)
        TRY(fail(err, E_SHAPE, "a row stride of %zu is less than the %zu columns", ldr, n));
    TRY(check_matrix(m, n, a, lda, &rows, &columns, &stride, err));
    if (n == 0) goto done;
    TRY(take_work(room, n, sizeof(float), &tau, err));
    sgelqf_(&columns, &rows, a, &stride, tau.at, &asked[0], &n_work, &info);
    TRY(check_arguments(info, "sgelqf", err));
    sorglq_(&columns, &rows, &columns, a, &stride, tau.at, &asked[1], &n_work, &info);
    TRY(check_arguments(info, "sorglq", err));
    TRY(take_floats(room, asked[0] > asked[1] ? asked[0] : asked[1], &floats, &n_work, err));
    sgelqf_(&columns, &rows, a, &stride, tau.at, floats.at, &n_work, &info);
    TRY(check_arguments(info, "sgelqf", err));
    if (r) copy_upper(n, a, lda, r, ldr);
    sorglq_(&columns, &rows, &columns, a, &stride, tau.at, floats.at, &n_work, &info);
    TRY(check_arguments(info, "sorglq", err));
done:
    give_back(room, &floats);
    give_back(room, &tau);
    return st;
}

status linalg_gesdd(size_t m, size_t n, float *a, size_t lda, float *s, float *u, size_t ldu,
    float *vt, size_t ldvt, team *room, error *err)
{
    status st = OK;
    work floats = { NULL, 0 }, ints = { NULL, 0 };
    const size_t p = m < n ? m : n;
    int rows, columns, stride, stride_u, stride_vt, info, n_work = -1;
    float asked = 0.0f;
    TRY(check_matrix(m, n, a, lda, &rows, &columns, &stride, err));
    TRY(to_int(ldu, &stride_u, err));
    TRY(to_int(ldvt, &stride_vt, err));
    if (ldu < p || ldvt < n) {
        TRY(fail(err, E_SHAPE, "row strides of %zu and %zu are less than the %zu and %zu columns",
            ldu, ldvt, p, n));
    }
    if (p == 0) goto done;
    TRY(take_work(room, p, 8 * sizeof(int), &ints, err));
    sgesdd_("S", &columns, &rows, a, &stride, s, vt, &stride_vt, u, &stride_u, &asked, &n_work,
        ints.at, &info, 1);
    TRY(check_arguments(info, "sgesdd", err));
    TRY(take_floats(room, asked, &floats, &n_work, err));
    sgesdd_("S", &columns, &rows, a, &stride, s, vt, &stride_vt, u, &stride_u, floats.at, &n_work,
        ints.at, &info, 1);
    TRY(check_arguments(info, "sgesdd", err));
    if (info > 0) TRY(fail(err, E_NUMERIC, "the singular values did not converge"));
done:
    give_back(room, &floats);
    give_back(room, &ints);
    return st;
}
