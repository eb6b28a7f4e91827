/* adadelta against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its
 * own. */
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

static void test_adadelta__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adadelta");
}

static void test_adadelta__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adadelta", optimizer_check_chunks);
}

static void test_adadelta__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adadelta", optimizer_check_resume);
}

static void test_adadelta__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adadelta", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adadelta", optimizer_check_lr_zero);
}

static void test_adadelta__first_step_has_the_size_of_the_root_of_eps(void **state)
{
    const float w0[3] = { 0 }, g[3] = { 73.1f, -731.0f, 0.0f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adadelta", "rho=0.91 eps=1e-6", w0, 3);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], -1e-3 / sqrt(1 - 0.91), 1e-6);
    check_near((double)o.w[1], 1e-3 / sqrt(1 - 0.91), 1e-6);
    assert_true(o.w[2] == 0);
    optimizer_close(&o);
}

/* Zeiler 2012, section 3.2: the step has the weights' unit, whatever that of the gradient is. */
static void test_adadelta__does_not_see_the_scale_of_gradients(void **state)
{
    const float w0[1] = { 0 };
    optimizer_harness plain, scaled;
    (void)state;
    optimizer_open(&plain, TEST_BUILD_DIR, "adadelta", "eps=1e-9", w0, 1);
    optimizer_open(&scaled, TEST_BUILD_DIR, "adadelta", "eps=1e-9", w0, 1);
    for (int t = 1; t <= 60; t++) {
        const float g[1] = { 2.3f + sinf((float)t) }, g_scaled[1] = { 731 * g[0] };
        optimizer_update(&plain, g, OPTIMIZER_WHOLE);
        optimizer_update(&scaled, g_scaled, OPTIMIZER_WHOLE);
        /* eps is 1e-9 of the smallest mean square; some 60 roundings. */
        check_near((double)scaled.w[0], (double)plain.w[0], 1e-5);
    }
    assert_true(plain.w[0] < -1e-3f); /* or this test shows nothing */
    optimizer_close(&plain);
    optimizer_close(&scaled);
}

/* lr scales what is applied; the steps that are remembered are without it, as in torch. */
static void test_adadelta__remembers_steps_without_lr(void **state)
{
    const float w0[1] = { 2.385f }, g[1] = { 0.731f };
    optimizer_harness one, many;
    (void)state;
    optimizer_open(&one, TEST_BUILD_DIR, "adadelta", "lr=1", w0, 1);
    optimizer_open(&many, TEST_BUILD_DIR, "adadelta", "lr=37", w0, 1);
    for (int t = 1; t <= 5; t++) {
        optimizer_update(&one, g, OPTIMIZER_WHOLE);
        optimizer_update(&many, g, OPTIMIZER_WHOLE);
        assert_true(one.slot[1][0] > 0 && one.slot[1][0] == many.slot[1][0]);
    }
    assert_true(many.w[0] < one.w[0]);
    optimizer_close(&one);
    optimizer_close(&many);
}

/* As its table of special cases says; the tolerance is that of factors rounded to float. */
static void test_adadelta__is_sgd_with_a_large_eps(void **state)
{
    (void)state;
    optimizer_check_special_case(TEST_BUILD_DIR, "adadelta",
        "lr=0.0137 eps=1e30 weight_decay=0.0731", "sgd", "lr=0.0137 weight_decay=0.0731", 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adadelta__follows_torch),
        cmocka_unit_test(test_adadelta__does_not_depend_on_chunks),
        cmocka_unit_test(test_adadelta__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adadelta__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adadelta__first_step_has_the_size_of_the_root_of_eps),
        cmocka_unit_test(test_adadelta__does_not_see_the_scale_of_gradients),
        cmocka_unit_test(test_adadelta__remembers_steps_without_lr),
        cmocka_unit_test(test_adadelta__is_sgd_with_a_large_eps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
