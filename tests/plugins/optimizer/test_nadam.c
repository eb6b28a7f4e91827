/* nadam against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
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

static void test_nadam__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "nadam");
}

static void test_nadam__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "nadam", optimizer_check_chunks);
}

static void test_nadam__resumes_from_its_slots_and_the_groups_product(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "nadam", optimizer_check_resume);
}

static void test_nadam__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "nadam", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "nadam", optimizer_check_lr_zero);
}

static double momentum(double beta1, int t)
{
    return beta1 * (1 - 0.5 * pow(0.96, 0.131 * t));
}

static void test_nadam__first_step_joins_the_gradient_and_its_mean(void **state)
{
    const float w0[2] = { 0 }, g[2] = { 0.37f, -731.0f };
    const double now = momentum(0.9, 1), next = momentum(0.9, 2);
    /* (1 - mu_1) g / (1 - mu_1) + mu_2 (1 - beta1) g / (1 - mu_1 mu_2), over |g| */
    const double want = 0.0137 * (1 + next * (1 - 0.9) / (1 - now * next));
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "nadam", "lr=0.0137 eps=1e-12 momentum_decay=0.131", w0, 2);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    check_near((double)o.w[0], -want, 1e-6);
    check_near((double)o.w[1], want, 1e-6);
    optimizer_close(&o);
}

/* The product is of the coefficients that were used; it is the group's and moves once per update, however many chunks. */
static void test_nadam__multiplies_the_momentum_of_each_update(void **state)
{
    const float w0[5] = { 2.385f }, g[5] = { 0.37f };
    optimizer_harness o;
    double want = 1;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "nadam", "beta1=0.93 momentum_decay=0.131", w0, 5);
    assert_true(o.global[0] == 1);
    for (int t = 1; t <= 9; t++) {
        if (t == 5) {
            fake_host_set(&o.host, "beta1=0.61");
        }
        want *= momentum(t < 5 ? 0.93 : 0.61, t);
        optimizer_update(&o, g, 2);
        check_near(o.global[0], want, 1e-14);
    }
    assert_null(o.slot[2]);
    optimizer_close(&o);
}

/* As its table of special cases says; the tolerance is that of factors rounded to float. */
static void test_nadam__is_adam_without_momentum(void **state)
{
    (void)state;
    optimizer_check_special_case(TEST_BUILD_DIR, "nadam",
        "lr=0.0137 beta1=0 beta2=0.957 weight_decay=0.0731", "adam",
        "lr=0.0137 beta1=0 beta2=0.957 weight_decay=0.0731", 1e-6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nadam__follows_torch),
        cmocka_unit_test(test_nadam__does_not_depend_on_chunks),
        cmocka_unit_test(test_nadam__resumes_from_its_slots_and_the_groups_product),
        cmocka_unit_test(test_nadam__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_nadam__first_step_joins_the_gradient_and_its_mean),
        cmocka_unit_test(test_nadam__multiplies_the_momentum_of_each_update),
        cmocka_unit_test(test_nadam__is_adam_without_momentum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
