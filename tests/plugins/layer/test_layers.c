/* Every shipped layer against PyTorch's float64 numbers (tests/golden/generate_layers.py and
 * generate_norms.py) and
 * against differences of its own forward pass, in every mode that the contract allows: gradients
 * added or overwritten, dx or dparam not wanted, a weight that is stored transposed. Bar: 1e-5 of a
 * tensor's norm, float arithmetic against double. */
#include "support/golden.h"
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define BAR 1e-5
#define SMOOTH "layer_smooth_values"

typedef struct layer_case {
    const char *name, *id;
    const char *hyper[2]; /* up to two settings; NULL: default */
    double value[2];
    const char *file; /* of golden numbers; NULL: layer_values */
} layer_case;

static const layer_case cases[] = {
    { "dense", "dense", { "units" }, { 4 }, NULL },
    { "dense_one", "dense", { "units" }, { 3 }, NULL },
    { "dense_plain", "dense", { "units", "bias" }, { 1, 0 }, NULL },
    { "dense_image", "dense", { "units" }, { 5 }, NULL },
    { "relu", "relu", { NULL }, { 0 }, NULL },
    { "leaky_relu", "leaky_relu", { NULL }, { 0 }, NULL },
    { "leaky_relu_steep", "leaky_relu", { "slope" }, { 0.385 }, NULL },
    { "tanh", "tanh", { NULL }, { 0 }, NULL },
    { "tanh_scaled", "tanh", { "scaled" }, { 1 }, NULL },
    { "sigmoid", "sigmoid", { NULL }, { 0 }, NULL },
    { "softmax", "softmax", { NULL }, { 0 }, NULL },
    { "softmax_far", "softmax", { NULL }, { 0 }, NULL },
    { "softmax_image", "softmax", { NULL }, { 0 }, NULL },
    { "add", "add", { NULL }, { 0 }, NULL },
    { "add_three", "add", { NULL }, { 0 }, NULL },
    { "concat", "concat", { NULL }, { 0 }, NULL },
    { "concat_image", "concat", { NULL }, { 0 }, NULL },
    { "flatten", "flatten", { NULL }, { 0 }, NULL },
    { "elu", "elu", { NULL }, { 0 }, SMOOTH },
    { "elu_small", "elu", { "alpha" }, { 0.385 }, SMOOTH },
    { "elu_near_0", "elu", { NULL }, { 0 }, SMOOTH },
    { "gelu", "gelu", { NULL }, { 0 }, SMOOTH },
    { "gelu_far", "gelu", { NULL }, { 0 }, SMOOTH },
    { "gelu_tanh", "gelu", { "approximate" }, { 1 }, SMOOTH },
    { "silu", "silu", { NULL }, { 0 }, SMOOTH },
    { "layer_norm", "layer_norm", { NULL }, { 0 }, SMOOTH },
    { "layer_norm_far", "layer_norm", { NULL }, { 0 }, SMOOTH },
    { "layer_norm_plain", "layer_norm", { "eps", "affine" }, { 0.0731, 0 }, SMOOTH },
    { "layer_norm_image", "layer_norm", { NULL }, { 0 }, SMOOTH },
    { "rms_norm", "rms_norm", { NULL }, { 0 }, SMOOTH },
    { "rms_norm_plain", "rms_norm", { "eps", "affine" }, { 0.0731, 0 }, SMOOTH },
    { "rms_norm_image", "rms_norm", { NULL }, { 0 }, SMOOTH },
};

#define N_CASES (sizeof cases / sizeof cases[0])

static golden *case_file(const layer_case *c)
{
    return golden_open(c->file ? c->file : "layer_values");
}

static const char *key(const layer_case *c, const char *what, const char *tensor)
{
    static char text[128];
    snprintf(text, sizeof text, "%s.%s%s", c->name, what, tensor);
    return text;
}

static const char *input_key(const layer_case *c, const char *what, uint64_t i)
{
    char tensor[8];
    snprintf(tensor, sizeof tensor, "%llu", (unsigned long long)i);
    return key(c, what, tensor);
}

/* The layer of a case, planned for the golden inputs' extents. */
static void open_case(layer_harness *l, const layer_case *c, const golden *file)
{
    size_t dim[8] = { 0 };
    layer_open(l, TEST_BUILD_DIR, c->id);
    for (int i = 0; i < 2; i++) {
        if (c->hyper[i]) component_set(&l->rig, c->hyper[i], c->value[i]);
    }
    for (uint64_t i = 0; golden_has(file, input_key(c, "x", i)); i++) {
        assay_shape shape = { golden_shape(file, input_key(c, "x", i), dim) - 2, { 0 } };
        for (uint64_t j = 0; j < shape.n_dims; j++) {
            shape.dim[j] = dim[2 + j];
        }
        layer_input(l, shape);
    }
    assert_true(l->plan.n_in > 0);
    assert_int_equal(layer_plan(l, dim[0], dim[1]), ASSAY_OK);
}

static void put(float *out, const golden *file, const char *tensor, uint64_t size)
{
    size_t n = 0;
    const float *in = golden_f32(file, tensor, &n);
    assert_int_equal(n, size);
    memcpy(out, in, n * sizeof *out);
}

static void load_case(layer_harness *l, const layer_case *c, const golden *file)
{
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        put(l->x[i], file, input_key(c, "x", i), layer_x_size(l, i));
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        put(l->param[i], file, key(c, "", l->declared[i].name), layer_param_size(l, i));
    }
    put(l->dy, file, key(c, "dy", ""), layer_y_size(l));
}

static void assert_near(const char *tensor, const float *a, const double *b, uint64_t n)
{
    const double error = norm_relative_error(a, b, n);
    if (!(error <= BAR)) fail_msg("%s: relative error %g", tensor, error);
}

static void check(const float *a, const golden *file, const char *tensor, uint64_t size)
{
    size_t n = 0;
    const double *b = golden_f64(file, tensor, &n);
    assert_int_equal(n, size);
    assert_near(tensor, a, b, n);
}

static void check_forward_and_dx(layer_harness *l, const layer_case *c, const golden *file)
{
    check(l->y, file, key(c, "y", ""), layer_y_size(l));
    for (uint64_t i = 0; i < l->plan.n_in; i++) {
        if (l->dx[i]) check(l->dx[i], file, input_key(c, "dx", i), layer_x_size(l, i));
    }
}

static void test_layers__agree_with_pytorch(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        layer_harness l;
        golden *file = case_file(&cases[k]);
        open_case(&l, &cases[k], file);
        load_case(&l, &cases[k], file);
        layer_forward(&l);
        layer_backward(&l);
        check_forward_and_dx(&l, &cases[k], file);
        for (uint64_t i = 0; i < l.n_param; i++) {
            check(l.dparam[i], file, key(&cases[k], "d", l.declared[i].name),
                layer_param_size(&l, i));
        }
        layer_close(&l);
        golden_close(file);
    }
}

static void test_layers__add_to_a_parameter_gradient_where_told_to(void **state)
{
    uint64_t n_checked = 0;
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        layer_harness l;
        golden *file = case_file(&cases[k]);
        open_case(&l, &cases[k], file);
        load_case(&l, &cases[k], file);
        for (uint64_t i = 0; i < l.n_param; i++) {
            const uint64_t n = layer_param_size(&l, i);
            l.accumulate[i] = 1;
            fill_numbers(l.dparam[i], n, 11);
        }
        layer_forward(&l);
        layer_backward(&l);
        for (uint64_t i = 0; i < l.n_param; i++) {
            const uint64_t n = layer_param_size(&l, i);
            float before[100];
            double sum[100];
            const double *b = golden_f64(file, key(&cases[k], "d", l.declared[i].name), NULL);
            assert_true(n <= 100);
            fill_numbers(before, n, 11);
            for (uint64_t j = 0; j < n; j++) {
                sum[j] = (double)before[j] + b[j];
            }
            assert_near(cases[k].name, l.dparam[i], sum, n);
            n_checked++;
        }
        layer_close(&l);
        golden_close(file);
    }
    assert_int_equal(n_checked, 15);
}

static void test_layers__leave_out_what_nobody_needs(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        layer_harness l;
        golden *file = case_file(&cases[k]);
        open_case(&l, &cases[k], file);
        load_case(&l, &cases[k], file);
        for (uint64_t i = 0; i < l.n_param; i++) {
            l.dparam[i] = NULL;
        }
        l.dx[l.plan.n_in - 1] = NULL;
        layer_forward(&l);
        layer_backward(&l);
        check_forward_and_dx(&l, &cases[k], file);
        layer_close(&l);
        golden_close(file);
    }
}

/* The same as an inference: y is the same, and nothing is saved. */
static void test_layers__give_the_same_output_in_evaluation(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        layer_harness l;
        golden *file = case_file(&cases[k]);
        open_case(&l, &cases[k], file);
        load_case(&l, &cases[k], file);
        l.io.training = 0;
        l.saved[0] = NULL;
        layer_forward(&l);
        check(l.y, file, key(&cases[k], "y", ""), layer_y_size(&l));
        layer_close(&l);
        golden_close(file);
    }
}

typedef struct extents {
    uint64_t time, batch;
    assay_shape shape;
} extents;

static uint64_t inputs_of(const char *id)
{
    return strcmp(id, "add") == 0 ? 2 : strcmp(id, "concat") == 0 ? 3 : 1;
}

/* Differences in float: 1e-4 of the norm is what rounding leaves of a five-point rule with a step
 * of 1/16. */
static void test_layers__have_the_gradient_of_their_own_forward_pass(void **state)
{
    static const extents sizes[] = { { 3, 2, { 1, { 7 } } }, { 1, 1, { 1, { 5 } } },
        { 1, 3, { 3, { 2, 1, 3 } } } };
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
            layer_harness l;
            layer_open(&l, TEST_BUILD_DIR, cases[k].id);
            for (int i = 0; i < 2; i++) {
                if (cases[k].hyper[i]) component_set(&l.rig, cases[k].hyper[i], cases[k].value[i]);
            }
            for (uint64_t i = 0; i < inputs_of(cases[k].id); i++) {
                layer_input(&l, sizes[s].shape);
            }
            assert_int_equal(layer_plan(&l, sizes[s].time, sizes[s].batch), ASSAY_OK);
            const double error = layer_gradient_error(&l, 100 + s);
            if (!(error < 1e-4)) fail_msg("%s: gradient error %g", cases[k].name, error);
            layer_close(&l);
        }
    }
}

/* An all-zero dy, as the loss gives to padded rows, adds nothing anywhere. */
static void test_layers__take_nothing_from_padded_rows(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        layer_harness l;
        golden *file = case_file(&cases[k]);
        open_case(&l, &cases[k], file);
        load_case(&l, &cases[k], file);
        memset(l.dy, 0, layer_y_size(&l) * sizeof *l.dy);
        layer_forward(&l);
        layer_backward(&l);
        for (uint64_t i = 0; i < l.plan.n_in; i++) {
            for (uint64_t j = 0; j < layer_x_size(&l, i); j++) {
                assert_true(l.dx[i][j] == 0);
            }
        }
        for (uint64_t i = 0; i < l.n_param; i++) {
            for (uint64_t j = 0; j < layer_param_size(&l, i); j++) {
                assert_true(l.dparam[i][j] == 0);
            }
        }
        layer_close(&l);
        golden_close(file);
    }
}

/* A diverged model must be seen where it diverged. */
static void test_layers__pass_nan_on(void **state)
{
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        layer_harness l;
        uint64_t n_nan = 0;
        golden *file = case_file(&cases[k]);
        open_case(&l, &cases[k], file);
        load_case(&l, &cases[k], file);
        l.x[0][3] = NAN;
        layer_forward(&l);
        for (uint64_t j = 0; j < layer_y_size(&l); j++) {
            n_nan += isnan(l.y[j]) != 0;
        }
        if (n_nan == 0) fail_msg("%s: hides a NaN", cases[k].name);
        layer_close(&l);
        golden_close(file);
    }
}

static void test_layers__refuse_tokens(void **state)
{
    static const char *const ids[] = { "dense", "relu", "leaky_relu", "tanh", "sigmoid", "softmax",
        "dropout", "add", "concat", "flatten", "elu", "gelu", "silu", "layer_norm", "rms_norm",
        "batch_norm" };
    (void)state;
    for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
        layer_harness l;
        layer_open(&l, TEST_BUILD_DIR, ids[k]);
        for (uint64_t i = 0; i < inputs_of(ids[k]); i++) {
            layer_input(&l, (assay_shape){ 1, { 3 } });
        }
        l.in[l.plan.n_in - 1].dtype = ASSAY_I32;
        assert_int_equal(layer_plan(&l, 1, 1), ASSAY_E_SHAPE);
        assert_non_null(strstr(l.rig.failure, "put an embedding before it"));
        layer_close(&l);
    }
}

static void test_layers__with_one_input_refuse_two(void **state)
{
    static const char *const ids[] = { "dense", "relu", "leaky_relu", "tanh", "sigmoid", "softmax",
        "dropout", "flatten", "elu", "gelu", "silu", "layer_norm", "rms_norm", "batch_norm" };
    (void)state;
    for (size_t k = 0; k < sizeof ids / sizeof ids[0]; k++) {
        layer_harness l;
        layer_open(&l, TEST_BUILD_DIR, ids[k]);
        layer_input(&l, (assay_shape){ 1, { 3 } });
        layer_input(&l, (assay_shape){ 1, { 3 } });
        assert_int_equal(layer_plan(&l, 1, 1), ASSAY_E_SHAPE);
        assert_non_null(strstr(l.rig.failure, "exactly one input"));
        layer_close(&l);
    }
}

static int64_t no_bias(assay_plan *plan, const assay_param *param)
{
    (void)plan;
    return strcmp(param->name, "bias") == 0 ? ASSAY_E_NOMEM : 0;
}

static int64_t no_weight(assay_plan *plan, const assay_param *param)
{
    (void)plan;
    (void)param;
    return ASSAY_E_UNSUPPORTED;
}

static int64_t no_memory(assay_plan *plan, uint64_t per_row, uint64_t fixed)
{
    (void)plan;
    (void)per_row;
    (void)fixed;
    return ASSAY_E_NOMEM;
}

static void open_for_refusal(layer_harness *l, const char *id)
{
    layer_open(l, TEST_BUILD_DIR, id);
    if (strcmp(id, "dense") == 0) component_set(&l->rig, "units", 3);
    layer_input(l, (assay_shape){ 1, { 5 } });
}

static void test_layers__pass_on_what_the_host_refuses(void **state)
{
    layer_harness l;
    (void)state;
    open_for_refusal(&l, "dense");
    l.plan.param = no_weight;
    assert_int_equal(layer_plan(&l, 1, 1), ASSAY_E_UNSUPPORTED);
    l.plan.param = no_bias;
    assert_int_equal(layer_plan(&l, 1, 1), ASSAY_E_NOMEM);
    layer_close(&l);
    open_for_refusal(&l, "dense");
    l.plan.scratch = no_memory;
    assert_int_equal(layer_plan(&l, 1, 1), ASSAY_E_NOMEM);
    layer_close(&l);
    open_for_refusal(&l, "dropout");
    l.plan.saved = no_memory;
    assert_int_equal(layer_plan(&l, 1, 1), ASSAY_E_NOMEM);
    layer_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers__agree_with_pytorch),
        cmocka_unit_test(test_layers__add_to_a_parameter_gradient_where_told_to),
        cmocka_unit_test(test_layers__leave_out_what_nobody_needs),
        cmocka_unit_test(test_layers__give_the_same_output_in_evaluation),
        cmocka_unit_test(test_layers__have_the_gradient_of_their_own_forward_pass),
        cmocka_unit_test(test_layers__take_nothing_from_padded_rows),
        cmocka_unit_test(test_layers__pass_nan_on),
        cmocka_unit_test(test_layers__refuse_tokens),
        cmocka_unit_test(test_layers__pass_on_what_the_host_refuses),
        cmocka_unit_test(test_layers__with_one_input_refuse_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
