/* muon against the publications' rule (tests/golden/generate_optimizers3.py), and what is its own: steps that are nearly
 * orthogonal, gates by themselves, no vectors. */
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"
#include "num/linalg.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#undef fail

static void test_muon__follows_the_publications(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "muon");
}

static void test_muon__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "muon", optimizer_check_resume);
    optimizer_check_cases(TEST_BUILD_DIR, "muon", optimizer_check_lr_zero);
}

enum { MOST = 40 };

static void fill(float *x, size_t n, double by)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)(0.731 * sin(by * (double)(i + 1)) + 0.0317 * sin(2.385 * (double)(i * i)));
    }
}

/* s[min(rows, cols)], falling, of the step that one update makes of a matrix [rows, cols] with that gradient. */
static void singular_values_of_a_step(
    const char *options, size_t rows, size_t cols, const float *g, float *s)
{
    static float w0[MOST * MOST], step[MOST * MOST], u[MOST * MOST], vt[MOST * MOST];
    const rig_tensor one = { .name = "w", .shape = { 2, { rows, cols } } };
    const size_t n = rows < cols ? rows : cols;
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    optimizer_harness o;
    error err = { 0 };
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "muon", options, &one, 1, all_w0);
    optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
    memcpy(step, o.w, rows * cols * sizeof *step);
    assert_int_equal(linalg_gesdd(rows, cols, step, cols, s, u, n, vt, cols, NULL, &err), OK);
    optimizer_close(&o);
}

static void test_muon__makes_steps_of_singular_values_near_one(void **state)
{
    static const size_t shapes[][2] = { { 24, 24 }, { 37, 11 }, { 40, 40 }, { 30, 7 } };
    static float g[MOST * MOST];
    float s[MOST], before[MOST], u[MOST * MOST], vt[MOST * MOST], copy[MOST * MOST];
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(shapes); i++) {
        const size_t rows = shapes[i][0], cols = shapes[i][1];
        error err = { 0 };
        fill(g, rows * cols, 1.37 + 0.1 * (double)i);
        for (size_t k = 0; k < cols; k++) { /* no direction is hardly there: cond below 1000 */
            g[k * cols + k] += 2.0f;
        }
        memcpy(copy, g, rows * cols * sizeof *copy);
        assert_int_equal(
            linalg_gesdd(rows, cols, copy, cols, before, u, cols, vt, cols, NULL, &err), OK);
        singular_values_of_a_step("lr = 1.0; momentum = 0.0;", rows, cols, g, s);
        assert_true(before[0] > 1.5f * before[cols - 1]); /* it was not so before */
        assert_true(s[0] < 1.21f);
        assert_true(s[cols - 1] > 0.68f);
    }
}

/* The factor is that of more columns than rows: outputs are columns here. */
static void test_muon__takes_larger_steps_where_outputs_outnumber_inputs(void **state)
{
    static float g[MOST * MOST], turned[MOST * MOST];
    float wide[MOST], tall[MOST];
    (void)state;
    fill(g, 6 * 24, 1.37);
    for (size_t i = 0; i < 6; i++) {
        for (size_t k = 0; k < 24; k++) {
            turned[k * 6 + i] = g[i * 24 + k];
        }
    }
    singular_values_of_a_step("lr = 1.0;", 6, 24, g, wide);
    singular_values_of_a_step("lr = 1.0;", 24, 6, turned, tall);
    for (size_t i = 0; i < 6; i++) {
        assert_true(fabsf(wide[i] - 2 * tall[i]) < 1e-4f * wide[i]);
    }
    singular_values_of_a_step("lr = 1.0; scale = \"rms\";", 6, 24, g, wide);
    singular_values_of_a_step("lr = 1.0; scale = \"rms\";", 24, 6, turned, tall);
    for (size_t i = 0; i < 6; i++) {
        assert_true(fabsf(wide[i] - tall[i]) < 1e-4f * wide[i]);
    }
}

/* The gates of a stacked tensor against matrices of their own. */
static void test_muon__updates_gates_as_matrices_of_their_own(void **state)
{
    enum { ROWS = 7, COLS = 5, BLOCKS = 3, ALL = BLOCKS * COLS };
    const rig_tensor stacked = { .name = "w", .shape = { 2, { ROWS, ALL } }, .blocks = BLOCKS };
    const rig_tensor single = { .name = "w", .shape = { 2, { ROWS, COLS } } };
    float w0[ROWS * ALL], g[ROWS * ALL], own_w0[ROWS * COLS], own_g[ROWS * COLS];
    optimizer_harness o, own;
    const optimizer_settings heavy_ball = optimizer_case_settings("muon", "heavy_ball");
    (void)state;
    fill(w0, ROWS * ALL, 0.571);
    fill(g, ROWS * ALL, 1.931);
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    const float *const own_all_w0[] = { own_w0 }, *const own_all_g[] = { own_g };
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "muon", heavy_ball.text, &stacked, 1, all_w0);
    optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
    for (size_t b = 0; b < BLOCKS; b++) {
        for (size_t i = 0; i < ROWS * COLS; i++) {
            own_w0[i] = w0[i / COLS * ALL + b * COLS + i % COLS];
            own_g[i] = g[i / COLS * ALL + b * COLS + i % COLS];
        }
        optimizer_open_tensors(
            &own, TEST_BUILD_DIR, "muon", heavy_ball.text, &single, 1, own_all_w0);
        optimizer_update_tensors(&own, own_all_g, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < ROWS * COLS; i++) {
            const float got = o.w[i / COLS * ALL + b * COLS + i % COLS];
            assert_true(fabsf(got - own.w[i]) <= 1e-6f); /* products of other strides */
        }
        optimizer_close(&own);
    }
    optimizer_close(&o);
}

static void test_muon__refuses_what_is_no_matrix(void **state)
{
    fake_host h;
    assay_tensor t = { .struct_size = sizeof t, .name = "dense1.bias", .layer = "dense1" };
    (void)state;
    fake_host_open(&h, TEST_BUILD_DIR "/plugins", "optimizer", "muon");
    const assay_optimizer *ops = h.component->ops;
    for (uint64_t n = 1; n <= ASSAY_MAX_DIMS; n++) {
        t.shape.n_dims = n;
        const int code = ops->accept(&h.ctx, h.hyper.bytes, &t);
        assert_int_equal(code, n == 2 ? ASSAY_OK : ASSAY_E_UNSUPPORTED);
    }
    assert_int_equal(h.n_reports, 3);
    assert_string_equal(h.blamed, "");
    assert_string_equal(h.message,
        "is for matrices: let its block match \"dims:2\" and give this tensor to another "
        "optimizer, "
        "such as adamw, in a block of its own");
}

static void test_muon__stays_finite_where_the_gradient_is_zero(void **state)
{
    const rig_tensor one = { .name = "w", .shape = { 2, { 3, 2 } } };
    const float w0[6] = { 2.385f, -0.731f, 0.317f, 1.37f, -0.0571f, 0.93f }, g[6] = { 0 };
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    optimizer_harness o;
    (void)state;
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "muon", "", &one, 1, all_w0);
    optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
    assert_memory_equal(o.w, w0, sizeof w0);
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_muon__follows_the_publications),
        cmocka_unit_test(test_muon__resumes_from_its_slots_alone),
        cmocka_unit_test(test_muon__makes_steps_of_singular_values_near_one),
        cmocka_unit_test(test_muon__takes_larger_steps_where_outputs_outnumber_inputs),
        cmocka_unit_test(test_muon__updates_gates_as_matrices_of_their_own),
        cmocka_unit_test(test_muon__refuses_what_is_no_matrix),
        cmocka_unit_test(test_muon__stays_finite_where_the_gradient_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
