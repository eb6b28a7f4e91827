/* sgd against torch's (tests/golden/generate_optimizers.py), the checks that every optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void test_sgd__follows_torch(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "sgd");
}

static void test_sgd__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "sgd", optimizer_check_chunks);
}

static void test_sgd__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "sgd", optimizer_check_resume);
}

static void test_sgd__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "sgd", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "sgd", optimizer_check_lr_zero);
}

static int validate(const char *options, fake_host *h)
{
    const assay_optimizer *ops;
    fake_host_open(h, TEST_BUILD_DIR "/plugins", "optimizer", "sgd");
    fake_host_set(h, options);
    ops = h->component->ops;
    return ops->validate(&h->ctx, h->hyper.bytes);
}

static void test_sgd__refuses_nesterov_without_momentum_or_with_dampening(void **state)
{
    fake_host h;
    (void)state;
    assert_int_equal(validate("nesterov=1 momentum=0.9", &h), ASSAY_OK);
    assert_int_equal(h.n_reports, 0);
    assert_int_equal(validate("nesterov=1", &h), ASSAY_E_INVALID);
    assert_string_equal(h.blamed, "nesterov");
    assert_string_equal(h.message, "needs a momentum above 0");
    assert_int_equal(validate("nesterov=1 momentum=0.9 dampening=0.1", &h), ASSAY_E_INVALID);
    assert_string_equal(h.message, "needs a dampening of 0");
}

/* Nor does a schedule that takes momentum to 0 touch the one that exists. */
static void test_sgd__has_a_velocity_only_with_momentum(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.0171f }, g[3] = { 0.37f, -1.19f, 7.3f };
    (void)state;
    for (int has = 0; has < 2; has++) {
        optimizer_harness o;
        optimizer_open(&o, TEST_BUILD_DIR, "sgd", has ? "lr=0.1 momentum=0.9" : "lr=0.1", w0, 3);
        assert_true((o.slot[0] != NULL) == (has == 1));
        fake_host_set(&o.host, "momentum=0");
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < 3; i++) {
            assert_true(!has || o.slot[0][i] == 0);
            assert_true(o.w[i] == w0[i] - 0.1f * g[i]);
        }
        optimizer_close(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd__follows_torch),
        cmocka_unit_test(test_sgd__does_not_depend_on_chunks),
        cmocka_unit_test(test_sgd__resumes_from_its_slots_alone),
        cmocka_unit_test(test_sgd__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_sgd__refuses_nesterov_without_momentum_or_with_dampening),
        cmocka_unit_test(test_sgd__has_a_velocity_only_with_momentum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
