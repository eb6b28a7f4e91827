/* lstm, gru and rnn beside PyTorch's: outputs, carried states and all gradients of golden files
 * (tests/golden/generate_recurrent.py), which were computed in double. */
#include "support/golden.h"
#include "support/layer_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* The rounding of some twenty sums of products in float, relative in the 2-norm. */
#define BAR 2e-6

typedef struct recurrent_case {
    const char *id, *name; /* the component; the prefix in the file, before the variant */
    const char *hyper; /* set to 1; NULL: none */
} recurrent_case;

static const recurrent_case cases[] = {
    { "lstm", "lstm", NULL },
    { "gru", "gru", "reset" },
    { "rnn", "rnn", NULL },
    { "rnn", "rnn_relu", "activation" },
};

static const char *const variants[] = { "", "_lengths", "_carry", "_carry_lengths", "_both",
    "_both_lengths" };

static const char *key(const char *prefix, const char *tensor)
{
    static char text[128];
    snprintf(text, sizeof text, "%s.%s", prefix, tensor);
    return text;
}

static void put(float *out, const golden *file, const char *name, uint64_t size)
{
    size_t n = 0;
    const float *in = golden_f32(file, name, &n);
    assert_int_equal(n, size);
    memcpy(out, in, n * sizeof *out);
}

static void compare(const float *got, const golden *file, const char *name, uint64_t size)
{
    size_t n = 0;
    const double *expected = golden_f64(file, name, &n);
    assert_int_equal(n, size);
    const double error = norm_relative_error(got, expected, n);
    if (!(error < BAR)) print_error("%s: off by %.3g\n", name, error);
    assert_true(error < BAR);
}

static void load(layer_harness *l, const golden *file, const char *prefix)
{
    char name[64];
    put(l->x[0], file, key(prefix, "x"), layer_x_size(l, 0));
    put(l->dy, file, key(prefix, "dy"), layer_y_size(l));
    for (uint64_t i = 0; i < l->n_param; i++) {
        put(l->param[i], file, key(prefix, l->declared[i].name), layer_param_size(l, i));
    }
    if (golden_has(file, key(prefix, "h_first"))) {
        layer_carry(l, 1);
        for (uint64_t i = 0; i < l->n_carry; i++) {
            snprintf(name, sizeof name, "%s_first", l->carry_name[i]);
            put(l->carry_in[i], file, key(prefix, name), layer_carry_size(l, i));
            snprintf(name, sizeof name, "d%s_last", l->carry_name[i]);
            put(l->dcarry_out[i], file, key(prefix, name), layer_carry_size(l, i));
        }
    }
    if (golden_has(file, key(prefix, "length"))) {
        l->io.length =
            (const uint32_t *)(const void *)golden_i32(file, key(prefix, "length"), NULL);
    }
}

/* PyTorch's outputs for padding are 0; what ours are is nobody's business. */
static void clear_padding(layer_harness *l)
{
    const uint64_t n = assay_shape_size(&l->plan.out);
    for (uint64_t row = 0; l->io.length && row < l->io.time * l->io.batch; row++) {
        if (row / l->io.batch < l->io.length[row % l->io.batch]) continue;
        memset(l->y + row * n, 0, n * sizeof(float));
    }
}

static void check(layer_harness *l, const golden *file, const char *prefix)
{
    char name[64];
    layer_forward(l);
    layer_backward(l);
    clear_padding(l);
    compare(l->y, file, key(prefix, "y"), layer_y_size(l));
    compare(l->dx[0], file, key(prefix, "dx"), layer_x_size(l, 0));
    for (uint64_t i = 0; i < l->n_param; i++) {
        snprintf(name, sizeof name, "d%s", l->declared[i].name);
        compare(l->dparam[i], file, key(prefix, name), layer_param_size(l, i));
    }
    for (uint64_t i = 0; l->carry_in[0] && i < l->n_carry; i++) {
        snprintf(name, sizeof name, "%s_last", l->carry_name[i]);
        compare(l->carry_out[i], file, key(prefix, name), layer_carry_size(l, i));
        snprintf(name, sizeof name, "d%s_first", l->carry_name[i]);
        compare(l->dcarry_in[i], file, key(prefix, name), layer_carry_size(l, i));
    }
}

static void run_case(const golden *file, const recurrent_case *k, const char *variant)
{
    layer_harness l;
    char prefix[64];
    size_t dim[8] = { 0 }, units[8] = { 0 };
    snprintf(prefix, sizeof prefix, "%s%s", k->name, variant);
    golden_shape(file, key(prefix, "x"), dim);
    golden_shape(file, key(prefix, "recurrent"), units);
    layer_open(&l, TEST_BUILD_DIR, k->id);
    component_set(&l.rig, "units", (double)units[0]);
    component_set(&l.rig, "bias", 1);
    component_set(&l.rig, "bidirectional", strncmp(variant, "_both", 5) == 0);
    if (k->hyper) component_set(&l.rig, k->hyper, 1);
    layer_input(&l, (assay_shape){ 1, { dim[2] } });
    assert_int_equal(layer_plan(&l, dim[0], dim[1]), ASSAY_OK);
    load(&l, file, prefix);
    check(&l, file, prefix);
    layer_close(&l);
}

static void run_cases(const char *id)
{
    golden *file = golden_open("recurrent_values");
    int n = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].id, id) != 0) continue;
        for (size_t j = 0; j < sizeof variants / sizeof variants[0]; j++, n++) {
            run_case(file, &cases[i], variants[j]);
        }
    }
    assert_true(n > 0);
    golden_close(file);
}

static void test_recurrent_values__lstm_is_that_of_pytorch(void **state)
{
    (void)state;
    run_cases("lstm");
}

static void test_recurrent_values__gru_is_that_of_pytorch(void **state)
{
    (void)state;
    run_cases("gru");
}

static void test_recurrent_values__rnn_is_that_of_pytorch(void **state)
{
    (void)state;
    run_cases("rnn");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recurrent_values__lstm_is_that_of_pytorch),
        cmocka_unit_test(test_recurrent_values__gru_is_that_of_pytorch),
        cmocka_unit_test(test_recurrent_values__rnn_is_that_of_pytorch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
