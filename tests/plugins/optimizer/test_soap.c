/* soap against the paper's algorithms (tests/golden/generate_optimizers3.py), and what is its own: its bases. */
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail

static void test_soap__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "soap");
}

static void test_soap__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "soap", optimizer_check_resume);
    optimizer_check_cases(TEST_BUILD_DIR, "soap", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "soap", optimizer_check_lr_zero);
    optimizer_check_resume(TEST_BUILD_DIR, "soap", ""); /* both bases of all matrices */
}

enum { ROWS = 12, COLS = 7, SIZE = ROWS * COLS };

static const rig_tensor one = { .name = "w", .shape = { 2, { ROWS, COLS } } };

/* Gradients of a fixed covariance: A x B with x new each time, reproducible. */
static void draw(uint32_t *seed, float *g)
{
    double x[ROWS][COLS], half[ROWS][COLS] = { { 0 } };
    for (int i = 0; i < SIZE; i++) {
        double sum = 0; /* nearly normal */
        for (int k = 0; k < 6; k++) {
            *seed = *seed * 1664525u + 1013904223u;
            sum += (double)(*seed >> 8) / 16777216.0 - 0.5;
        }
        x[i / COLS][i % COLS] = sum * pow(1.5, -(i % COLS)) * pow(1.4, -(i / COLS));
    }
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++) {
            for (int k = 0; k < ROWS; k++) {
                half[i][j] += (cos(0.731 * i * (k + 1)) + (i == k)) * x[k][j];
            }
        }
    }
    for (int i = 0; i < ROWS; i++) {
        for (int j = 0; j < COLS; j++) {
            double sum = 0;
            for (int k = 0; k < COLS; k++) {
                sum += half[i][k] * (sin(1.37 * j * (k + 1)) + (j == k));
            }
            g[i * COLS + j] = (float)sum;
        }
    }
}

/* |Q^T Q - 1|, and the share of Q^T m Q that is off the diagonal. */
static void look_at_basis(
    optimizer_harness *o, const char *basis, const char *sums, int n, double *skew, double *off)
{
    size_t got;
    const float *q = optimizer_rig_slot(o->rig, 0, basis, &got);
    assert_int_equal(got, n * n);
    const float *m = optimizer_rig_slot(o->rig, 0, sums, &got);
    assert_int_equal(got, n * n);
    double outside = 0, all = 0;
    *skew = 0;
    for (int a = 0; a < n; a++) {
        for (int b = 0; b < n; b++) {
            double dot = 0, form = 0;
            for (int i = 0; i < n; i++) {
                dot += (double)q[i * n + a] * q[i * n + b];
                for (int k = 0; k < n; k++) {
                    form += (double)q[i * n + a] * m[i * n + k] * q[k * n + b];
                }
            }
            *skew += pow(dot - (a == b), 2);
            outside += a == b ? 0 : form * form;
            all += form * form;
        }
    }
    *skew = sqrt(*skew);
    *off = sqrt(outside / all);
}

/* One QR step every few updates keeps the bases near the eigenvectors, and orthonormal, however many there are. */
static void test_soap__bases_stay_orthonormal_and_near_the_eigenvectors(void **state)
{
    float w0[SIZE] = { 0 }, g[SIZE];
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    double skew, off;
    optimizer_harness o;
    uint32_t seed = 2385;
    (void)state;
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "soap", "every = 3;", &one, 1, all_w0);
    for (int t = 1; t <= 400; t++) {
        draw(&seed, g);
        optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
        look_at_basis(&o, "left", "l", ROWS, &skew, &off);
        assert_true(skew < 1e-5);
        assert_true(t > 1 || off < 1e-5); /* the first ones are the eigenvectors */
        assert_true(t % 3 != 1 || t < 7 || off < 0.1);
        look_at_basis(&o, "right", "r", COLS, &skew, &off);
        assert_true(skew < 1e-5);
        assert_true(t > 1 || off < 1e-5);
        assert_true(t % 3 != 1 || t < 7 || off < 0.1);
    }
    optimizer_close(&o);
}

static void test_soap__first_update_moves_vectors_alone(void **state)
{
    const rig_tensor both[] = { one, { .name = "b", .shape = { 1, { 5 } } } };
    float w0[SIZE], g[SIZE];
    const float *const all_w0[] = { w0, w0 }, *const all_g[] = { g, g };
    optimizer_harness o;
    uint32_t seed = 731;
    (void)state;
    draw(&seed, w0);
    draw(&seed, g);
    optimizer_open_tensors(&o, TEST_BUILD_DIR, "soap", "", both, 2, all_w0);
    optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
    assert_memory_equal(optimizer_rig_weights(o.rig, 0), w0, sizeof w0);
    for (int i = 0; i < 5; i++) {
        assert_true(optimizer_rig_weights(o.rig, 1)[i] != w0[i]);
    }
    optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
    assert_memory_not_equal(optimizer_rig_weights(o.rig, 0), w0, sizeof w0);
    optimizer_close(&o);
}

static void test_soap__without_bases_is_adamw(void **state)
{
    float w0[SIZE], g[SIZE];
    const float *const all_w0[] = { w0 }, *const all_g[] = { g };
    optimizer_harness o, adamw;
    uint32_t seed = 317;
    (void)state;
    draw(&seed, w0);
    optimizer_open_tensors(
        &o, TEST_BUILD_DIR, "soap", "max_size = 0; lr = 0.0231; beta1 = 0.87;", &one, 1, all_w0);
    optimizer_open_tensors(&adamw, TEST_BUILD_DIR, "adamw",
        "lr = 0.0231; beta1 = 0.87; beta2 = 0.95; weight_decay = 0.01;", &one, 1, all_w0);
    for (int t = 1; t <= 9; t++) {
        draw(&seed, g);
        optimizer_update_tensors(&o, all_g, OPTIMIZER_WHOLE);
        optimizer_update_tensors(&adamw, all_g, OPTIMIZER_WHOLE);
        assert_memory_equal(o.w, adamw.w, sizeof w0);
    }
    optimizer_close(&o);
    optimizer_close(&adamw);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_soap__follows_the_paper),
        cmocka_unit_test(test_soap__resumes_from_its_slots_alone),
        cmocka_unit_test(test_soap__bases_stay_orthonormal_and_near_the_eigenvectors),
        cmocka_unit_test(test_soap__first_update_moves_vectors_alone),
        cmocka_unit_test(test_soap__without_bases_is_adamw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
