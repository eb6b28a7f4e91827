/* dense beyond the common ground of test_layers.c: what it declares, the weight that another layer
 * shares transposed, and the precision of the bias gradient over many rows. */
#include "support/golden.h"
#include "support/layer_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WEIGHT, BIAS };

static void open_dense(layer_harness *l, uint64_t in, int64_t units, uint64_t time, uint64_t batch)
{
    layer_open(l, TEST_BUILD_DIR, "dense");
    component_set(&l->rig, "units", (double)units);
    layer_input(l, (assay_shape){ 1, { in } });
    assert_int_equal(layer_plan(l, time, batch), ASSAY_OK);
    fill_numbers(l->x[0], layer_x_size(l, 0), 1);
    for (uint64_t i = 0; i < l->n_param; i++) {
        fill_numbers(l->param[i], layer_param_size(l, i), 2 + i);
    }
    fill_numbers(l->dy, layer_y_size(l), 4);
}

static void transpose(float *a, uint64_t rows, uint64_t cols)
{
    float *copy = malloc(rows * cols * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, a, rows * cols * sizeof *copy);
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            a[j * rows + i] = copy[i * cols + j];
        }
    }
    free(copy);
}

static void test_dense__declares_a_weight_as_pytorch_knows_it(void **state)
{
    layer_harness l;
    (void)state;
    open_dense(&l, 7, 4, 1, 3);
    assert_int_equal(l.n_param, 2);
    assert_string_equal(l.declared[WEIGHT].name, "weight");
    assert_int_equal(l.declared[WEIGHT].shape.n_dims, 2);
    assert_int_equal(l.declared[WEIGHT].shape.dim[0], 7);
    assert_int_equal(l.declared[WEIGHT].shape.dim[1], 4);
    assert_int_equal(l.declared[WEIGHT].role, ASSAY_ROLE_WEIGHT);
    assert_int_equal(l.declared[WEIGHT].layout, ASSAY_LAYOUT_TRANSPOSED);
    assert_int_equal(l.declared[WEIGHT].flags, ASSAY_PARAM_TIE | ASSAY_PARAM_TIE_TRANSPOSED);
    assert_string_equal(l.declared[WEIGHT].init, "glorot_uniform");
    assert_string_equal(l.declared[BIAS].name, "bias");
    assert_int_equal(l.declared[BIAS].shape.dim[0], 4);
    assert_int_equal(l.declared[BIAS].role, ASSAY_ROLE_BIAS);
    assert_string_equal(l.declared[BIAS].init, "zeros");
    assert_true(l.plan.macs == 28);
    layer_close(&l);
}

static void test_dense__without_bias_declares_none(void **state)
{
    layer_harness l;
    (void)state;
    layer_open(&l, TEST_BUILD_DIR, "dense");
    component_set(&l.rig, "units", 3);
    component_set(&l.rig, "bias", 0);
    layer_input(&l, (assay_shape){ 1, { 5 } });
    assert_int_equal(layer_plan(&l, 1, 2), ASSAY_OK);
    assert_int_equal(l.n_param, 1);
    layer_close(&l);
}

static void test_dense__with_a_transposed_weight_is_the_same_map(void **state)
{
    layer_harness plain, tied;
    (void)state;
    for (uint32_t accumulate = 0; accumulate < 2; accumulate++) {
        open_dense(&plain, 7, 4, 3, 5);
        open_dense(&tied, 7, 4, 3, 5);
        transpose(tied.param[WEIGHT], 7, 4);
        tied.transposed[WEIGHT] = 1;
        for (uint64_t i = 0; i < 2; i++) {
            plain.accumulate[i] = tied.accumulate[i] = accumulate;
        }
        layer_forward(&plain);
        layer_forward(&tied);
        layer_backward(&plain);
        layer_backward(&tied);
        transpose(tied.dparam[WEIGHT], 4, 7);
        assert_memory_equal(plain.y, tied.y, 60 * sizeof(float));
        assert_memory_equal(plain.dx[0], tied.dx[0], 105 * sizeof(float));
        assert_memory_equal(plain.dparam[WEIGHT], tied.dparam[WEIGHT], 28 * sizeof(float));
        assert_memory_equal(plain.dparam[BIAS], tied.dparam[BIAS], 4 * sizeof(float));
        layer_close(&plain);
        layer_close(&tied);
    }
}

/* With a sum in float the error would be near 1e-5. */
static void test_dense__sums_the_bias_gradient_in_double(void **state)
{
    const uint64_t rows = 20000;
    layer_harness l;
    double expected[2] = { 0 };
    (void)state;
    open_dense(&l, 1, 2, 4, rows / 4);
    for (uint64_t i = 0; i < 2 * rows; i++) {
        l.dy[i] = 1.0f + 0.1f * l.dy[i];
        expected[i % 2] += (double)l.dy[i];
    }
    layer_forward(&l);
    layer_backward(&l);
    assert_true(norm_relative_error(l.dparam[BIAS], expected, 2) < 1e-7);
    layer_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense__declares_a_weight_as_pytorch_knows_it),
        cmocka_unit_test(test_dense__without_bias_declares_none),
        cmocka_unit_test(test_dense__with_a_transposed_weight_is_the_same_map),
        cmocka_unit_test(test_dense__sums_the_bias_gradient_in_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
