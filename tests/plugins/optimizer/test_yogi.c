/* yogi against the paper's equations in float64 (tests/golden/generate_optimizers.py), the checks that every optimizer must
 * pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void check_near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want))) {
        fail_msg("got %.9g, expected %.9g", got, want);
    }
}

static void test_yogi__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "yogi");
}

static void test_yogi__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "yogi", optimizer_check_chunks);
}

static void test_yogi__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "yogi", optimizer_check_resume);
}

static void test_yogi__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "yogi", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "yogi", optimizer_check_lr_zero);
}

enum { M, V };

/* By (1 - beta2) g^2, towards g^2; Adam's v moves by (1 - beta2) (g^2 - v). */
static void test_yogi__moves_v_by_a_share_of_the_square(void **state)
{
    const float w0[4] = { 0 }, g[4] = { 1, -0.25f, 0.5f, 0 };
    const float want[4] = { 0.25f + 0.125f, 0.25f - 0.0078125f, 0.25f, 0.25f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "yogi", "beta2=0.875 initial_accumulator=0.25", w0, 4);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    for (size_t i = 0; i < 4; i++) {
        assert_true(o.slot[V][i] == want[i]);
    }
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.slot[V][0] == 0.5f && o.slot[V][3] == 0.25f); /* it starts there once */
    optimizer_close(&o);
}

/* After a large gradient Adam's v halves in 693 updates of small ones; Yogi's hardly moves. */
static void test_yogi__does_not_forget_large_gradients(void **state)
{
    const float w0[1] = { 0 }, large[1] = { 73.1f }, small[1] = { 0.2385f };
    optimizer_harness yogi, adam;
    (void)state;
    optimizer_open(&yogi, TEST_BUILD_DIR, "yogi", "", w0, 1);
    optimizer_open(&adam, TEST_BUILD_DIR, "adam", "", w0, 1);
    optimizer_update(&yogi, large, OPTIMIZER_WHOLE);
    optimizer_update(&adam, large, OPTIMIZER_WHOLE);
    const float yogi_v = yogi.slot[V][0], adam_v = adam.slot[V][0];
    for (int i = 0; i < 693; i++) {
        optimizer_update(&yogi, small, OPTIMIZER_WHOLE);
        optimizer_update(&adam, small, OPTIMIZER_WHOLE);
    }
    assert_true(adam.slot[V][0] < 0.51f * adam_v);
    /* Every update rounds v = 5.3 to 2^-22, which is at most 0.0042 of what it takes off. */
    check_near((double)yogi_v - (double)yogi.slot[V][0], 693 * 1e-3 * 0.2385 * 0.2385, 0.0043);
    optimizer_close(&yogi);
    optimizer_close(&adam);
}

/* Adam's first step is lr, but for the share of v that was there before; the paper's is as much longer as v is too small. */
static void test_yogi__starts_as_adam_with_the_bias_corrected(void **state)
{
    const float w0[1] = { 0 }, g[1] = { -0.731f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "yogi", "", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], 0.01 * 0.731 / (sqrt(1e-3 + 0.731 * 0.731) + 1e-3), 1e-6);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "yogi", "bias_correction=0", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], 0.01 * 0.0731 / (sqrt(1e-6 + 1e-3 * 0.731 * 0.731) + 1e-3), 1e-6);
    optimizer_close(&o);
}

static void test_yogi__does_not_take_a_nan_for_a_sign(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { NAN };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "yogi", "", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(isnan(o.slot[V][0]) && isnan(o.w[0]));
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yogi__follows_the_paper),
        cmocka_unit_test(test_yogi__does_not_depend_on_chunks),
        cmocka_unit_test(test_yogi__resumes_from_its_slots_alone),
        cmocka_unit_test(test_yogi__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_yogi__moves_v_by_a_share_of_the_square),
        cmocka_unit_test(test_yogi__does_not_forget_large_gradients),
        cmocka_unit_test(test_yogi__starts_as_adam_with_the_bias_corrected),
        cmocka_unit_test(test_yogi__does_not_take_a_nan_for_a_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
