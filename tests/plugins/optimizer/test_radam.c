/* radam against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
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

static void test_radam__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "radam");
}

static void test_radam__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "radam", optimizer_check_chunks);
}

static void test_radam__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "radam", optimizer_check_resume);
}

static void test_radam__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "radam", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "radam", optimizer_check_lr_zero);
}

/* A constant gradient g: without the root every step is lr g, with it lr r. r_6 and r_7 for beta2 = 0.999 were computed apart from
 * this program, with the paper's formula: rho_5 = 4.9960, rho_6 = 5.9942. */
static void test_radam__lets_the_root_in_at_the_sixth_update(void **state)
{
    static const double steps[] = { 2.3, 2.3, 2.3, 2.3, 2.3, 0.02582111280185855,
        0.032738814409964026 };
    const float w0[2] = { 0 }, g[2] = { 2.3f, -2.3f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "radam", "lr=0.0137 eps=1e-12", w0, 2);
    for (size_t i = 0; i < ASSAY_COUNT(steps); i++) {
        const float before = o.w[0];
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        /* w is at most 0.16 and rounded to 2^-27; the smallest step is 3.5e-4. */
        check_near((double)before - (double)o.w[0], 0.0137 * steps[i], 5e-5);
        assert_true(o.w[1] == -o.w[0]);
    }
    optimizer_close(&o);
}

/* 2 / (1 - beta2) - 1 <= 5: no update sees enough gradients. */
static void test_radam__never_takes_the_root_with_a_short_memory(void **state)
{
    const float w0[1] = { 0 }, g[1] = { 2.3f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "radam", "lr=0.0137 beta2=0.66", w0, 1);
    for (int t = 1; t <= 200; t++) {
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
    }
    check_near((double)o.w[0], -200 * 0.0137 * 2.3, 1e-5);
    optimizer_close(&o);
}

/* beta^t is 0 to the bit after a while, and the factor 1: Adam's step, which is lr for a constant gradient. */
static void test_radam__ends_as_adam(void **state)
{
    const float w0[1] = { 0 }, g[1] = { 2.3f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "radam", "lr=0.0137 beta2=0.9", w0, 1);
    for (int t = 1; t <= 1000; t++) {
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
    }
    const float before = o.w[0];
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)before - (double)o.w[0], 0.0137, 1e-4); /* w is -13.7, rounded to 2^-21 */
    optimizer_close(&o);
}

/* As its table of special cases says; the tolerance is that of factors rounded to float. */
static void test_radam__is_sgd_with_no_memory(void **state)
{
    (void)state;
    optimizer_check_special_case(TEST_BUILD_DIR, "radam",
        "lr=0.0137 beta1=0 beta2=0.5 weight_decay=0.0731", "sgd", "lr=0.0137 weight_decay=0.0731",
        1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_radam__follows_torch),
        cmocka_unit_test(test_radam__does_not_depend_on_chunks),
        cmocka_unit_test(test_radam__resumes_from_its_slots_alone),
        cmocka_unit_test(test_radam__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_radam__lets_the_root_in_at_the_sixth_update),
        cmocka_unit_test(test_radam__never_takes_the_root_with_a_short_memory),
        cmocka_unit_test(test_radam__ends_as_adam),
        cmocka_unit_test(test_radam__is_sgd_with_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
