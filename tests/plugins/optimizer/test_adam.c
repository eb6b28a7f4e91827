/* adam against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_adam__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adam");
}

static void test_adam__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adam", optimizer_check_chunks);
}

static void test_adam__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adam", optimizer_check_resume);
}

static void test_adam__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adam", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adam", optimizer_check_lr_zero);
}

/* Kingma and Ba 2015, section 5: with beta1 = 0, beta2 -> 1 and lr / sqrt(t), unbiased Adam is Adagrad. */
static void test_adam__becomes_adagrad_in_the_limit(void **state)
{
    const float w0[4] = { 2.385f, -0.731f, 0.0171f, 11.3f };
    optimizer_harness adam, adagrad;
    char lr[64];
    (void)state;
    optimizer_open(&adam, TEST_BUILD_DIR, "adam", "beta1=0 beta2=0.999999999 eps=0", w0, 4);
    optimizer_open(&adagrad, TEST_BUILD_DIR, "adagrad", "lr=0.137 eps=0", w0, 4);
    for (int t = 1; t <= 50; t++) {
        const float x = (float)t;
        const float g[4] = { sinf(x), 3.1f * cosf(1.7f * x), 0.01f / x, -2.3f };
        snprintf(lr, sizeof lr, "lr=%.17g", 0.137 / sqrt((double)t));
        fake_host_set(&adam.host, lr);
        optimizer_update(&adam, g, OPTIMIZER_WHOLE);
        optimizer_update(&adagrad, g, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < 4; i++) {
            /* Some 50 roundings of numbers of the size of w. */
            assert_true(fabsf(adam.w[i] - adagrad.w[i]) <= 2e-6f * (1 + fabsf(adagrad.w[i])));
        }
    }
    optimizer_close(&adam);
    optimizer_close(&adagrad);
}

static void test_adam__first_step_is_lr_times_sign(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.0f }, g[3] = { 1e-4f, -731.0f, 0.0f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adam", "lr=0.0137 eps=1e-12", w0, 3);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(fabsf(o.w[0] - (2.385f - 0.0137f)) < 3e-7f);
    assert_true(fabsf(o.w[1] - (-0.731f + 0.0137f)) < 1e-7f);
    assert_true(o.w[2] == 0);
    optimizer_close(&o);
}

static void test_adam__has_the_maximum_only_with_amsgrad(void **state)
{
    const float w0[1] = { 2.385f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adam", "", w0, 1);
    assert_null(o.slot[2]);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "adam", "amsgrad=1", w0, 1);
    assert_non_null(o.slot[2]);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adam__follows_torch),
        cmocka_unit_test(test_adam__does_not_depend_on_chunks),
        cmocka_unit_test(test_adam__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adam__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adam__becomes_adagrad_in_the_limit),
        cmocka_unit_test(test_adam__first_step_is_lr_times_sign),
        cmocka_unit_test(test_adam__has_the_maximum_only_with_amsgrad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
