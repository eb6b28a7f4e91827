/* Padding and the layers that work row by row: whatever numbers stand behind a sample's last step, the real steps' outputs,
 * their gradients and those of the parameters are the same bits, and the gradient of padding is exactly 0. (Those that look
 * beyond a row are in test_sequences.c, where padding is NaN; here a 0 in dy must meet a number.) */
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

enum { TIME = 4, BATCH = 3 };

static const uint32_t length[BATCH] = { 2, 4, 1 };

static const struct {
    const char *id, *hyper;
    double value;
    uint64_t n_in;
} rows[] = {
    { "dense", "units", 5, 1 },
    { "relu", NULL, 0, 1 },
    { "leaky_relu", NULL, 0, 1 },
    { "elu", NULL, 0, 1 },
    { "gelu", NULL, 0, 1 },
    { "gelu", "approximate", 1, 1 },
    { "silu", NULL, 0, 1 },
    { "tanh", NULL, 0, 1 },
    { "sigmoid", NULL, 0, 1 },
    { "softmax", NULL, 0, 1 },
    { "layer_norm", NULL, 0, 1 },
    { "rms_norm", NULL, 0, 1 },
    { "dropout", "rate", 0.385, 1 },
    { "add", NULL, 0, 2 },
    { "concat", NULL, 0, 3 },
    { "flatten", NULL, 0, 1 },
};

#define N_ROWS (sizeof rows / sizeof rows[0])

static int is_padding(uint64_t row)
{
    return row / BATCH >= length[row % BATCH];
}

/* `garbage` in the padded rows of v[time, batch, width]. */
static void spoil(float *v, uint64_t width, float garbage)
{
    for (uint64_t i = 0; i < TIME * BATCH * width; i++) {
        if (is_padding(i / width)) v[i] = garbage;
    }
}

static uint64_t width_of(const layer_harness *l, uint64_t i)
{
    return assay_shape_size(&l->in_shape[i]);
}

static void run(layer_harness *l, size_t k, float garbage)
{
    layer_open(l, TEST_BUILD_DIR, rows[k].id);
    if (rows[k].hyper) component_set(&l->rig, rows[k].hyper, rows[k].value);
    for (uint64_t i = 0; i < rows[k].n_in; i++) {
        layer_input(l, (assay_shape){ 2, { 3, 2 } });
    }
    assert_int_equal(layer_plan(l, TIME, BATCH), ASSAY_OK);
    assert_int_equal(l->plan.couples_samples, 0);
    l->io.length = length;
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        fill_numbers(l->x[i], layer_x_size(l, i), 5 + i);
        spoil(l->x[i], width_of(l, i), garbage);
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        fill_numbers(l->param[i], layer_param_size(l, i), 15 + i);
    }
    fill_numbers(l->dy, layer_y_size(l), 25);
    spoil(l->dy, assay_shape_size(&l->plan.out), 0);
    layer_forward(l);
    layer_backward(l);
}

/* The real rows of a and b[time, batch, width] are the same bits. */
static void assert_real_rows_equal(const char *id, const float *a, const float *b, uint64_t width)
{
    for (uint64_t i = 0; i < TIME * BATCH; i++) {
        if (is_padding(i)) continue;
        if (memcmp(a + i * width, b + i * width, width * sizeof *a) != 0) {
            fail_msg("%s: row %d depends on padding", id, (int)i);
        }
    }
}

static void assert_padding_is_zero(const char *id, const float *v, uint64_t width)
{
    for (uint64_t i = 0; i < TIME * BATCH * width; i++) {
        if (is_padding(i / width) && v[i] != 0) fail_msg("%s: padding has a gradient", id);
    }
}

static void test_padding__reaches_no_output_and_no_gradient(void **state)
{
    static const float garbage[] = { 23.85f, -731.0f, 6e4f };
    (void)state;
    for (size_t k = 0; k < N_ROWS; k++) {
        layer_harness clean;
        run(&clean, k, 0);
        for (size_t g = 0; g < sizeof garbage / sizeof garbage[0]; g++) {
            layer_harness l;
            const char *id = rows[k].id;
            run(&l, k, garbage[g]);
            assert_real_rows_equal(id, l.y, clean.y, assay_shape_size(&l.plan.out));
            for (uint64_t i = 0; i < l.plan.n_in; i++) {
                assert_real_rows_equal(id, l.dx[i], clean.dx[i], width_of(&l, i));
                assert_padding_is_zero(id, l.dx[i], width_of(&l, i));
            }
            for (uint64_t i = 0; i < l.n_param; i++) {
                assert_memory_equal(
                    l.dparam[i], clean.dparam[i], layer_param_size(&l, i) * sizeof *l.dparam[i]);
            }
            layer_close(&l);
        }
        layer_close(&clean);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padding__reaches_no_output_and_no_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
