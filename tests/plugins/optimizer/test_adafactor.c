/* adafactor against the paper's algorithms in float64 (tests/golden/generate_optimizers2.py), the checks that every
 * optimizer must pass, and what is its own. */
#include "support/optimizer_harness.h"

#include "check/optimizer_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_adafactor__follows_the_paper(void **state)
{
    (void)state;
    optimizer_check_golden(TEST_BUILD_DIR, "adafactor");
}

static void test_adafactor__does_not_depend_on_chunks(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adafactor", optimizer_check_chunks);
}

static void test_adafactor__resumes_from_its_slots_alone(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adafactor", optimizer_check_resume);
}

static void test_adafactor__takes_no_elements_and_lr_zero(void **state)
{
    (void)state;
    optimizer_check_cases(TEST_BUILD_DIR, "adafactor", optimizer_check_empty);
    optimizer_check_cases(TEST_BUILD_DIR, "adafactor", optimizer_check_lr_zero);
}

enum { ROWS = 7, COLS = 23 };

static const rig_tensor matrix = {
    .name = "w", .shape = { .n_dims = 2, .dim = { ROWS, COLS } }, .role = ASSAY_ROLE_WEIGHT
};

static void open_matrix(optimizer_harness *o, const char *options, float *w0)
{
    const float *start = w0;
    for (size_t i = 0; i < (size_t)ROWS * COLS; i++) {
        w0[i] = 0.731f * sinf((float)i);
    }
    optimizer_open_tensors(o, TEST_BUILD_DIR, "adafactor", options, &matrix, 1, &start);
}

/* Squares of rank one are their rows' and columns' means exactly: the step is the sign of the gradient, at every update. */
static void test_adafactor__is_exact_where_squares_have_rank_one(void **state)
{
    float w0[ROWS * COLS], g[ROWS * COLS], before[ROWS * COLS];
    const float *gradient = g;
    optimizer_harness o;
    (void)state;
    open_matrix(&o, "lr=0.0131 relative_step=0 scale_by_weights=0", w0);
    for (size_t i = 0; i < ROWS * COLS; i++) {
        g[i] = powf(0.31f, (float)(i / COLS)) * (0.1f + (float)(i % COLS)) * (i % 3 ? 1 : -1);
    }
    for (int t = 0; t < 12; t++) {
        memcpy(before, o.w, sizeof before);
        optimizer_update_tensors(&o, &gradient, OPTIMIZER_WHOLE);
        for (size_t i = 0; i < ROWS * COLS; i++) {
            /* The size of w's roundings. */
            assert_true(fabsf(before[i] - o.w[i] - copysignf(0.0131f, g[i])) < 5e-7f);
        }
    }
    optimizer_close(&o);
}

/* One large element among small ones: its step, and with it the rms of all, would be far above 1 otherwise. */
static void test_adafactor__keeps_the_rms_of_a_step_within_the_clip(void **state)
{
    float w0[ROWS * COLS], g[ROWS * COLS] = { 0 }, before[ROWS * COLS];
    const float *gradient = g;
    optimizer_harness o;
    double sum = 0;
    (void)state;
    open_matrix(&o, "lr=0.1 clip=0.5 relative_step=0 scale_by_weights=0", w0);
    for (int t = 0; t < 9; t++) {
        for (size_t i = 0; i < ROWS * COLS; i++) {
            g[i] = (t == 8 ? 731.0f : 1.0f) * cosf((float)i);
        }
        memcpy(before, o.w, sizeof before);
        optimizer_update_tensors(&o, &gradient, OPTIMIZER_WHOLE);
    }
    for (size_t i = 0; i < ROWS * COLS; i++) {
        const double d = (double)o.w[i] - (double)before[i];
        sum += d * d;
    }
    assert_true(fabs(sqrt(sum / (ROWS * COLS)) - 0.05) < 1e-6);
    optimizer_close(&o);
}

/* Twice the weights, twice the step; below eps2 it is eps2 that counts. */
static void test_adafactor__moves_in_proportion_to_the_weights(void **state)
{
    const float g[2] = { 0.731f, -0.731f };
    static const float sizes[] = { 2.5f, 5.0f, 1e-3f, 0.0f };
    static const float steps[] = { 0.025f, 0.05f, 5e-3f, 5e-3f };
    (void)state;
    for (size_t i = 0; i < ASSAY_COUNT(sizes); i++) {
        const float w0[2] = { sizes[i], -sizes[i] };
        optimizer_harness o;
        optimizer_open(&o, TEST_BUILD_DIR, "adafactor", "lr=0.01 eps2=0.5", w0, 2);
        optimizer_update(&o, g, OPTIMIZER_WHOLE);
        assert_true(fabsf(w0[0] - o.w[0] - steps[i]) < 1e-6f);
        assert_true(fabsf(w0[1] - o.w[1] + steps[i]) < 1e-6f);
        optimizer_close(&o);
    }
}

/* rows + cols floats for a matrix, as many as it has for a vector, and a mean of steps only where it is asked for. */
static void test_adafactor__remembers_rows_and_columns(void **state)
{
    float w0[ROWS * COLS];
    optimizer_harness o;
    size_t n;
    (void)state;
    open_matrix(&o, "", w0);
    assert_non_null(optimizer_rig_slot(o.rig, 0, "rows", &n));
    assert_int_equal(n, ROWS);
    assert_non_null(optimizer_rig_slot(o.rig, 0, "cols", &n));
    assert_int_equal(n, COLS);
    assert_null(optimizer_rig_slot(o.rig, 0, "m", &n));
    optimizer_close(&o);
    optimizer_open(&o, TEST_BUILD_DIR, "adafactor", "beta1=0.9", w0, ROWS * COLS);
    assert_null(optimizer_rig_slot(o.rig, 0, "rows", &n));
    assert_non_null(optimizer_rig_slot(o.rig, 0, "cols", &n));
    assert_int_equal(n, ROWS * COLS);
    assert_non_null(optimizer_rig_slot(o.rig, 0, "m", &n));
    optimizer_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adafactor__follows_the_paper),
        cmocka_unit_test(test_adafactor__does_not_depend_on_chunks),
        cmocka_unit_test(test_adafactor__resumes_from_its_slots_alone),
        cmocka_unit_test(test_adafactor__takes_no_elements_and_lr_zero),
        cmocka_unit_test(test_adafactor__is_exact_where_squares_have_rank_one),
        cmocka_unit_test(test_adafactor__keeps_the_rms_of_a_step_within_the_clip),
        cmocka_unit_test(test_adafactor__moves_in_proportion_to_the_weights),
        cmocka_unit_test(test_adafactor__remembers_rows_and_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
