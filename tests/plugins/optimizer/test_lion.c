/* lion against the paper's equations in float64 (tests/golden/generate_optimizers.py), the checks that every optimizer must
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

static void test_lion__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "lion");
}

static void test_lion__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lion", optimizer_check_chunks);
}

static void test_lion__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lion", optimizer_check_resume);
}

static void test_lion__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lion", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "lion", optimizer_check_lr_zero);
}

static void test_lion__moves_every_weight_by_lr(void **state)
{
    const float w0[5] = { 0 }, g[5] = { 1e-30f, -731.0f, 0.0f, -0.0f, 0.37f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lion", "lr=0.0137", w0, 5);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == -0.0137f && o.w[1] == 0.0137f && o.w[4] == -0.0137f);
    assert_true(o.w[2] == 0 && o.w[3] == 0);
    optimizer_close(&o);
}

/* The step sees the gradient with 1 - beta1 = 0.1, the momentum takes up 1 - beta2 = 0.01 of it. */
static void test_lion__steps_by_one_mean_and_keeps_another(void **state)
{
    const float w0[2] = { 0 }, first[2] = { 1, 1 }, second[2] = { -0.08f, -0.1f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lion", "lr=0.25", w0, 2);
    optimizer_update(&o, first, OPTIMIZER_WHOLE);
    check_near((double)o.slot[0][0], 0.01, 1e-6);
    optimizer_update(&o, second, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == -0.5f); /* 0.9 0.01 - 0.1 0.08 > 0: on in the old direction */
    assert_true(o.w[1] == 0); /* 0.9 0.01 - 0.1 0.1 < 0: back */
    check_near((double)o.slot[0][1], 0.99 * 0.01 - 0.01 * 0.1, 1e-6);
    optimizer_close(&o);
}

static void test_lion__shrinks_weights_by_lr_times_weight_decay(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { 0 };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lion", "lr=0.25 weight_decay=0.5", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == 0.875f * 2.385f);
    optimizer_close(&o);
}

static void test_lion__does_not_take_a_nan_for_a_sign(void **state)
{
    const float w0[2] = { 2.385f, 2.385f }, g[2] = { NAN, -NAN };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lion", "", w0, 2);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(isnan(o.w[0]) && isnan(o.w[1]));
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lion__follows_the_paper),
        cmocka_unit_test(test_lion__does_not_depend_on_chunks),
        cmocka_unit_test(test_lion__resumes_from_its_slots_alone),
        cmocka_unit_test(test_lion__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_lion__moves_every_weight_by_lr),
        cmocka_unit_test(test_lion__steps_by_one_mean_and_keeps_another),
        cmocka_unit_test(test_lion__shrinks_weights_by_lr_times_weight_decay),
        cmocka_unit_test(test_lion__does_not_take_a_nan_for_a_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
