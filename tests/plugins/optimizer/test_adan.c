/* adan against the paper's equations in float64 (tests/golden/generate_optimizers.py), the checks that every optimizer must
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

static void test_adan__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adan");
}

static void test_adan__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adan", optimizer_check_chunks);
}

static void test_adan__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adan", optimizer_check_resume);
}

static void test_adan__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adan", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adan", optimizer_check_lr_zero);
}

enum { M, V, N, PREVIOUS };

/* Nothing has come before the first gradient, so there is no difference: as in Adam. */
static void test_adan__first_step_is_lr_times_sign(void **state)
{
    const float w0[3] = { 0 }, g[3] = { 1e-4f, -731.0f, 0.0f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adan", "lr=0.0137 eps=1e-12", w0, 3);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], -0.0137, 1e-6);
    check_near((double)o.w[1], 0.0137, 1e-6);
    assert_true(o.w[2] == 0);
    for (size_t i = 0; i < 3; i++) {
        assert_true(o.slot[V][i] == 0 && o.slot[PREVIOUS][i] == g[i]);
    }
    optimizer_close(&o);
}

/* With short memories (beta1 = beta3 = 0) a step is lr (g + beta2 v / (1 - beta2^2)) / |g + beta2 d|, v = (1 - beta2) d. */
static void test_adan__second_step_looks_ahead_by_the_difference(void **state)
{
    const double first = 0.37, second = 1.41, d = second - first, beta2 = 0.73;
    const double ahead = second + beta2 * (1 - beta2) * d / (1 - beta2 * beta2);
    const float w0[1] = { 0 }, g1[1] = { 0.37f }, g2[1] = { 1.41f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adan", "lr=0.0137 beta1=0 beta2=0.73 beta3=0 eps=0", w0, 1);
    optimizer_update(&o, g1, OPTIMIZER_WHOLE);
    const float before = o.w[0];
    optimizer_update(&o, g2, OPTIMIZER_WHOLE);
    check_near((double)before - (double)o.w[0], 0.0137 * ahead / (second + beta2 * d), 1e-6);
    optimizer_close(&o);
}

static void test_adan__has_no_difference_of_a_constant_gradient(void **state)
{
    const float w0[1] = { 0 }, g[1] = { -0.37f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adan", "lr=0.0137 eps=1e-12", w0, 1);
    for (int t = 1; t <= 30; t++) {
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        assert_true(o.slot[V][0] == 0);
        check_near((double)o.w[0], 0.0137 * t, 1e-5);
    }
    optimizer_close(&o);
}

static void test_adan__shrinks_weights_before_or_after_the_step(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { 0 };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adan", "lr=0.25 weight_decay=0.5", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], 2.385 / 1.125, 1e-6);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "adan", "lr=0.25 weight_decay=0.5 proximal=0", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], 2.385 * 0.875, 1e-6);
    optimizer_close(&o);
}

/* As its table of special cases says; the tolerance is that of factors rounded to float. */
static void test_adan__is_adam_where_differences_weigh_nothing(void **state)
{
    (void)state;
    optimizer_check_special_case(TEST_BUILD_DIR, "adan", "lr=0.0137 beta1=0.87 beta2=0 beta3=0.957",
        "adam", "lr=0.0137 beta1=0.87 beta2=0.957", 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adan__follows_the_paper),
        cmocka_unit_test(test_adan__does_not_depend_on_chunks),
        cmocka_unit_test(test_adan__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adan__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adan__first_step_is_lr_times_sign),
        cmocka_unit_test(test_adan__second_step_looks_ahead_by_the_difference),
        cmocka_unit_test(test_adan__has_no_difference_of_a_constant_gradient),
        cmocka_unit_test(test_adan__shrinks_weights_before_or_after_the_step),
        cmocka_unit_test(test_adan__is_adam_where_differences_weigh_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
