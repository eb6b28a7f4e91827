/* Vector kernels at every length around their lanes and blocks. */
#include "base/rng.h"
#include "num/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <string.h>

enum { N_MOST = 1100 };

static void fill(float *x, size_t n, uint64_t stream)
{
    rng_normal(rng_make(31, "vec"), stream, 0, x, n);
}

static void test_vec__sums_are_those_of_doubles(void **state)
{
    (void)state;
    float x[N_MOST];
    fill(x, N_MOST, 0);
    for (size_t n = 0; n < N_MOST; n++) {
        long double sum = 0.0L, squares = 0.0L, size = 0.0L;
        for (size_t i = 0; i < n; i++) {
            sum += (long double)x[i];
            size += fabsl((long double)x[i]);
            squares += (long double)x[i] * (long double)x[i];
        }
        /* n additions, each off by half a unit of the last place of a partial sum. */
        const long double slack = (long double)n * DBL_EPSILON;
        assert_true(fabsl((long double)vec_sum(x, n) - sum) <= slack * size);
        assert_true(fabsl((long double)vec_sum_squares(x, n) - squares) <= slack * squares);
    }
}

static void test_vec__sums_keep_what_floats_would_lose(void **state)
{
    (void)state;
    float x[1000];
    vec_fill(x, 1000, 0.731f);
    x[0] = 1e9f;
    x[999] = -1e9f;
    assert_true(fabs(vec_sum(x, 1000) - 998.0 * (double)0.731f) < 1e-4);
    vec_fill(x, 1000, 1e30f); /* squares overflow a float */
    assert_true(fabs(vec_sum_squares(x, 1000) / 1e63 - 1.0) < 1e-6);
}

static void test_vec__elementwise_kernels_do_what_they_say(void **state)
{
    (void)state;
    float x[N_MOST], y[N_MOST], z[N_MOST];
    for (size_t n = 0; n < 70; n++) {
        fill(x, n + 1, 1);
        fill(y, n + 1, 2);
        memcpy(z, y, sizeof z);
        vec_axpy(z, x, n, -2.385f);
        for (size_t i = 0; i < n; i++)
            assert_true(z[i] == y[i] + -2.385f * x[i]);
        memcpy(z, y, sizeof z);
        vec_add(z, x, n);
        for (size_t i = 0; i < n; i++)
            assert_true(z[i] == y[i] + x[i]);
        vec_scale(z, n, 0.731f);
        for (size_t i = 0; i < n; i++)
            assert_true(z[i] == (y[i] + x[i]) * 0.731f);
        vec_clip(z, n, 0.3f);
        for (size_t i = 0; i < n; i++) {
            assert_true(z[i] == fminf(fmaxf((y[i] + x[i]) * 0.731f, -0.3f), 0.3f));
        }
        vec_fill(z, n, 2.385f);
        for (size_t i = 0; i < n; i++)
            assert_true(z[i] == 2.385f);
        assert_true(z[n] == y[n]); /* the element behind the end */
    }
}

static void test_vec__clipping_leaves_nan_and_cuts_infinity(void **state)
{
    (void)state;
    float x[] = { NAN, INFINITY, -INFINITY, 0.5f };
    vec_clip(x, 4, 2.5f);
    assert_true(isnan(x[0]));
    assert_true(x[1] == 2.5f && x[2] == -2.5f && x[3] == 0.5f);
}

static void test_vec__the_first_nonfinite_is_found_anywhere(void **state)
{
    (void)state;
    static const float bad[] = { NAN, INFINITY, -INFINITY };
    float x[N_MOST];
    fill(x, N_MOST, 3);
    x[7] = FLT_MAX;
    x[8] = -FLT_MAX;
    x[9] = FLT_TRUE_MIN;
    assert_true(vec_is_finite(x, N_MOST));
    assert_int_equal(vec_first_nonfinite(x, N_MOST), N_MOST);
    assert_true(vec_is_finite(x, 0));
    for (size_t i = 0; i < N_MOST; i++) {
        const float kept = x[i];
        x[i] = bad[i % 3];
        x[N_MOST - 1] = i % 2 ? x[N_MOST - 1] : NAN; /* a second one behind it */
        assert_int_equal(vec_first_nonfinite(x, N_MOST), i);
        assert_false(vec_is_finite(x, N_MOST));
        assert_true(vec_is_finite(x, i));
        x[i] = kept;
        x[N_MOST - 1] = 0.731f;
    }
}

static void test_vec__parts_are_summed_in_order_and_range(void **state)
{
    (void)state;
    enum { N_PARTS = 5 };
    static float parts[N_PARTS][N_MOST], out[N_MOST], whole[N_MOST];
    const float *pointers[N_PARTS];
    for (size_t p = 0; p < N_PARTS; p++) {
        fill(parts[p], N_MOST, 4 + p);
        pointers[p] = parts[p];
    }
    vec_fill(out, N_MOST, -7.0f);
    vec_sum_parts(out, pointers, N_PARTS, 13, 1037);
    for (size_t i = 0; i < N_MOST; i++) {
        float sum = parts[0][i];
        for (size_t p = 1; p < N_PARTS; p++)
            sum += parts[p][i];
        assert_true(out[i] == (i < 13 || i >= 1037 ? -7.0f : sum));
    }
    vec_sum_parts(whole, pointers, N_PARTS, 0, N_MOST);
    assert_memory_equal(out + 13, whole + 13, (1037 - 13) * sizeof *out);
    vec_sum_parts(parts[0], pointers, N_PARTS, 0, 600); /* in place, in two cuts */
    vec_sum_parts(parts[0], pointers, N_PARTS, 600, N_MOST);
    assert_memory_equal(parts[0], whole, sizeof whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vec__sums_are_those_of_doubles),
        cmocka_unit_test(test_vec__sums_keep_what_floats_would_lose),
        cmocka_unit_test(test_vec__elementwise_kernels_do_what_they_say),
        cmocka_unit_test(test_vec__clipping_leaves_nan_and_cuts_infinity),
        cmocka_unit_test(test_vec__the_first_nonfinite_is_found_anywhere),
        cmocka_unit_test(test_vec__parts_are_summed_in_order_and_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
