/* lamb against the paper's algorithm in float64 (tests/golden/generate_optimizers2.py), the checks that every
 * optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_lamb__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "lamb");
}

static void test_lamb__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lamb", optimizer_check_chunks);
}

static void test_lamb__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lamb", optimizer_check_resume);
}

static void test_lamb__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lamb", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "lamb", optimizer_check_lr_zero);
}

/* Without decay the first u is the gradient's signs, so that every weight moves by lr |w| / sqrt(n). */
static void test_lamb__first_step_has_the_norm_of_the_weights(void **state)
{
    const float w0[4] = { 1, -2, 4, -10 }, g[4] = { 731.0f, 2.385e-3f, -0.0171f, 11.3f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lamb", "lr=0.02 weight_decay=0 eps=1e-12", w0, 4);
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    for (size_t i = 0; i < 4; i++) {
        /* |w| = 11; some roundings of numbers of the size of w. */
        assert_true(fabsf(o.w[i] - (w0[i] - copysignf(0.02f * 11 / 2, g[i]))) < 2e-6f);
    }
    optimizer_close(&o);
}

/* Zeros, and a tensor whose step is 0, have the ratio 1. */
static void test_lamb__has_no_ratio_where_a_norm_is_zero(void **state)
{
    const float nothing[2] = { 0 }, x[2] = { 2.385f, -0.731f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lamb", "lr=0.5 eps=1e-12", nothing, 2);
    optimizer_update(&o, x, OPTIMIZER_WHOLE);
    assert_true(fabsf(o.w[0] + 0.5f) < 1e-6f && fabsf(o.w[1] - 0.5f) < 1e-6f);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "lamb", "lr=0.5 weight_decay=0", x, 2);
    optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == x[0] && o.w[1] == x[1]);
    optimizer_close(&o);
}

static void test_lamb__leaves_biases_alone(void **state)
{
    const rig_tensor bias = {
        .name = "b", .shape = { .n_dims = 1, .dim = { 2 } }, .role = ASSAY_ROLE_BIAS
    };
    const float w0[2] = { 30, -40 }, g[2] = { 0.6f, 0.8f };
    const float *start = w0, *gradient = g;
    optimizer_harness o;
    (void)state;
    optimizer_open_tensors(
        &o, TEST_BUILD_DIR, "lamb", "lr=0.5 weight_decay=0.731", &bias, 1, &start);
    optimizer_update_tensors(&o, &gradient, OPTIMIZER_WHOLE);
    assert_true(fabsf(o.w[0] - 29.5f) < 1e-5f && fabsf(o.w[1] + 40.5f) < 1e-5f);
    optimizer_close(&o);
}

/* To the bit: what it declares as a special case. */
static void test_lamb__is_adamw_without_its_ratio(void **state)
{
    const float w0[4] = { 2.385f, -0.731f, 0.0171f, 11.3f };
    optimizer_harness lamb, adamw;
    (void)state;
    optimizer_open(&lamb, TEST_BUILD_DIR, "lamb",
        "ratio=0 exclude=0 lr=0.0137 eps=2.3e-3 weight_decay=0.37", w0, 4);
    optimizer_open(
        &adamw, TEST_BUILD_DIR, "adamw", "lr=0.0137 eps=2.3e-3 weight_decay=0.37", w0, 4);
    for (int t = 1; t <= 50; t++) {
        const float x = (float)t;
        const float g[4] = { sinf(x), 3.1f * cosf(1.7f * x), 0.01f / x, -2.3f };
        optimizer_update(&lamb, g, OPTIMIZER_WHOLE);
        optimizer_update(&adamw, g, OPTIMIZER_WHOLE);
        assert_memory_equal(lamb.w, adamw.w, sizeof w0);
    }
    optimizer_close(&lamb);
    optimizer_close(&adamw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lamb__follows_the_paper),
        cmocka_unit_test(test_lamb__does_not_depend_on_chunks),
        cmocka_unit_test(test_lamb__resumes_from_its_slots_alone),
        cmocka_unit_test(test_lamb__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_lamb__first_step_has_the_norm_of_the_weights),
        cmocka_unit_test(test_lamb__has_no_ratio_where_a_norm_is_zero),
        cmocka_unit_test(test_lamb__leaves_biases_alone),
        cmocka_unit_test(test_lamb__is_adamw_without_its_ratio),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
