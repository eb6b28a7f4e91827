/* adagrad against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_adagrad__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adagrad");
}

static void test_adagrad__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adagrad", optimizer_check_chunks);
}

static void test_adagrad__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adagrad", optimizer_check_resume);
}

static void test_adagrad__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adagrad", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adagrad", optimizer_check_lr_zero);
}

static void test_adagrad__starts_its_sums_at_the_initial_accumulator(void **state)
{
    const float w0[2] = { 2.385f, -0.731f }, g[2] = { 0, 0.5f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adagrad", "initial_accumulator=0.25", w0, 2);
    optimizer_update(&o, g, 1);
    assert_true(o.slot[0][0] == 0.25f && o.slot[0][1] == 0.5f);
    optimizer_update(&o, g, 1);
    assert_true(o.slot[0][0] == 0.25f && o.slot[0][1] == 0.75f);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adagrad__follows_torch),
        cmocka_unit_test(test_adagrad__does_not_depend_on_chunks),
        cmocka_unit_test(test_adagrad__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adagrad__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adagrad__starts_its_sums_at_the_initial_accumulator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
