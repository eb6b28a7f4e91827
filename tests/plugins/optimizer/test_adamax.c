/* adamax against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
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

static void test_adamax__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adamax");
}

static void test_adamax__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adamax", optimizer_check_chunks);
}

static void test_adamax__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adamax", optimizer_check_resume);
}

static void test_adamax__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adamax", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adamax", optimizer_check_lr_zero);
}

static void test_adamax__first_step_is_lr_times_sign(void **state)
{
    const float w0[3] = { 0 }, g[3] = { 1e-4f, -731.0f, 0.0f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adamax", "lr=0.0137 eps=1e-12", w0, 3);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], -0.0137, 1e-6);
    check_near((double)o.w[1], 0.0137, 1e-6);
    assert_true(o.w[2] == 0);
    optimizer_close(&o);
}

/* Unlike a mean square, the maximum is a gradient's own size, whatever came before it. */
static void test_adamax__holds_the_largest_gradient_as_it_decays(void **state)
{
    const float w0[1] = { 2.385f }, small[1] = { 0.0171f }, large[1] = { -7.31f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adamax", "beta2=0.5 eps=0", w0, 1);
    optimizer_update(&o, small, OPTIMIZER_WHOLE);
    assert_true(o.slot[1][0] == 0.0171f);
    optimizer_update(&o, large, OPTIMIZER_WHOLE);
    assert_true(o.slot[1][0] == 7.31f);
    for (int i = 1; i <= 8; i++) {
        optimizer_update(&o, small, OPTIMIZER_WHOLE);
        assert_true(o.slot[1][0] == ldexpf(7.31f, -i)); /* 0.0286 in the end */
    }
    optimizer_update(&o, small, OPTIMIZER_WHOLE);
    assert_true(o.slot[1][0] == 0.0171f);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamax__follows_torch),
        cmocka_unit_test(test_adamax__does_not_depend_on_chunks),
        cmocka_unit_test(test_adamax__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adamax__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adamax__first_step_is_lr_times_sign),
        cmocka_unit_test(test_adamax__holds_the_largest_gradient_as_it_decays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
