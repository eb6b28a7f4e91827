/* adamw against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_adamw__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adamw");
}

static void test_adamw__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adamw", optimizer_check_chunks);
}

static void test_adamw__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adamw", optimizer_check_resume);
}

static void test_adamw__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adamw", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adamw", optimizer_check_lr_zero);
}

static void test_adamw__is_adam_without_decay(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.0171f };
    optimizer_harness adam, adamw;
    (void)state;
    optimizer_open(&adam, TEST_BUILD_DIR, "adam", "", w0, 3);
    optimizer_open(&adamw, TEST_BUILD_DIR, "adamw", "weight_decay=0", w0, 3);
    for (int t = 1; t <= 20; t++) {
        const float g[3] = { sinf((float)t), 0.031f, -7.1f / (float)t };
        optimizer_update(&adam, g, OPTIMIZER_WHOLE);
        optimizer_update(&adamw, g, OPTIMIZER_WHOLE);
    }
    assert_memory_equal(adam.w, adamw.w, sizeof w0);
    optimizer_close(&adam);
    optimizer_close(&adamw);
}

static void test_adamw__shrinks_by_lr_times_decay_without_a_gradient(void **state)
{
    const float w0[2] = { 2.385f, -0.731f }, g[2] = { 0, 0 };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "adamw", "lr=0.1 weight_decay=0.3", w0, 2);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == 0.97f * w0[0] && o.w[1] == 0.97f * w0[1]);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adamw__follows_torch),
        cmocka_unit_test(test_adamw__does_not_depend_on_chunks),
        cmocka_unit_test(test_adamw__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adamw__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adamw__is_adam_without_decay),
        cmocka_unit_test(test_adamw__shrinks_by_lr_times_decay_without_a_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
