/* adagrad against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* The same as in the generator. */
static const optimizer_case cases[] = {
    { "plain", "" },
    { "lr_decay", "lr=0.173 lr_decay=0.0713" },
    { "options",
        "lr=0.0931 lr_decay=0.0131 weight_decay=0.0877 initial_accumulator=0.0419 eps=3.1e-4" },
};

static void test_adagrad__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(
        TEST_BUILD_DIR, TEST_SOURCE_DIR "/tests/golden", "adagrad", cases, ASSAY_COUNT(cases));
}

static void test_adagrad__does_not_depend_on_chunks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(cases); i++) {
        optimizer_check_chunks(TEST_BUILD_DIR, "adagrad", cases[i].options);
    }
}

static void test_adagrad__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(cases); i++) {
        optimizer_check_resume(TEST_BUILD_DIR, "adagrad", cases[i].options);
    }
}

static void test_adagrad__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(cases); i++) {
        optimizer_check_empty(TEST_BUILD_DIR, "adagrad", cases[i].options);
        optimizer_check_lr_zero(TEST_BUILD_DIR, "adagrad", cases[i].options);
    }
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
