/* adabelief against the paper's equations in float64 (tests/golden/generate_optimizers.py), the checks that every optimizer
 * must pass, and what is its own. */
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

static void test_adabelief__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adabelief");
}

static void test_adabelief__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adabelief", optimizer_check_chunks);
}

static void test_adabelief__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adabelief", optimizer_check_resume);
}

static void test_adabelief__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adabelief", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adabelief", optimizer_check_lr_zero);
}

/* m is 0.1 g after the first update, so g is 0.9 g away from it. */
static void test_adabelief__first_step_is_lr_over_beta1(void **state)
{
    const float w0[3] = { 0 }, g[3] = { 1e-3f, -731.0f, 0.0f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adabelief", "lr=0.0137 eps=1e-20", w0, 3);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], -0.0137 / 0.9, 1e-6);
    check_near((double)o.w[1], 0.0137 / 0.9, 1e-6);
    assert_true(o.w[2] == 0);
    optimizer_close(&o);
}

/* Where gradients agree it takes long steps, where they alternate it takes short ones; Adam's are lr and almost 0. */
static void test_adabelief__goes_far_where_gradients_agree(void **state)
{
    const float w0[2] = { 0 };
    optimizer_harness o;
    float before[2];
    (void)state;
    optimizer_open(
        &o, TEST_BUILD_DIR, "adabelief", "lr=0.0137 beta1=0.9 beta2=0.9 eps=1e-12", w0, 2);
    for (int t = 1; t <= 200; t++) {
        const float g[2] = { 0.731f, t % 2 ? 0.731f : -0.731f };
        before[0] = o.w[0];
        before[1] = o.w[1];
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
    }
    assert_true(before[0] - o.w[0] > 100 * 0.0137f);
    /* m swings to +-0.1 / 1.9 of g, and g is 1.8 / 1.9 of itself away from it. */
    check_near(fabs((double)o.w[1] - (double)before[1]), 0.0137 / 18, 1e-4);
    optimizer_close(&o);
}

static void test_adabelief__adds_eps_at_every_update(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { 0 };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adabelief", "beta2=0.5 eps=0.25", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.slot[1][0] == 0.25f);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.slot[1][0] == 0.375f);
    assert_true(o.w[0] == 2.385f);
    optimizer_close(&o);
}

static void test_adabelief__decays_weights_apart_or_through_the_gradient(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { 0 };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adabelief", "lr=0.25 weight_decay=0.5", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == 2.385f * 0.875f);
    assert_true(o.slot[0][0] == 0);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "adabelief", "lr=0.25 weight_decay=0.5 decoupled=0", w0, 1);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], 2.385 - 0.25 / 0.9, 1e-6);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adabelief__follows_the_paper),
        cmocka_unit_test(test_adabelief__does_not_depend_on_chunks),
        cmocka_unit_test(test_adabelief__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adabelief__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adabelief__first_step_is_lr_over_beta1),
        cmocka_unit_test(test_adabelief__goes_far_where_gradients_agree),
        cmocka_unit_test(test_adabelief__adds_eps_at_every_update),
        cmocka_unit_test(test_adabelief__decays_weights_apart_or_through_the_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
