/* sam against the papers' equations (tests/golden/generate_optimizers3.py), and what is its own: where it looks, and that it
 * comes back. */
#include "support/valley.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_sam__follows_the_papers(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "sam");
}

static void test_sam__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "sam", optimizer_check_resume);
}

static void test_sam__takes_no_elements(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "sam", optimizer_check_empty);
}

/* The gradient is that at w + rho g / |g|, in the float arithmetic that is written there, and the weights, which an inner
 * optimizer at rest leaves alone, are theirs to the bit. */
static void test_sam__looks_at_the_worst_point_nearby_and_comes_back(void **state)
{
    valley v;
    optimizer_harness o;
    double squares = 0;
    (void)state;
    valley_open(&v, "sam");
    valley_optimizer(
        &v, &o, TEST_BUILD_DIR, "sam", "rho = 0.2385; inner = { type = \"sgd\"; lr = 0.0; };");
    valley_update(&v, &o);
    assert_int_equal(optimizer_rig_n_evaluations(o.rig), 1);
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        for (size_t j = 0; j < v.n[i]; j++) {
            squares += (double)v.g[i][j] * v.g[i][j];
        }
    }
    const float scale = (float)(0.2385 / sqrt(squares));
    double distance = 0;
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        for (size_t j = 0; j < v.n[i]; j++) {
            const float there = v.w0[i][j] + scale * v.g[i][j];
            assert_true(fabsf(v.seen[i][j] - there) <= 0x1p-23f * fabsf(there));
            distance += pow((double)v.seen[i][j] - v.w0[i][j], 2);
        }
        assert_memory_equal(optimizer_rig_weights(o.rig, i), v.w0[i], v.n[i] * sizeof(float));
    }
    assert_true(fabs(sqrt(distance) - 0.2385) < 1e-6);
    optimizer_close(&o);
    valley_close(&v);
}

static void test_sam__adaptive_goes_further_for_larger_weights(void **state)
{
    valley v;
    optimizer_harness o;
    double squares = 0;
    (void)state;
    valley_open(&v, "sam");
    valley_optimizer(&v, &o, TEST_BUILD_DIR, "sam",
        "rho = 0.5; adaptive = true; eta = 0.0; inner = { type = \"sgd\"; lr = 0.0; };");
    valley_update(&v, &o);
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        for (size_t j = 0; j < v.n[i]; j++) {
            const double size = i == 0 ? v.w0[i][j] : 1; /* the second one is a bias */
            squares += pow(size == 0 ? 0 : ((double)v.seen[i][j] - v.w0[i][j]) / size, 2);
        }
    }
    assert_true(fabs(sqrt(squares) - 0.5) < 1e-5); /* |T^-1 e| = rho */
    optimizer_close(&o);
    valley_close(&v);
}

static void test_sam__with_rho_zero_is_its_inner_optimizer(void **state)
{
    valley v;
    optimizer_harness sam, sgd;
    (void)state;
    valley_open(&v, "sam");
    valley_optimizer(&v, &sam, TEST_BUILD_DIR, "sam",
        "rho = 0.0; inner = { type = \"sgd\"; lr = 0.0731; momentum = 0.83; };");
    valley_optimizer(&v, &sgd, TEST_BUILD_DIR, "sgd", "lr = 0.0731; momentum = 0.83;");
    for (int t = 1; t <= 9; t++) {
        valley_update(&v, &sam);
        valley_update(&v, &sgd);
    }
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        assert_memory_equal(optimizer_rig_weights(sam.rig, i), optimizer_rig_weights(sgd.rig, i),
            v.n[i] * sizeof(float));
    }
    optimizer_close(&sam);
    optimizer_close(&sgd);
    valley_close(&v);
}

/* A loss that cannot be had ends the update with the weights where they were. */
static void test_sam__comes_back_where_the_loss_has_failed(void **state)
{
    valley v;
    optimizer_harness o;
    error err = { 0 };
    const float *g[VALLEY_TENSORS];
    const optimizer_settings sgd = optimizer_case_settings("sam", "sgd");
    (void)state;
    valley_open(&v, "sam");
    valley_optimizer(&v, &o, TEST_BUILD_DIR, "sam", sgd.text);
    valley_update(&v, &o);
    float before[VALLEY_MOST];
    memcpy(before, optimizer_rig_weights(o.rig, 0), v.n[0] * sizeof *before);
    for (size_t i = 0; i < VALLEY_TENSORS; i++) {
        g[i] = v.g[i];
    }
    const rig_update failing = {
        .g = g, .objective = valley_loss, .objective_self = &v, .failing_evaluation = 1
    };
    assert_int_equal(optimizer_rig_update(o.rig, &failing, &err), E_NUMERIC);
    assert_memory_equal(optimizer_rig_weights(o.rig, 0), before, v.n[0] * sizeof *before);
    optimizer_close(&o);
    valley_close(&v);
}

static double flat(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh)
{
    (void)evaluation;
    (void)fresh;
    for (size_t i = 0; i < 3; i++) {
        *(double *)self += isfinite(w[0][i]);
        if (g) {
            g[0][i] = 0;
        }
    }
    return 0;
}

static void test_sam__stays_where_the_gradient_is_zero(void **state)
{
    const float w0[3] = { 2.385f, -0.731f, 0.317f }, g[3] = { 0 };
    optimizer_harness o;
    double n_finite = 0;
    const optimizer_settings sgd = optimizer_case_settings("sam", "sgd");
    (void)state;
    optimizer_open(&o, TEST_BUILD_DIR, "sam", sgd.text, w0, 3);
    o.objective = flat;
    o.objective_self = &n_finite;
    optimizer_update(&o, g, OPTIMIZER_WHOLE);
    assert_true(n_finite == 3);
    assert_memory_equal(o.w, w0, sizeof w0);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sam__follows_the_papers),
        cmocka_unit_test(test_sam__resumes_from_its_slots_alone),
        cmocka_unit_test(test_sam__takes_no_elements),
        cmocka_unit_test(test_sam__looks_at_the_worst_point_nearby_and_comes_back),
        cmocka_unit_test(test_sam__adaptive_goes_further_for_larger_weights),
        cmocka_unit_test(test_sam__with_rho_zero_is_its_inner_optimizer),
        cmocka_unit_test(test_sam__comes_back_where_the_loss_has_failed),
        cmocka_unit_test(test_sam__stays_where_the_gradient_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
