/* The Fortran symbols of LAPACK that linalg.c calls; private to this room.
 *
 * Column-major; every argument by address; a CHARACTER argument's length follows at the end, by value,
 * as gfortran passes it. */
#ifndef ASSAY_CORE_NUM_LAPACK_H
#define ASSAY_CORE_NUM_LAPACK_H

#include <stddef.h>

void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t n_uplo);

void ssyevd_(const char *jobz, const char *uplo, const int *n, float *a, const int *lda, float *w,
    float *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t n_jobz,
    size_t n_uplo);

void sgelqf_(const int *m, const int *n, float *a, const int *lda, float *tau, float *work,
    const int *lwork, int *info);

void sorglq_(const int *m, const int *n, const int *k, float *a, const int *lda, const float *tau,
    float *work, const int *lwork, int *info);

void sgesdd_(const char *jobz, const int *m, const int *n, float *a, const int *lda, float *s,
    float *u, const int *ldu, float *vt, const int *ldvt, float *work, const int *lwork, int *iwork,
    int *info, size_t n_jobz);

#endif
