/* Decompositions by their residuals, on padded row-major matrices, and every refusal.
 *
 * The bound of each residual is a small multiple of order * FLT_EPSILON * |A|, the form in which the
 * LAPACK Users' Guide (chapter 4) states the backward error of these routines. */
#include "base/rng.h"
#include "num/gemm.h"
#include "num/linalg.h"
#include "num/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

enum { LD = 60 }; /* every matrix has this stride */
static float a[LD * LD], x[LD * LD], y[LD * LD], s[LD];

static void fill(float *matrix, uint64_t stream)
{
    rng_normal(rng_make(43, "linalg"), stream, 0, matrix, (size_t)LD * LD);
}

static double norm(const float *matrix, size_t m, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < m; i++)
        sum += vec_sum_squares(matrix + i * LD, n);
    return sqrt(sum);
}

/* |op(l) diag(d) op(r) - expected| over [m, n], inner dimension k; d NULL for ones, expected NULL for
 * the identity. */
static double residual(size_t m, size_t n, size_t k, const float *l, bool trans_l, const float *d,
    const float *r, bool trans_r, const float *expected)
{
    double sum = 0.0;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double v = expected ? -(double)expected[i * LD + j] : (i == j ? -1.0 : 0.0);
            for (size_t p = 0; p < k; p++) {
                const double left = (double)(trans_l ? l[p * LD + i] : l[i * LD + p]);
                const double right = (double)(trans_r ? r[j * LD + p] : r[p * LD + j]);
                v += left * (d ? (double)d[p] : 1.0) * right;
            }
            sum += v * v;
        }
    }
    return sqrt(sum);
}

static double bound(size_t order, double size)
{
    return 4.0 * (double)order * (double)FLT_EPSILON * size;
}

/* out = x x^T + n 1, positive definite. */
static void make_definite(size_t n, const float *root, float *out)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++) {
            double v = i == j ? (double)n : 0.0;
            for (size_t p = 0; p < n; p++)
                v += (double)root[i * LD + p] * (double)root[j * LD + p];
            out[i * LD + j] = (float)v;
        }
    }
}

static void test_linalg__potrf_gives_the_lower_factor(void **state)
{
    (void)state;
    error e = { 0 };
    for (size_t n = 1; n <= 50; n += 7) {
        fill(x, n);
        make_definite(n, x, a);
        memcpy(y, a, sizeof y);
        assert_int_equal(linalg_potrf(n, y, LD, &e), OK);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = i + 1; j < n; j++)
                assert_true(y[i * LD + j] == 0.0f);
        }
        assert_true(residual(n, n, n, y, false, NULL, y, true, a) < bound(n, norm(a, n, n)));
    }
    assert_int_equal(linalg_potrf(0, y, LD, &e), OK);
}

static void test_linalg__trsm_solves_from_either_side(void **state)
{
    (void)state;
    error e = { 0 };
    static float l[LD * LD];
    for (unsigned flags = 0; flags < 4; flags++) {
        const bool right = flags & 1, trans = flags & 2;
        const size_t m = 13, n = 37, order = right ? n : m;
        fill(x, 50);
        make_definite(order, x, l);
        assert_int_equal(linalg_potrf(order, l, LD, &e), OK);
        fill(a, 51 + flags);
        memcpy(y, a, sizeof y);
        assert_int_equal(linalg_trsm(right, trans, m, n, l, LD, y, LD, &e), OK);
        const double r = right ? residual(m, n, order, y, false, NULL, l, trans, a)
                               : residual(m, n, order, l, trans, NULL, y, false, a);
        assert_true(r < bound(order, norm(l, order, order) * norm(y, m, n)));
    }
    assert_int_equal(linalg_trsm(false, false, 0, 0, l, LD, y, LD, &e), OK);
}

static void test_linalg__syevd_gives_ascending_values_and_row_vectors(void **state)
{
    (void)state;
    error e = { 0 };
    for (size_t n = 1; n <= 50; n += 7) {
        fill(x, 60 + n);
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++)
                a[i * LD + j] = x[i * LD + j] + x[j * LD + i];
        }
        memcpy(y, a, sizeof y);
        assert_int_equal(linalg_syevd(n, y, LD, s, NULL, &e), OK);
        for (size_t i = 1; i < n; i++)
            assert_true(s[i - 1] <= s[i]);
        assert_true(residual(n, n, n, y, true, s, y, false, a) < bound(n, norm(a, n, n)));
        assert_true(residual(n, n, n, y, false, NULL, y, true, NULL) < bound(n, sqrt((double)n)));
    }
    assert_int_equal(linalg_syevd(0, y, LD, s, NULL, &e), OK);
}

static void test_linalg__geqrf_gives_a_thin_orthonormal_q(void **state)
{
    (void)state;
    static const size_t sizes[][2] = { { 1, 1 }, { 5, 1 }, { 7, 7 }, { 50, 13 }, { 33, 32 },
        { 59, 58 } };
    error e = { 0 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t m = sizes[i][0], n = sizes[i][1];
        fill(a, 120 + i);
        memcpy(y, a, sizeof y);
        fill(x, 1);
        assert_int_equal(linalg_geqrf(m, n, y, LD, x, LD, NULL, &e), OK);
        for (size_t r = 0; r < n; r++) {
            for (size_t c = 0; c < r; c++)
                assert_true(x[r * LD + c] == 0.0f);
        }
        assert_true(residual(m, n, n, y, false, NULL, x, false, a) < bound(m, norm(a, m, n)));
        assert_true(residual(n, n, m, y, true, NULL, y, false, NULL) < bound(m, sqrt((double)n)));
        static float without_r[LD * LD];
        memcpy(without_r, a, sizeof a);
        assert_int_equal(linalg_geqrf(m, n, without_r, LD, NULL, 0, NULL, &e), OK);
        assert_memory_equal(without_r, y, sizeof y);
    }
}

static void test_linalg__gesdd_gives_a_thin_decomposition(void **state)
{
    (void)state;
    static const size_t sizes[][2] = { { 1, 1 }, { 1, 9 }, { 9, 1 }, { 13, 50 }, { 50, 13 },
        { 31, 31 } };
    error e = { 0 };
    static float copy[LD * LD];
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t m = sizes[i][0], n = sizes[i][1], p = m < n ? m : n, most = m < n ? n : m;
        fill(a, 130 + i);
        memcpy(copy, a, sizeof copy);
        assert_int_equal(linalg_gesdd(m, n, copy, LD, s, x, LD, y, LD, NULL, &e), OK);
        for (size_t j = 1; j < p; j++)
            assert_true(s[j - 1] >= s[j] && s[j] >= 0.0f);
        assert_true(residual(m, n, p, x, false, s, y, false, a) < bound(most, norm(a, m, n)));
        assert_true(
            residual(p, p, m, x, true, NULL, x, false, NULL) < bound(most, sqrt((double)p)));
        assert_true(
            residual(p, p, n, y, false, NULL, y, true, NULL) < bound(most, sqrt((double)p)));
    }
}

/* Work space from a team's scratch gives the same bits and is given back: what is taken afterwards is where it was. */
static void test_linalg__work_space_is_given_back(void **state)
{
    static float first[LD * LD], u[LD * LD];
    error e = { 0 };
    team *room;
    (void)state;
    assert_int_equal(team_new(1, false, &room, &e), OK);
    fill(a, 71);
    make_definite(37, a, x);
    float *const mine = team_scratch(room, 64), *const next = team_scratch(room, 64);
    team_scratch_return(room, next, 64);
    for (int pass = 0; pass < 3; pass++) {
        team *const by = pass ? room : NULL;
        memcpy(y, x, sizeof y);
        assert_int_equal(linalg_syevd(37, y, LD, s, by, &e), OK);
        assert_int_equal(linalg_geqrf(37, 29, y, LD, NULL, 0, by, &e), OK);
        assert_int_equal(linalg_gesdd(37, 29, y, LD, s, u, LD, a, LD, by, &e), OK);
        if (pass == 0) memcpy(first, u, sizeof first);
        for (size_t i = 0; i < 37; i++)
            assert_memory_equal(u + i * LD, first + i * LD, 29 * sizeof *u);
        assert_ptr_equal(team_scratch(room, 64), next);
        team_scratch_return(room, next, 64);
    }
    team_scratch_return(room, mine, 100000); /* not what was taken last: it stays */
    assert_ptr_equal(team_scratch(room, 64), next);
    team_free(room);
}

static void test_linalg__what_has_no_result_is_refused(void **state)
{
    (void)state;
    error e = { 0 };
    float indefinite[] = { 1.0f, 2.0f, 2.0f, 1.0f };
    assert_int_equal(linalg_potrf(2, indefinite, 2, &e), E_NUMERIC);
    assert_non_null(strstr(e.text, "not positive definite"));
    const float singular[] = { 1.0f, 0.0f, 2.0f, 0.0f };
    float right[] = { 1.0f, 1.0f };
    assert_int_equal(linalg_trsm(false, false, 2, 1, singular, 2, right, 1, &e), E_NUMERIC);
    float holes[] = { 1.0f, 0.5f, 0.5f, NAN };
    assert_int_equal(linalg_trsm(false, false, 2, 1, holes, 2, right, 1, &e), E_NUMERIC);
    assert_int_equal(linalg_potrf(2, holes, 2, &e), E_NUMERIC);
    assert_int_equal(linalg_syevd(2, holes, 2, s, NULL, &e), E_NUMERIC);
    assert_int_equal(linalg_geqrf(2, 2, holes, 2, NULL, 0, NULL, &e), E_NUMERIC);
    assert_int_equal(linalg_gesdd(2, 2, holes, 2, s, x, 2, y, 2, NULL, &e), E_NUMERIC);
    assert_string_equal(e.text, "the matrix holds nan at row 1, column 1");
}

static void test_linalg__shapes_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    error e = { 0 };
    assert_int_equal(linalg_potrf(3, a, 2, &e), E_SHAPE);
    assert_int_equal(linalg_trsm(false, false, 3, 4, a, 2, y, 4, &e), E_SHAPE);
    assert_int_equal(linalg_trsm(false, false, 3, 4, a, 3, y, 3, &e), E_SHAPE);
    assert_int_equal(linalg_syevd(3, a, 2, s, NULL, &e), E_SHAPE);
    assert_int_equal(linalg_geqrf(2, 3, a, 3, NULL, 0, NULL, &e), E_SHAPE);
    assert_int_equal(linalg_geqrf(3, 3, a, 2, NULL, 0, NULL, &e), E_SHAPE);
    assert_int_equal(linalg_geqrf(3, 3, a, 3, x, 2, NULL, &e), E_SHAPE);
    assert_int_equal(linalg_gesdd(3, 4, a, 3, s, x, 3, y, 4, NULL, &e), E_SHAPE);
    assert_int_equal(linalg_gesdd(3, 4, a, 4, s, x, 2, y, 4, NULL, &e), E_SHAPE);
    assert_int_equal(linalg_gesdd(3, 4, a, 4, s, x, 3, y, 3, NULL, &e), E_SHAPE);
    assert_int_equal(linalg_potrf((size_t)INT_MAX + 1, a, (size_t)INT_MAX + 1, &e), E_RANGE);
}

int main(void)
{
    num_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linalg__potrf_gives_the_lower_factor),
        cmocka_unit_test(test_linalg__trsm_solves_from_either_side),
        cmocka_unit_test(test_linalg__syevd_gives_ascending_values_and_row_vectors),
        cmocka_unit_test(test_linalg__geqrf_gives_a_thin_orthonormal_q),
        cmocka_unit_test(test_linalg__gesdd_gives_a_thin_decomposition),
        cmocka_unit_test(test_linalg__work_space_is_given_back),
        cmocka_unit_test(test_linalg__what_has_no_result_is_refused),
        cmocka_unit_test(test_linalg__shapes_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
