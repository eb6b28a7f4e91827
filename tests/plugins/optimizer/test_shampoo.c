/* shampoo against the papers' algorithm (tests/golden/generate_optimizers3.py), and what is its own: a first step that is the
 * polar factor, badly scaled quadratics. */
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

static void test_shampoo__follows_the_papers(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "shampoo");
}

static void test_shampoo__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "shampoo", optimizer_check_resume);
    optimizer_check_cases(TEST_BUILD_DIR, "shampoo", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "shampoo", optimizer_check_lr_zero);
}

enum { ROWS = 9, COLS = 6, SIZE = ROWS * COLS };

/* (g g^T)^(-1/4) g (g^T g)^(-1/4) = u v^T for g = u s v^T. */
static void test_shampoo__first_step_is_orthogonal(void **state)
{
    const rig_tensor one = { .name = "w", .shape = { 2, { ROWS, COLS } } };
    float w0[SIZE] = { 0 }, g[SIZE], s[COLS], u[SIZE], vt[COLS * COLS];
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    optimizer_harness o;
    error err = { 0 };
    (void)state;
    for (int i = 0; i < SIZE; i++) {
        g[i] = 2.385f * sinf(0.731f * (float)(i * i));
    }
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "shampoo",
        "lr = 1.0; matrix_eps = 1e-5; graft = \"none\";", &one, 1, all_w0);
    optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
    assert_int_equal(linalg_gesdd(ROWS, COLS, o.w, COLS, s, u, COLS, vt, COLS, NULL, &err), OK);
    for (int i = 0; i < COLS; i++) {
        assert_true(fabsf(s[i] - 1) < 1e-3f); /* matrix_eps is that much of the least eigenvalue */
    }
    optimizer_close(&o);
}

/* f = sum_ij a_i b_j w_ij^2 / 2 in turned coordinates: (P w Q), P and Q reflections. Curvatures go from 1e-4 to 1. */
static double quadratic(const float *w, float *g)
{
    double p[ROWS], q[COLS], turned[ROWS][COLS], sum = 0;
    double np = 0, nq = 0;
    for (int i = 0; i < ROWS; i++) {
        p[i] = cos(1.37 * i);
        np += p[i] * p[i] / 2;
    }
    for (int j = 0; j < COLS; j++) {
        q[j] = sin(0.93 * j + 0.317);
        nq += q[j] * q[j] / 2;
    }
    for (int pass = 0; pass < 2; pass++) { /* there, and the gradient back */
        double left[ROWS] = { 0 }, right[COLS] = { 0 };
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < COLS; j++) {
                turned[i][j] = pass ? turned[i][j] : w[i * COLS + j];
                right[j] += p[i] * turned[i][j] / np;
            }
        }
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < COLS; j++) {
                turned[i][j] -= p[i] * right[j];
                left[i] += turned[i][j] * q[j] / nq;
            }
        }
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < COLS; j++) {
                turned[i][j] -= left[i] * q[j];
                const double a = pow(10, -2.0 * i / (ROWS - 1) - 2.0 * j / (COLS - 1));
                sum += pass ? 0 : a * turned[i][j] * turned[i][j] / 2;
                turned[i][j] *= pass ? 1 : a;
                g[i * COLS + j] = (float)turned[i][j];
            }
        }
    }
    return sum;
}

static double loss_after(const char *id, const char *options, int n_updates)
{
    const rig_tensor one = { .name = "w", .shape = { 2, { ROWS, COLS } } };
    float w0[SIZE], g[SIZE];
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    optimizer_harness o;
    for (int i = 0; i < SIZE; i++) {
        w0[i] = 2.385f * cosf(0.731f * (float)i);
    }
    optimizer_open_tensors(&o, TEST_BUILD_DIR, id, options, &one, 1, all_w0);
    const double start = quadratic(o.w, g);
    for (int t = 0; t < n_updates; t++) {
        (void)quadratic(o.w, g);
        optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
    }
    const double end = quadratic(o.w, g);
    optimizer_close(&o);
    return end / start;
}

/* In a bowl whose axes are those of no weight and whose curvatures differ 10,000-fold; the others at rates about their best
 * (numpy in double gives 2e-6, 1.0e-3, 2.4e-3). */
static void test_shampoo__goes_down_badly_scaled_bowls(void **state)
{
    (void)state;
    const double shampoo =
        loss_after("shampoo", "lr = 3.0; every = 1; matrix_eps = 1e-6; graft = \"none\";", 200);
    const double adagrad = loss_after("adagrad", "lr = 1.0;", 200);
    const double sgd = loss_after("sgd", "lr = 1.9;", 200);
    assert_true(shampoo < 1e-5);
    assert_true(shampoo < 0.01 * adagrad);
    assert_true(shampoo < 0.01 * sgd);
}

static void test_shampoo__grafting_gives_its_own_direction_another_length(void **state)
{
    const rig_tensor one = { .name = "w", .shape = { 2, { ROWS, COLS } } };
    float w0[SIZE] = { 0 }, g[SIZE];
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    optimizer_harness plain, grafted;
    double along = 0, a = 0, b = 0, size = 0;
    (void)state;
    for (int i = 0; i < SIZE; i++) {
        g[i] = 2.385f * sinf(0.731f * (float)(i * i));
        size += (double)g[i] * g[i];
    }
    optimizer_open_tensors(&plain, TEST_BUILD_DIR, "shampoo", "graft = \"none\";", &one, 1, all_w0);
    optimizer_open_tensors(
        &grafted, TEST_BUILD_DIR, "shampoo", "graft = \"sgd\"; lr = 0.5;", &one, 1, all_w0);
    optimizer_update_tensors(&plain, all_g, OPTIMIZER_WHOLE);
    optimizer_update_tensors(&grafted, all_g, OPTIMIZER_WHOLE);
    for (int i = 0; i < SIZE; i++) {
        along += (double)plain.w[i] * grafted.w[i];
        a += (double)plain.w[i] * plain.w[i];
        b += (double)grafted.w[i] * grafted.w[i];
    }
    assert_true(along > (1 - 1e-6) * sqrt(a * b));
    assert_true(fabs(sqrt(b) - 0.5 * sqrt(size)) < 1e-5 * sqrt(b));
    optimizer_close(&plain);
    optimizer_close(&grafted);
}

static void test_shampoo__has_matrices_within_max_size_only(void **state)
{
    const rig_tensor all[] = { { .name = "a", .shape = { 2, { 12, 5 } } },
        { .name = "b", .shape = { 2, { 5, 24 } }, .blocks = 3 },
        { .name = "c", .shape = { 1, { 5 } } } };
    const float w0[120] = { 0 };
    const float *const all_w0[] = { w0, w0, w0 };
    optimizer_harness o;
    size_t n = 0;
    (void)state;
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "shampoo", "max_size = 8;", all, 3, all_w0);
    assert_null(optimizer_rig_slot(o.rig, 0, "l", &n));
    assert_non_null(optimizer_rig_slot(o.rig, 0, "r", &n));
    assert_int_equal(n, 5 * 5);
    assert_non_null(optimizer_rig_slot(o.rig, 1, "right_root", &n));
    assert_int_equal(n, 3 * 8 * 8);
    assert_non_null(optimizer_rig_slot(o.rig, 1, "left_root", &n));
    assert_int_equal(n, 3 * 5 * 5);
    assert_null(optimizer_rig_slot(o.rig, 2, "l", &n));
    assert_null(optimizer_rig_slot(o.rig, 2, "r", &n));
    assert_null(optimizer_rig_slot(o.rig, 0, "momentum", &n));
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shampoo__follows_the_papers),
        cmocka_unit_test(test_shampoo__resumes_from_its_slots_alone),
        cmocka_unit_test(test_shampoo__first_step_is_orthogonal),
        cmocka_unit_test(test_shampoo__goes_down_badly_scaled_bowls),
        cmocka_unit_test(test_shampoo__grafting_gives_its_own_direction_another_length),
        cmocka_unit_test(test_shampoo__has_matrices_within_max_size_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
