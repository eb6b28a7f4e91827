/* <assay/math.h> against libm in double: a stride through all bit patterns of a float, the edges, and whether a loop that
 * the compiler may vectorise gives the same bits as single calls. The bounds are those that the header states; they were
 * measured over every float. The stride is a prime, so that all mantissas and exponents are met. */
#include <assay/math.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { STRIDE = 307 };

typedef float (*function)(float);
typedef double (*oracle)(double);

/* How far `got` is from `want`, in units in the last place of `want` as a float. */
static double ulps(float got, double want)
{
    const float rounded = (float)want;
    int exponent;
    if (isnan(want) || isinf(rounded) || isinf(got)) {
        return (isnan(want) && isnan(got)) || rounded == got ? 0 : HUGE_VAL;
    }
    if (isnan(got)) {
        return HUGE_VAL;
    }
    frexp(want, &exponent);
    return fabs((double)got - want) / ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149);
}

static double sigmoid(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static void check_range(
    function f, oracle g, uint64_t first, uint64_t last, uint64_t stride, double bound)
{
    double worst = 0;
    float at = 0;
    for (uint64_t bits = first; bits <= last; bits += stride) {
        const float x = assay_float_((uint32_t)bits);
        if (isnan(x)) {
            continue;
        }
        const double error = ulps(f(x), g((double)x));
        if (error > worst) {
            worst = error;
            at = x;
        }
    }
    if (worst > bound) {
        fail_msg("%g ulp at %a, where at most %g are allowed", worst, (double)at, bound);
    }
}

static void check_all(function f, oracle g, double bound)
{
    check_range(f, g, 0, UINT32_MAX, STRIDE, bound);
}

static float call_exp(float x)
{
    return assay_exp(x);
}

static float call_log(float x)
{
    return assay_log(x);
}

static float call_tanh(float x)
{
    return assay_tanh(x);
}

static float call_sigmoid(float x)
{
    return assay_sigmoid(x);
}

static void test_exp__stays_within_its_bound(void **state)
{
    (void)state;
    check_all(call_exp, exp, 1.0);
}

static void test_log__stays_within_its_bound(void **state)
{
    (void)state;
    check_all(call_log, log, 0.9);
    check_range(call_log, log, 0x3f300000, 0x3fc00000, 37, 0.9); /* around 1 */
}

static void test_tanh__stays_within_its_bound(void **state)
{
    (void)state;
    check_all(call_tanh, tanh, 2.7);
    check_range(call_tanh, tanh, 0x3c000000, 0x41200000, 97, 2.7);
}

static void test_sigmoid__stays_within_its_bound(void **state)
{
    (void)state;
    check_range(call_sigmoid, sigmoid, 0, 0x7f800000, 65537, 2.5);
    check_range(call_sigmoid, sigmoid, 0x3c000000, 0x42c80000, 149, 2.5);
    check_range(call_sigmoid, sigmoid, 0x80000000, 0xc2b00000, 1499, 2.5); /* to -88 */
    check_range(call_sigmoid, sigmoid, 0xbc000000, 0xc2b00000, 149, 2.5);
}

static float call_quick_tanh(float x)
{
    return assay_quick_tanh(x);
}

static float call_quick_sigmoid(float x)
{
    return assay_quick_sigmoid(x);
}

static void test_quick__tanh_stays_within_its_bound(void **state)
{
    (void)state;
    check_range(call_quick_tanh, tanh, 0, 0x40fccccd, 65537, 6.5);
    check_range(call_quick_tanh, tanh, 0x3c000000, 0x40fccccd, 97, 6.5);
    for (uint64_t bits = 0; bits <= 0x7f800000; bits += 9973) {
        const float x = assay_float_((uint32_t)bits), y = assay_quick_tanh(x);
        assert_true(fabs((double)y - tanh((double)x)) < 4e-7 && y <= 1);
        assert_int_equal(assay_bits_(assay_quick_tanh(-x)), assay_bits_(-y));
    }
}

static void test_quick__sigmoid_stays_within_its_bound(void **state)
{
    (void)state;
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 9973) {
        const float x = assay_float_((uint32_t)bits), y = assay_quick_sigmoid(x);
        if (isnan(x)) {
            assert_true(isnan(y) && isnan(assay_quick_tanh(x)));
            continue;
        }
        assert_true(fabs((double)y - sigmoid((double)x)) <= 3e-7 && y >= 0 && y <= 1);
    }
}

static void test_exp__has_the_right_ends(void **state)
{
    (void)state;
    assert_true(assay_exp(HUGE_VALF) == HUGE_VALF);
    assert_true(assay_exp(-HUGE_VALF) == 0);
    assert_true(assay_exp(3.4e38f) == HUGE_VALF);
    assert_true(assay_exp(-3.4e38f) == 0);
    assert_true(assay_exp(0.0f) == 1 && assay_exp(-0.0f) == 1);
    assert_true(assay_exp(1e-45f) == 1 && assay_exp(-1e-45f) == 1);
    assert_true(assay_exp(88.7228f) < HUGE_VALF); /* log(FLT_MAX) is 88.72284 */
    assert_true(assay_exp(88.72285f) == HUGE_VALF);
    assert_true(assay_exp(-103.97f) == 1.4e-45f); /* the smallest denormal */
    assert_true(assay_exp(-103.98f) == 0);
}

static void test_log__has_the_right_ends(void **state)
{
    (void)state;
    assert_true(assay_log(0.0f) == -HUGE_VALF && assay_log(-0.0f) == -HUGE_VALF);
    assert_true(isnan(assay_log(-1e-45f)) && isnan(assay_log(-2.385f)));
    assert_true(isnan(assay_log(-HUGE_VALF)));
    assert_true(assay_log(HUGE_VALF) == HUGE_VALF);
    assert_true(assay_log(1.0f) == 0);
    assert_true(ulps(assay_log(1.4e-45f), log(0x1p-149)) < 0.9);
    assert_true(ulps(assay_log(0x1.fffffep127f), log(0x1.fffffep127)) < 0.9);
}

static void test_tanh__saturates_and_is_odd(void **state)
{
    (void)state;
    assert_true(assay_tanh(HUGE_VALF) == 1 && assay_tanh(-HUGE_VALF) == -1);
    assert_true(assay_tanh(9.1f) == 1 && assay_tanh(3.4e38f) == 1);
    assert_int_equal(assay_bits_(assay_tanh(0.0f)), 0);
    assert_int_equal(assay_bits_(assay_tanh(-0.0f)), 0x80000000u);
    assert_true(assay_tanh(1e-45f) == 1e-45f && assay_tanh(-1e-39f) == -1e-39f);
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 65537) {
        const float x = assay_float_(bits), y = assay_tanh(x);
        assert_true(y >= 0 && y <= 1);
        assert_int_equal(assay_bits_(assay_tanh(-x)), assay_bits_(-y));
    }
}

static void test_sigmoid__saturates_and_keeps_small_tails(void **state)
{
    (void)state;
    assert_true(assay_sigmoid(HUGE_VALF) == 1 && assay_sigmoid(-HUGE_VALF) <= 7e-39f);
    assert_true(assay_sigmoid(0.0f) == 0.5f && assay_sigmoid(-0.0f) == 0.5f);
    assert_true(assay_sigmoid(40.0f) == 1 && assay_sigmoid(3.4e38f) == 1);
    assert_true(assay_sigmoid(-3.4e38f) <= 7e-39f);
    assert_true(assay_sigmoid(-88.0f) > 0);
    for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 65537) {
        const float x = assay_float_((uint32_t)bits), y = assay_sigmoid(x);
        assert_true(isnan(x) ? isnan(y) : y >= 0 && y <= 1);
    }
}

static void test_all__hand_nan_on(void **state)
{
    static const uint32_t nans[] = { 0x7fc00000u, 0xffc00000u, 0x7f800001u, 0xff800001u,
        0x7fffffffu, 0xffffffffu };
    (void)state;
    for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++) {
        const float x = assay_float_(nans[i]);
        assert_true(isnan(assay_exp(x)) && isnan(assay_log(x)));
        assert_true(isnan(assay_tanh(x)) && isnan(assay_sigmoid(x)));
    }
}

enum { N = 4099 }; /* odd, so that a vectorised loop has a tail */

static void check_loop(function f, const float *x, const float *y)
{
    for (size_t i = 0; i < N; i++) {
        const float one = f(x[i]);
        if (assay_bits_(one) != assay_bits_(y[i])) {
            fail_msg("at %a a loop gives %a, a call %a", (double)x[i], (double)y[i], (double)one);
        }
    }
}

static void test_all__give_a_loop_the_bits_of_single_calls(void **state)
{
    static float x[N], y[N];
    (void)state;
    for (size_t i = 0; i < N; i++) {
        x[i] = ((float)i - 2385.731f) * 0.0437f;
    }
    for (size_t i = 0; i < N; i++) {
        y[i] = assay_exp(x[i]);
    }
    check_loop(call_exp, x, y);
    for (size_t i = 0; i < N; i++) {
        y[i] = assay_tanh(x[i]);
    }
    check_loop(call_tanh, x, y);
    for (size_t i = 0; i < N; i++) {
        y[i] = assay_sigmoid(x[i]);
    }
    check_loop(call_sigmoid, x, y);
    for (size_t i = 0; i < N; i++) {
        y[i] = assay_quick_tanh(x[i]);
    }
    check_loop(call_quick_tanh, x, y);
    for (size_t i = 0; i < N; i++) {
        y[i] = assay_quick_sigmoid(x[i]);
    }
    check_loop(call_quick_sigmoid, x, y);
    for (size_t i = 0; i < N; i++) {
        x[i] = fabsf(x[i]);
    }
    for (size_t i = 0; i < N; i++) {
        y[i] = assay_log(x[i]);
    }
    check_loop(call_log, x, y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp__stays_within_its_bound),
        cmocka_unit_test(test_log__stays_within_its_bound),
        cmocka_unit_test(test_tanh__stays_within_its_bound),
        cmocka_unit_test(test_sigmoid__stays_within_its_bound),
        cmocka_unit_test(test_quick__tanh_stays_within_its_bound),
        cmocka_unit_test(test_quick__sigmoid_stays_within_its_bound),
        cmocka_unit_test(test_exp__has_the_right_ends),
        cmocka_unit_test(test_log__has_the_right_ends),
        cmocka_unit_test(test_tanh__saturates_and_is_odd),
        cmocka_unit_test(test_sigmoid__saturates_and_keeps_small_tails),
        cmocka_unit_test(test_all__hand_nan_on),
        cmocka_unit_test(test_all__give_a_loop_the_bits_of_single_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
