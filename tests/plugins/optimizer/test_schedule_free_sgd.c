/* schedule_free_sgd against the paper's three sequences in float64 (tests/golden/generate_optimizers2.py), the checks that every
 * optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_schedule_free_sgd__follows_the_paper_to_its_average(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "schedule_free_sgd");
}

static void test_schedule_free_sgd__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "schedule_free_sgd", optimizer_check_chunks);
}

static void test_schedule_free_sgd__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "schedule_free_sgd", optimizer_check_resume);
}

static void test_schedule_free_sgd__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "schedule_free_sgd", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "schedule_free_sgd", optimizer_check_lr_zero);
}

/* x is the mean of all z so far, each weighed by its squared rate. */
static void test_schedule_free_sgd__averages_what_it_has_stepped_through(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.0171f };
    double sum[3] = { 0 }, weights = 0;
    optimizer_harness o;
    float x[3];
    (void)state;
    optimizer_open(
        &o, TEST_BUILD_DIR, "schedule_free_sgd", "lr=0.1 momentum=0.8 warmup_steps=5", w0, 3);
    for (int t = 1; t <= 40; t++) {
        const double rate = 0.1 * (t < 5 ? t / 5.0 : 1);
        const float g[3] = { sinf((float)t), 3.1f * cosf(1.7f * (float)t), -2.3f };
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        optimizer_eval_weights_at(&o, 0, x);
        weights += rate * rate;
        for (size_t i = 0; i < 3; i++) {
            const float *z = o.slot[0];
            sum[i] += rate * rate * (double)z[i];
            /* Up to 40 roundings of y and z. */
            assert_true(fabs((double)x[i] - sum[i] / weights) < 2e-6 * (1 + fabs((double)x[i])));
            assert_true(fabsf(o.w[i] - (0.2f * z[i] + 0.8f * x[i])) < 2e-6f * (1 + fabsf(x[i])));
        }
    }
    optimizer_close(&o);
}

static void test_schedule_free_sgd__evaluates_at_the_weights_before_the_first_update(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.0171f };
    optimizer_harness o;
    float x[3];
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "schedule_free_sgd", "", w0, 3);
    optimizer_eval_weights_at(&o, 0, x);
    assert_memory_equal(x, w0, sizeof w0);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule_free_sgd__follows_the_paper_to_its_average),
        cmocka_unit_test(test_schedule_free_sgd__does_not_depend_on_chunks),
        cmocka_unit_test(test_schedule_free_sgd__resumes_from_its_slots_alone),
        cmocka_unit_test(test_schedule_free_sgd__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_schedule_free_sgd__averages_what_it_has_stepped_through),
        cmocka_unit_test(test_schedule_free_sgd__evaluates_at_the_weights_before_the_first_update),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
