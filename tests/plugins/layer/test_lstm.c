/* lstm alone: the first bias of its forget gate, and the weights of gates that are switched off. */
#include "support/layer_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { W, U, BIAS, PEEPHOLE };

static void open_lstm(layer_harness *l, const char *off, double forget_bias)
{
    layer_open(l, TEST_BUILD_DIR, "lstm");
    component_set(&l->rig, "units", 5);
    component_set(&l->rig, "peepholes", 1);
    component_set(&l->rig, "forget_bias", forget_bias);
    if (off) component_set(&l->rig, off, 0);
    layer_input(l, (assay_shape){ 1, { 3 } });
    assert_int_equal(layer_plan(l, 4, 2), ASSAY_OK);
}

static void test_lstm__raises_the_first_bias_of_the_forget_gate(void **state)
{
    static const char *const off[] = { NULL, "input_gate", "forget_gate", "output_gate" };
    static const double expected[4][4] = { { 0, 2.385 }, { 2.385 }, { 0 }, { 0, 2.385 } };
    (void)state;
    for (int i = 0; i < 4; i++) {
        layer_harness l;
        open_lstm(&l, off[i], 2.385);
        const uint64_t gates = off[i] ? 3 : 4;
        assert_int_equal(l.n_param, 4);
        assert_int_equal(l.declared[W].shape.dim[1], gates * 5);
        assert_int_equal(l.declared[U].shape.dim[1], gates * 5);
        assert_int_equal(l.declared[U].blocks, gates);
        assert_int_equal(l.declared[BIAS].shape.dim[0], gates * 5);
        assert_int_equal(l.declared[PEEPHOLE].shape.dim[0], (gates - 1) * 5);
        assert_int_equal(l.declared[PEEPHOLE].blocks, gates - 1);
        assert_string_equal(l.declared[PEEPHOLE].name, "peephole");
        assert_string_equal(l.declared[PEEPHOLE].init, "zeros");
        for (uint64_t k = 0; k < gates; k++) {
            assert_true(l.declared[BIAS].init_shift[k] == expected[i][k]);
        }
        assert_null(l.declared[W].init_shift);
        assert_null(l.declared[PEEPHOLE].init_shift);
        layer_close(&l);
    }
}

static void test_lstm__raises_one_of_two_biases(void **state)
{
    layer_harness l;
    (void)state;
    layer_open(&l, TEST_BUILD_DIR, "lstm");
    component_set(&l.rig, "units", 5);
    component_set(&l.rig, "bias", 1);
    layer_input(&l, (assay_shape){ 1, { 3 } });
    assert_int_equal(layer_plan(&l, 4, 2), ASSAY_OK);
    assert_true(l.declared[BIAS].init_shift[1] == 1);
    assert_true(l.declared[BIAS + 1].init_shift[1] == 0);
    layer_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lstm__raises_the_first_bias_of_the_forget_gate),
        cmocka_unit_test(test_lstm__raises_one_of_two_biases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
