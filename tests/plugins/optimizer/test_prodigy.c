/* prodigy against the paper's algorithm in float64 (tests/golden/generate_optimizers2.py), the checks that every
 * optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_prodigy__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "prodigy");
}

static void test_prodigy__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "prodigy", optimizer_check_chunks);
}

static void test_prodigy__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "prodigy", optimizer_check_resume);
}

static void test_prodigy__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "prodigy", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "prodigy", optimizer_check_lr_zero);
}

enum { N = 6, D = 0 };

static const float target[N] = { 2.385f, -0.731f, 1.71f, -3.3f, 0.51f, 1.37f };

/* The gradient of a bowl of several widths around `target`. */
static void slope(const float *w, float *g)
{
    for (size_t i = 0; i < N; i++) {
        g[i] = (1 + (float)i) * (w[i] - target[i]);
    }
}

/* From a millionth to the size of the way, without a learning rate, and never down. */
static void test_prodigy__finds_the_size_of_its_steps(void **state)
{
    const float w0[N] = { 0 };
    optimizer_harness o;
    float g[N];
    double before = 1e-6;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "prodigy", "", w0, N);
    for (int t = 0; t < 2000; t++) {
        slope(o.w, g);
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        assert_true(o.global[D] >= before);
        before = o.global[D];
    }
    /* The largest |w - w_0| is 3.3; the estimate is a lower bound of it, up to the weights' shares in |s|_1. */
    assert_true(o.global[D] > 0.1 && o.global[D] <= 3.3);
    for (size_t i = 0; i < N; i++) {
        assert_true(fabsf(o.w[i] - target[i]) < 0.1f);
    }
    optimizer_close(&o);
}

/* Free until d has left d0, then at most by the factor. */
static void test_prodigy__grows_no_faster_than_asked(void **state)
{
    const float w0[N] = { 0 };
    optimizer_harness o;
    float g[N];
    int n_at_limit = 0;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "prodigy", "d0=1e-4 growth_rate=1.125", w0, N);
    for (int t = 0; t < 60; t++) {
        const double before = t ? o.global[D] : 1e-4;
        slope(o.w, g);
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        if (before > 1e-4) {
            assert_true(o.global[D] <= 1.125 * before);
            n_at_limit += o.global[D] == 1.125 * before;
        }
    }
    assert_true(n_at_limit > 10);
    optimizer_close(&o);
}

static void test_prodigy__stays_where_no_gradient_is(void **state)
{
    const float nothing[N] = { 0 };
    optimizer_harness o;
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "prodigy", "", target, N);
    for (int t = 0; t < 3; t++) {
        optimizer_update(&o, nothing, OPTIMIZER_WHOLE);
    }
    assert_memory_equal(o.w, target, sizeof target);
    assert_true(o.global[D] == 1e-6);
    optimizer_close(&o);
}

/* What it declares as a special case. */
static void test_prodigy__is_adamw_where_d_stays_one(void **state)
{
    optimizer_harness prodigy, adamw;
    float g[N];
    (void)state;
    optimizer_open(&prodigy, TEST_BUILD_DIR, "prodigy",
        "lr=0.0137 d0=1 d_coef=0 bias_correction=1 eps=1e-30", target, N);
    optimizer_open(
        &adamw, TEST_BUILD_DIR, "adamw", "lr=0.0137 weight_decay=0 eps=1e-30", target, N);
    for (int t = 1; t <= 50; t++) {
        for (size_t i = 0; i < N; i++) {
            g[i] = sinf((float)t * (1 + 0.7f * (float)i)) / (float)(i + 1);
        }
        optimizer_update(&prodigy, g, OPTIMIZER_WHOLE);
        optimizer_update(&adamw, g, OPTIMIZER_WHOLE);
        assert_true(prodigy.global[D] == 1);
        for (size_t i = 0; i < N; i++) {
            /* Some 50 roundings of numbers of the size of w. */
            assert_true(fabsf(prodigy.w[i] - adamw.w[i]) <= 2e-6f * (1 + fabsf(adamw.w[i])));
        }
    }
    optimizer_close(&prodigy);
    optimizer_close(&adamw);
}

static void test_prodigy__refuses_to_shrink(void **state)
{
    const assay_optimizer *ops;
    fake_host h;
    (void)state;
    fake_host_open(&h, TEST_BUILD_DIR "/plugins", "optimizer", "prodigy");
    ops = h.component->ops;
    fake_host_set(&h, "growth_rate=1");
    assert_int_equal(ops->validate(&h.ctx, h.hyper.bytes), ASSAY_OK);
    fake_host_set(&h, "growth_rate=0.731");
    assert_int_equal(ops->validate(&h.ctx, h.hyper.bytes), ASSAY_E_INVALID);
    assert_string_equal(h.blamed, "growth_rate");
    assert_string_equal(h.message, "must be at least 1, or 0 for no limit");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prodigy__follows_the_paper),
        cmocka_unit_test(test_prodigy__does_not_depend_on_chunks),
        cmocka_unit_test(test_prodigy__resumes_from_its_slots_alone),
        cmocka_unit_test(test_prodigy__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_prodigy__finds_the_size_of_its_steps),
        cmocka_unit_test(test_prodigy__grows_no_faster_than_asked),
        cmocka_unit_test(test_prodigy__stays_where_no_gradient_is),
        cmocka_unit_test(test_prodigy__is_adamw_where_d_stays_one),
        cmocka_unit_test(test_prodigy__refuses_to_shrink),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
