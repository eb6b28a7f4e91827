/* batch_norm against PyTorch's float64 numbers over three batches and an evaluation
 * (tests/golden/generate_norms.py), and what only a layer with running statistics can get wrong:
 * padding, buffers that move when they should not, batches without a variance. */
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

#define BAR 1e-5 /* of a tensor's norm, float arithmetic against double */

enum { N_BATCHES = 3, MEAN = 0, VARIANCE = 1, GAIN = 0, BIAS = 1 };

typedef struct norm_case {
    const char *name;
    double momentum, eps, affine;
} norm_case;

static const norm_case cases[] = {
    { "plain", 0.1, 1e-5, 1 },
    { "two_rows", 0.1, 0.385, 1 },
    { "time", 0.385, 0.0731, 1 },
    { "far", 0.1, 1e-5, 1 },
    { "bare", 0.1, 1e-5, 0 },
    { "image", 0.1, 1e-5, 1 },
    { "one_image", 0.1, 1e-5, 0 },
    { "padded", 0.1, 1e-5, 1 },
};

#define N_CASES (sizeof cases / sizeof cases[0])

/* The harness, and the buffers that it does not have. */
typedef struct norm_rig {
    layer_harness l; /* first: what the layer's plan holds is this */
    assay_buffer declared[2];
    float *buffer[2];
    uint64_t n_buffers;
} norm_rig;

static int64_t plan_buffer(assay_plan *plan, const assay_buffer *declared)
{
    norm_rig *r = plan->host_data;
    assert_true(r->n_buffers < 2);
    r->declared[r->n_buffers] = *declared;
    return (int64_t)r->n_buffers++;
}

static void rig_open(norm_rig *r, const norm_case *c)
{
    *r = (norm_rig){ .n_buffers = 0 };
    layer_open(&r->l, TEST_BUILD_DIR, "batch_norm");
    component_set(&r->l.rig, "momentum", c->momentum);
    component_set(&r->l.rig, "eps", c->eps);
    component_set(&r->l.rig, "affine", c->affine);
    r->l.plan.buffer = plan_buffer;
}

static void rig_plan(norm_rig *r, assay_shape shape, uint64_t time, uint64_t batch)
{
    layer_input(&r->l, shape);
    assert_int_equal(layer_plan(&r->l, time, batch), ASSAY_OK);
    assert_int_equal(r->n_buffers, 2);
    for (uint64_t i = 0; i < 2; i++) {
        r->buffer[i] = component_alloc(&r->l.rig, r->declared[i].size * sizeof(float));
        for (uint64_t j = 0; j < r->declared[i].size; j++) {
            r->buffer[i][j] = (float)r->declared[i].init;
        }
    }
    r->l.io.buffer = r->buffer;
}

static const char *key(const norm_case *c, const char *what, int batch)
{
    static char text[128];
    if (batch < 0) {
        snprintf(text, sizeof text, "%s.%s", c->name, what);
    } else {
        snprintf(text, sizeof text, "%s.%s%d", c->name, what, batch);
    }
    return text;
}

static void rig_open_case(norm_rig *r, const norm_case *c, const golden *file)
{
    size_t dim[8] = { 0 };
    assay_shape shape = { golden_shape(file, key(c, "x", 0), dim) - 2, { 0 } };
    for (uint64_t i = 0; i < shape.n_dims; i++) {
        shape.dim[i] = dim[2 + i];
    }
    rig_open(r, c);
    rig_plan(r, shape, dim[0], dim[1]);
    if (golden_has(file, key(c, "weight", -1))) {
        r->l.io.weight = golden_f32(file, key(c, "weight", -1), NULL);
    }
}

static void put(float *out, const golden *file, const char *tensor, uint64_t size)
{
    size_t n = 0;
    const float *in = golden_f32(file, tensor, &n);
    assert_int_equal(n, size);
    memcpy(out, in, n * sizeof *out);
}

static void check(const float *a, const golden *file, const char *tensor, uint64_t size)
{
    size_t n = 0;
    const double *b = golden_f64(file, tensor, &n);
    assert_int_equal(n, size);
    const double error = norm_relative_error(a, b, n);
    if (!(error <= BAR)) fail_msg("%s: relative error %g", tensor, error);
}

static void put_params(norm_rig *r, const norm_case *c, const golden *file)
{
    for (uint64_t i = 0; i < r->l.n_param; i++) {
        put(r->l.param[i], file, key(c, r->l.declared[i].name, -1), layer_param_size(&r->l, i));
    }
}

static void check_batch(norm_rig *r, const norm_case *c, const golden *file, int batch)
{
    layer_harness *l = &r->l;
    put(l->x[0], file, key(c, "x", batch), layer_x_size(l, 0));
    put(l->dy, file, key(c, "dy", batch), layer_y_size(l));
    layer_forward(l);
    layer_backward(l);
    check(l->y, file, key(c, "y", batch), layer_y_size(l));
    check(l->dx[0], file, key(c, "dx", batch), layer_x_size(l, 0));
    check(r->buffer[MEAN], file, key(c, "mean", batch), r->declared[MEAN].size);
    check(r->buffer[VARIANCE], file, key(c, "var", batch), r->declared[VARIANCE].size);
    if (c->affine > 0) {
        check(l->dparam[GAIN], file, key(c, "dgain", batch), layer_param_size(l, GAIN));
        check(l->dparam[BIAS], file, key(c, "dbias", batch), layer_param_size(l, BIAS));
    }
}

static void check_evaluation(norm_rig *r, const norm_case *c, const golden *file)
{
    const uint64_t n = r->declared[MEAN].size;
    float before[2][16];
    assert_true(n <= 16);
    for (int i = 0; i < 2; i++) {
        memcpy(before[i], r->buffer[i], n * sizeof(float));
    }
    put(r->l.x[0], file, key(c, "ex", -1), layer_x_size(&r->l, 0));
    r->l.io.training = 0;
    r->l.saved[0] = NULL;
    layer_forward(&r->l);
    check(r->l.y, file, key(c, "ey", -1), layer_y_size(&r->l));
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(before[i], r->buffer[i], n * sizeof(float));
    }
}

static void test_batch_norm__follows_pytorch_over_batches_and_in_evaluation(void **state)
{
    golden *file = golden_open("layer_batch_norm_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        norm_rig r;
        rig_open_case(&r, &cases[k], file);
        put_params(&r, &cases[k], file);
        for (int batch = 0; batch < N_BATCHES; batch++) {
            check_batch(&r, &cases[k], file, batch);
        }
        check_evaluation(&r, &cases[k], file);
        layer_close(&r.l);
    }
    golden_close(file);
}

static void test_batch_norm__declares_what_pytorch_has(void **state)
{
    norm_rig r;
    (void)state;
    rig_open(&r, &cases[0]);
    rig_plan(&r, (assay_shape){ 3, { 4, 3, 2 } }, 1, 5);
    assert_int_equal(r.l.plan.couples_samples, 1);
    assert_string_equal(r.declared[MEAN].export_name, "running_mean");
    assert_string_equal(r.declared[VARIANCE].export_name, "running_var");
    assert_string_equal(r.l.declared[GAIN].export_name, "weight");
    assert_int_equal(r.l.declared[GAIN].role, ASSAY_ROLE_GAIN);
    assert_int_equal(r.l.declared[BIAS].role, ASSAY_ROLE_BIAS);
    assert_string_equal(r.l.declared[BIAS].name, "bias");
    assert_int_equal(r.declared[MEAN].size, 4); /* channels, as BatchNorm2d */
    assert_int_equal(layer_param_size(&r.l, GAIN), 4);
    assert_true(r.declared[MEAN].init == 0 && r.declared[VARIANCE].init == 1);
    layer_close(&r.l);
}

/* 1e-4: what rounding in float leaves of a five-point rule; with and without padding. */
static void test_batch_norm__has_the_gradient_of_its_own_forward_pass(void **state)
{
    static const float padding[6] = { 1, 0.385f, 0, 2, 0, 1 };
    static const assay_shape shapes[] = { { 1, { 5 } }, { 3, { 2, 3, 1 } } };
    (void)state;
    for (size_t k = 0; k < 8; k++) {
        const norm_case c = { "gradient", 0.1, 0.385, k & 1 ? 1 : 0 };
        norm_rig r;
        rig_open(&r, &c);
        rig_plan(&r, shapes[k >> 2], 2, 3);
        r.l.io.weight = k & 2 ? padding : NULL;
        const double error = layer_gradient_error(&r.l, 50 + k);
        if (!(error < 1e-4)) fail_msg("case %zu: gradient error %g", k, error);
        layer_close(&r.l);
    }
}

static void test_batch_norm__takes_nothing_from_what_padding_holds(void **state)
{
    golden *file = golden_open("layer_batch_norm_values");
    const norm_case *c = &cases[N_CASES - 1];
    norm_rig a, b;
    (void)state;
    rig_open_case(&a, c, file);
    rig_open_case(&b, c, file);
    put_params(&a, c, file);
    put_params(&b, c, file);
    const uint64_t n = layer_x_size(&a.l, 0), width = 5;
    put(a.l.x[0], file, key(c, "x", 0), n);
    put(b.l.x[0], file, key(c, "x", 0), n);
    for (uint64_t i = 0; i < n; i++) {
        if (a.l.io.weight[i / width] == 0) b.l.x[0][i] = 238.5f;
    }
    layer_forward(&a.l);
    layer_forward(&b.l);
    for (uint64_t i = 0; i < n; i++) {
        if (a.l.io.weight[i / width] != 0) assert_true(a.l.y[i] == b.l.y[i]);
    }
    assert_memory_equal(a.buffer[MEAN], b.buffer[MEAN], width * sizeof(float));
    assert_memory_equal(a.buffer[VARIANCE], b.buffer[VARIANCE], width * sizeof(float));
    layer_close(&a.l);
    layer_close(&b.l);
    golden_close(file);
}

/* PyTorch refuses such a batch. */
static void test_batch_norm__normalises_a_single_row_by_the_running_statistics(void **state)
{
    static const float weight[1] = { 0 };
    (void)state;
    for (int k = 0; k < 2; k++) {
        norm_rig r;
        rig_open(&r, &cases[0]);
        rig_plan(&r, (assay_shape){ 1, { 3 } }, 1, 1);
        r.l.io.weight = k ? weight : NULL;
        for (uint64_t j = 0; j < 3; j++) {
            r.l.param[GAIN][j] = 1.7f;
            r.l.param[BIAS][j] = -0.2f;
            r.l.x[0][j] = 2.385f * (float)(j + 1);
            r.l.dy[j] = 0.731f;
            r.buffer[MEAN][j] = 0.5f;
            r.buffer[VARIANCE][j] = 4.0f;
        }
        layer_forward(&r.l);
        layer_backward(&r.l);
        for (uint64_t j = 0; j < 3; j++) {
            const double s = 1 / sqrt(4 + 1e-5), x = (double)r.l.x[0][j];
            const double y = 1.7 * (x - 0.5) * s - 0.2;
            assert_true(fabs((double)r.l.y[j] - y) < 1e-6 * fabs(y) + 1e-6);
            assert_true(fabs((double)r.l.dx[0][j] - 0.731 * 1.7 * s) < 1e-6);
            assert_true(r.buffer[MEAN][j] == 0.5f && r.buffer[VARIANCE][j] == 4.0f);
        }
        layer_close(&r.l);
    }
}

static void test_batch_norm__adds_leaves_out_and_passes_nan_on(void **state)
{
    golden *file = golden_open("layer_batch_norm_values");
    const norm_case *c = &cases[0];
    norm_rig r;
    (void)state;
    rig_open_case(&r, c, file);
    put_params(&r, c, file);
    const uint64_t n = layer_param_size(&r.l, GAIN);
    r.l.accumulate[GAIN] = 1;
    fill_numbers(r.l.dparam[GAIN], n, 11);
    r.l.dparam[BIAS] = NULL;
    r.l.dx[0] = NULL;
    put(r.l.x[0], file, key(c, "x", 0), layer_x_size(&r.l, 0));
    put(r.l.dy, file, key(c, "dy", 0), layer_y_size(&r.l));
    layer_forward(&r.l);
    layer_backward(&r.l);
    float before[16];
    double sum[16];
    const double *dgain = golden_f64(file, key(c, "dgain", 0), NULL);
    fill_numbers(before, n, 11);
    for (uint64_t i = 0; i < n; i++) {
        sum[i] = (double)before[i] + dgain[i];
    }
    assert_true(norm_relative_error(r.l.dparam[GAIN], sum, n) <= BAR);
    r.l.x[0][0] = NAN;
    layer_forward(&r.l);
    assert_true(isnan(r.l.y[0]) && isnan(r.l.y[n]) && !isnan(r.l.y[1]));
    assert_true(isnan(r.buffer[MEAN][0]));
    layer_close(&r.l);
    golden_close(file);
}

static int64_t no_buffer(assay_plan *plan, const assay_buffer *declared)
{
    (void)plan;
    return strcmp(declared->name, "running_var") == 0 ? ASSAY_E_NOMEM : 0;
}

static int64_t no_param(assay_plan *plan, const assay_param *declared)
{
    (void)plan;
    return strcmp(declared->name, "bias") == 0 ? ASSAY_E_UNSUPPORTED : 0;
}

static int64_t no_memory(assay_plan *plan, uint64_t per_row, uint64_t fixed)
{
    (void)plan;
    (void)per_row;
    (void)fixed;
    return ASSAY_E_NOMEM;
}

static void test_batch_norm__passes_on_what_the_host_refuses(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        norm_rig r;
        rig_open(&r, &cases[0]);
        layer_input(&r.l, (assay_shape){ 1, { 3 } });
        if (k == 0) r.l.plan.buffer = no_buffer;
        if (k == 1) r.l.plan.param = no_param;
        if (k == 2) r.l.plan.saved = no_memory;
        if (k == 3) r.l.plan.scratch = no_memory;
        assert_int_equal(layer_plan(&r.l, 1, 2), k == 1 ? ASSAY_E_UNSUPPORTED : ASSAY_E_NOMEM);
        layer_close(&r.l);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm__follows_pytorch_over_batches_and_in_evaluation),
        cmocka_unit_test(test_batch_norm__declares_what_pytorch_has),
        cmocka_unit_test(test_batch_norm__has_the_gradient_of_its_own_forward_pass),
        cmocka_unit_test(test_batch_norm__takes_nothing_from_what_padding_holds),
        cmocka_unit_test(test_batch_norm__normalises_a_single_row_by_the_running_statistics),
        cmocka_unit_test(test_batch_norm__adds_leaves_out_and_passes_nan_on),
        cmocka_unit_test(test_batch_norm__passes_on_what_the_host_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
