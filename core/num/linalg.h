/* Dense linear algebra on small row-major float matrices, by LAPACK. Each returns E_NUMERIC when the
 * method does not come to a result. Those that need work space take it from the scratch memory of `room`'s calling worker and
 * give it back; where `room` is NULL they allocate it. */
#ifndef ASSAY_CORE_NUM_LINALG_H
#define ASSAY_CORE_NUM_LINALG_H

#include "base/error.h"
#include "num/team.h"

#include <stdbool.h>
#include <stddef.h>

/* Cholesky: a[n,n] symmetric positive definite -> its lower triangle holds L with a = L L^T; the strict
 * upper triangle is set to 0. */
status linalg_potrf(size_t n, float *a, size_t lda, error *err) MUST_CHECK;

/* Solves op(L) X = B (right false) or X op(L) = B (right true) in place in b[m,n]; L is lower triangular. */
status linalg_trsm(bool right, bool trans, size_t m, size_t n, const float *l, size_t ldl, float *b,
    size_t ldb, error *err) MUST_CHECK;

/* Eigenvalues ascending in w[n]; row i of a becomes the eigenvector of w[i]. a symmetric on entry. */
status linalg_syevd(size_t n, float *a, size_t lda, float *w, team *room, error *err) MUST_CHECK;

/* Thin QR of a[m,n], m >= n: a becomes Q[m,n], r[n,n] upper triangular (may be NULL). */
status linalg_geqrf(size_t m, size_t n, float *a, size_t lda, float *r, size_t ldr, team *room,
    error *err) MUST_CHECK;

/* Thin SVD of a[m,n], p = min(m,n): a = u[m,p] diag(s[p]) vt[p,n]. a is destroyed. */
status linalg_gesdd(size_t m, size_t n, float *a, size_t lda, float *s, float *u, size_t ldu,
    float *vt, size_t ldvt, team *room, error *err) MUST_CHECK;

#endif
