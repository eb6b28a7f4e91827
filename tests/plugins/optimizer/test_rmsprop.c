/* rmsprop against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_rmsprop__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "rmsprop");
}

static void test_rmsprop__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "rmsprop", optimizer_check_chunks);
}

static void test_rmsprop__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "rmsprop", optimizer_check_resume);
}

static void test_rmsprop__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "rmsprop", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "rmsprop", optimizer_check_lr_zero);
}

/* The variance of a constant is 0 and may come out a little negative. */
static void test_rmsprop__stays_finite_where_rounding_makes_the_variance_negative(void **state)
{
    enum { N = 64 };
    float w0[N], g[N];
    optimizer_harness o;
    int n_negative = 0;
    (void)state;
    for (size_t i = 0; i < N; i++) {
        w0[i] = 2.385f - (float)i;
        g[i] = 0.731f + 0.0171f * (float)i;
    }
    optimizer_open(&o, TEST_BUILD_DIR, "rmsprop", "lr=1e-9 alpha=0.63 centered=1", w0, N);
    for (int t = 1; t <= 60; t++) {
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < N; i++) {
            n_negative += o.slot[0][i] < o.slot[2][i] * o.slot[2][i];
            assert_true(isfinite(o.w[i]));
        }
    }
    assert_true(n_negative > 0); /* or this test shows nothing */
    optimizer_close(&o);
}

/* Nor does a schedule that takes momentum to 0 touch the one that exists. */
static void test_rmsprop__has_a_velocity_only_with_momentum(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { 0.37f };
    float w[2];
    (void)state;
    for (int has = 0; has < 2; has++) {
        optimizer_harness o;
        optimizer_open(&o, TEST_BUILD_DIR, "rmsprop", has ? "momentum=0.9" : "", w0, 1);
        assert_true((o.slot[1] != NULL) == (has == 1));
        assert_null(o.slot[2]);
        fake_host_set(&o.host, "momentum=0");
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        assert_true(!has || o.slot[1][0] == 0);
        w[has] = o.w[0];
        optimizer_close(&o);
    }
    assert_true(w[0] == w[1] && w[0] != w0[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rmsprop__follows_torch),
        cmocka_unit_test(test_rmsprop__does_not_depend_on_chunks),
        cmocka_unit_test(test_rmsprop__resumes_from_its_slots_alone),
        cmocka_unit_test(test_rmsprop__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_rmsprop__stays_finite_where_rounding_makes_the_variance_negative),
        cmocka_unit_test(test_rmsprop__has_a_velocity_only_with_momentum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
