/* lars against the paper's algorithm in float64 (tests/golden/generate_optimizers2.py), the checks that every optimizer must
 * pass, and what is its own. */
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_lars__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "lars");
}

static void test_lars__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lars", optimizer_check_chunks);
}

static void test_lars__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lars", optimizer_check_resume);
}

static void test_lars__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "lars", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "lars", optimizer_check_lr_zero);
}

static float moved(const float *w, const float *w0, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += ((double)w[i] - (double)w0[i]) * ((double)w[i] - (double)w0[i]);
    }
    return (float)sqrt(sum);
}

/* Without decay the first step of a tensor is lr eta |w| long, whatever the gradient's size: |w| = 5 here. */
static void test_lars__first_step_is_eta_of_the_norm(void **state)
{
    static const float w0[2] = { 3, -4 }, sizes[] = { 1e-25f, 2.385e-3f, 731.0f, 1e25f };
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(sizes); i++) {
        const float g[2] = { 0.6f * sizes[i], 0.8f * sizes[i] };
        optimizer_harness o;
        optimizer_open(&o, TEST_BUILD_DIR, "lars", "lr=0.5 eta=0.02 weight_decay=0", w0, 2);
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        /* A few roundings of numbers of the size of w. */
        assert_true(fabsf(moved(o.w, w0, 2) - 0.05f) < 1e-6f);
        assert_true(o.w[0] < 3 && o.w[1] < -4);
        optimizer_close(&o);
    }
}

/* A tensor of zeros is updated as if there were no ratio, and so is one with nothing to do. */
static void test_lars__has_no_ratio_where_it_would_be_zero_or_undefined(void **state)
{
    const float nothing[2] = { 0 }, x[2] = { 2.385f, -0.731f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lars", "lr=0.5 weight_decay=0.25", nothing, 2);
    optimizer_update(&o, x, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == -0.5f * x[0] && o.w[1] == -0.5f * x[1]);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "lars", "lr=0.5 weight_decay=0", x, 2);
    optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    assert_true(o.w[0] == x[0] && o.w[1] == x[1]);
    optimizer_close(&o);
}

/* Without a gradient lambda is eta / weight_decay, and weights shrink by lr eta. */
static void test_lars__decays_without_a_gradient(void **state)
{
    const float nothing[2] = { 0 }, x[2] = { 2.385f, -0.731f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lars", "lr=0.5 eta=0.25 weight_decay=0.731", x, 2);
    optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    assert_true(fabsf(o.w[0] - 0.875f * x[0]) < 1e-6f && fabsf(o.w[1] - 0.875f * x[1]) < 1e-6f);
    optimizer_close(&o);
}

/* A bias is neither scaled nor decayed unless `exclude` is off: then it is like a matrix. */
static void test_lars__leaves_biases_alone(void **state)
{
    const rig_tensor bias = {
        .name = "b", .shape = { .n_dims = 1, .dim = { 2 } }, .role = ASSAY_ROLE_BIAS
    };
    const float w0[2] = { 3, -4 }, g[2] = { 0.6f, 0.8f };
    const float *start = w0, *gradient = g;
    optimizer_harness o;
    (void)state;
    optimizer_open_tensors(
        &o, TEST_BUILD_DIR, "lars", "lr=0.5 eta=0.02 weight_decay=0.731", &bias, 1, &start);
    optimizer_update_tensors(&o, &gradient, OPTIMIZER_WHOLE);
    assert_true(fabsf(moved(o.w, w0, 2) - 0.5f) < 1e-6f);
    optimizer_close(&o);
    optimizer_open_tensors(
        &o, TEST_BUILD_DIR, "lars", "lr=0.5 eta=0.02 weight_decay=0 exclude=0", &bias, 1, &start);
    optimizer_update_tensors(&o, &gradient, OPTIMIZER_WHOLE);
    assert_true(fabsf(moved(o.w, w0, 2) - 0.05f) < 1e-6f);
    optimizer_close(&o);
}

/* What it declares as a special case. */
static void test_lars__is_momentum_without_its_ratio(void **state)
{
    const float w0[4] = { 2.385f, -0.731f, 0.0171f, 11.3f };
    optimizer_harness lars, sgd;
    (void)state;
    optimizer_open(&lars, TEST_BUILD_DIR, "lars",
        "ratio=0 exclude=0 lr=0.0137 momentum=0.87 weight_decay=0.37", w0, 4);
    optimizer_open(&sgd, TEST_BUILD_DIR, "sgd", "lr=0.0137 momentum=0.87 weight_decay=0.37", w0, 4);
    for (int t = 1; t <= 50; t++) {
        const float x = (float)t;
        const float g[4] = { sinf(x), 3.1f * cosf(1.7f * x), 0.01f / x, -2.3f };
        optimizer_update(&lars, g, OPTIMIZER_WHOLE);
        optimizer_update(&sgd, g, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < 4; i++) {
            /* Some 50 roundings of numbers of the size of w, each kept for some 1 / 0.13 updates. */
            assert_true(fabsf(lars.w[i] - sgd.w[i]) <= 5e-6f * (1 + fabsf(sgd.w[i])));
        }
    }
    optimizer_close(&lars);
    optimizer_close(&sgd);
}

static void test_lars__remembers_only_with_momentum(void **state)
{
    const float w0[1] = { 2.385f };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "lars", "", w0, 1);
    assert_non_null(o.slot[0]);
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "lars", "momentum=0", w0, 1);
    assert_null(o.slot[0]);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lars__follows_the_paper),
        cmocka_unit_test(test_lars__does_not_depend_on_chunks),
        cmocka_unit_test(test_lars__resumes_from_its_slots_alone),
        cmocka_unit_test(test_lars__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_lars__first_step_is_eta_of_the_norm),
        cmocka_unit_test(test_lars__has_no_ratio_where_it_would_be_zero_or_undefined),
        cmocka_unit_test(test_lars__decays_without_a_gradient),
        cmocka_unit_test(test_lars__leaves_biases_alone),
        cmocka_unit_test(test_lars__is_momentum_without_its_ratio),
        cmocka_unit_test(test_lars__remembers_only_with_momentum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
