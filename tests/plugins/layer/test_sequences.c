/* The layers that look beyond a row, on samples of unequal length: embedding, last_step, mean_pool and batch_norm against
 * PyTorch's float64 numbers (tests/golden/generate_sequence_layers.py) and against differences of their own forward pass.
 * Padding is full of NaN, its tokens are none, and so is the dy that comes back for it: none of it may be looked at.
 * Bar: 1e-5 of a tensor's norm, float arithmetic against double. */
#include "support/golden.h"
#include "support/layer_harness.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BAR 1e-5

enum { MAX_SAMPLES = 8, MEAN = 0, VARIANCE = 1 };

typedef struct sequence_case {
    const char *name, *id, *hyper;
    double value;
    uint64_t vocabulary; /* 0: numbers */
} sequence_case;

static const sequence_case cases[] = {
    { "embedding", "embedding", "size", 5, 9 },
    { "embedding_two", "embedding", "size", 3, 6 },
    { "embedding_padded", "embedding", "size", 4, 7 },
    { "embedding_two_padded", "embedding", "size", 4, 7 },
    { "embedding_one", "embedding", "size", 6, 4 },
    { "last_step", "last_step", NULL, 0, 0 },
    { "last_step_padded", "last_step", NULL, 0, 0 },
    { "last_step_image", "last_step", NULL, 0, 0 },
    { "last_step_one", "last_step", NULL, 0, 0 },
    { "mean_pool", "mean_pool", NULL, 0, 0 },
    { "mean_pool_padded", "mean_pool", NULL, 0, 0 },
    { "mean_pool_image", "mean_pool", NULL, 0, 0 },
    { "mean_pool_one", "mean_pool", NULL, 0, 0 },
    { "batch_norm", "batch_norm", "momentum", 0.385, 0 },
    { "batch_norm_image", "batch_norm", "momentum", 0.385, 0 },
    { "batch_norm_weighted", "batch_norm", "momentum", 0.385, 0 },
};

#define N_CASES (sizeof cases / sizeof cases[0])

/* The harness, lengths, and the buffers that it does not have. */
typedef struct sequence_rig {
    layer_harness l; /* first: what the layer's plan holds is this */
    const sequence_case *c;
    golden *file;
    uint32_t length[MAX_SAMPLES];
    float *buffer[2];
    uint64_t n_buffers, buffer_size[2];
} sequence_rig;

static int64_t plan_buffer(assay_plan *plan, const assay_buffer *declared)
{
    sequence_rig *r = plan->host_data;
    assert_true(r->n_buffers < 2);
    r->buffer_size[r->n_buffers] = declared->size;
    r->buffer[r->n_buffers] = component_alloc(&r->l.rig, declared->size * sizeof(float));
    for (uint64_t i = 0; i < declared->size; i++) {
        r->buffer[r->n_buffers][i] = (float)declared->init;
    }
    return (int64_t)r->n_buffers++;
}

static const char *key(const sequence_case *c, const char *what, const char *tensor)
{
    static char text[128];
    snprintf(text, sizeof text, "%s.%s%s", c->name, what, tensor);
    return text;
}

static void read_lengths(sequence_rig *r)
{
    size_t n = 0;
    if (!golden_has(r->file, key(r->c, "length", ""))) return;
    const int32_t *length = golden_i32(r->file, key(r->c, "length", ""), &n);
    assert_int_equal(n, r->l.io.batch);
    assert_true(n <= MAX_SAMPLES);
    for (size_t i = 0; i < n; i++) {
        r->length[i] = (uint32_t)length[i];
    }
    r->l.io.length = r->length;
}

/* The layer of a case, planned for the golden input's extents. */
static void rig_open(sequence_rig *r, const sequence_case *c, golden *file)
{
    size_t dim[8] = { 0 };
    *r = (sequence_rig){ .c = c, .file = file };
    layer_harness *l = &r->l;
    layer_open(l, TEST_BUILD_DIR, c->id);
    if (c->hyper) component_set(&l->rig, c->hyper, c->value);
    assay_shape shape = { golden_shape(file, key(c, "x0", ""), dim) - 2, { 0 } };
    for (uint64_t i = 0; i < shape.n_dims; i++) {
        shape.dim[i] = dim[2 + i];
    }
    layer_input(l, shape);
    l->in[0].vocabulary = c->vocabulary;
    if (c->vocabulary) l->in[0].dtype = ASSAY_I32;
    l->plan.buffer = plan_buffer;
    assert_int_equal(layer_plan(l, dim[0], dim[1]), ASSAY_OK);
    l->io.buffer = r->buffer;
    read_lengths(r);
    if (golden_has(file, key(c, "weight", "")) && !c->vocabulary) {
        l->io.weight = golden_f32(file, key(c, "weight", ""), NULL);
    }
}

static int is_padding(const layer_harness *l, uint64_t row)
{
    return l->io.length && row / l->io.batch >= l->io.length[row % l->io.batch];
}

/* NaN in the padded rows of v[time, batch, width]. */
static void spoil(const layer_harness *l, float *v, uint64_t width)
{
    for (uint64_t i = 0; i < l->io.time * l->io.batch * width; i++) {
        if (is_padding(l, i / width)) v[i] = NAN;
    }
}

static void put(float *out, const golden *file, const char *tensor, uint64_t size)
{
    size_t n = 0;
    const float *in = golden_f32(file, tensor, &n);
    assert_int_equal(n, size);
    memcpy(out, in, n * sizeof *out);
}

/* Tokens that are none where it is padded. */
static void put_tokens(sequence_rig *r)
{
    layer_harness *l = &r->l;
    size_t n = 0;
    const int32_t *x = golden_i32(r->file, key(r->c, "x0", ""), &n);
    const uint64_t k = assay_shape_size(&l->in_shape[0]);
    assert_int_equal(n, layer_x_size(l, 0));
    for (size_t i = 0; i < n; i++) {
        const int32_t token = is_padding(l, i / k) ? (i % 2 ? INT32_MAX : INT32_MIN) : x[i];
        memcpy(l->x[0] + i, &token, sizeof token);
    }
}

static void load(sequence_rig *r)
{
    layer_harness *l = &r->l;
    if (r->c->vocabulary) {
        put_tokens(r);
    } else {
        put(l->x[0], r->file, key(r->c, "x0", ""), layer_x_size(l, 0));
        spoil(l, l->x[0], assay_shape_size(&l->in_shape[0]));
    }
    for (uint64_t i = 0; i < l->n_param; i++) {
        put(l->param[i], r->file, key(r->c, "", l->declared[i].name), layer_param_size(l, i));
    }
    put(l->dy, r->file, key(r->c, "dy", ""), layer_y_size(l));
    if (l->plan.time_mode == ASSAY_TIME_SAME) spoil(l, l->dy, assay_shape_size(&l->plan.out));
}

static void check(const float *a, const golden *file, const char *tensor, uint64_t size)
{
    size_t n = 0;
    const double *b = golden_f64(file, tensor, &n);
    assert_int_equal(n, size);
    const double error = norm_relative_error(a, b, n);
    if (!(error <= BAR)) fail_msg("%s: relative error %g", tensor, error);
}

/* Exactly 0 where it is padded. */
static void check_padding(const layer_harness *l, const float *v, uint64_t width)
{
    for (uint64_t i = 0; i < l->io.time * l->io.batch * width; i++) {
        if (is_padding(l, i / width)) assert_true(v[i] == 0);
    }
}

static void check_output(const sequence_rig *r)
{
    const layer_harness *l = &r->l;
    check(l->y, r->file, key(r->c, "y", ""), layer_y_size(l));
    if (l->plan.time_mode == ASSAY_TIME_SAME) {
        check_padding(l, l->y, assay_shape_size(&l->plan.out));
    }
}

static void check_dx(const sequence_rig *r)
{
    const layer_harness *l = &r->l;
    if (!l->dx[0]) return;
    check(l->dx[0], r->file, key(r->c, "dx0", ""), layer_x_size(l, 0));
    check_padding(l, l->dx[0], assay_shape_size(&l->in_shape[0]));
}

static void test_sequences__agree_with_pytorch_whatever_padding_holds(void **state)
{
    golden *file = golden_open("sequence_layer_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        sequence_rig r;
        rig_open(&r, &cases[k], file);
        load(&r);
        layer_forward(&r.l);
        layer_backward(&r.l);
        check_output(&r);
        check_dx(&r);
        for (uint64_t i = 0; i < r.l.n_param; i++) {
            check(r.l.dparam[i], file, key(r.c, "d", r.l.declared[i].name),
                layer_param_size(&r.l, i));
        }
        if (r.n_buffers) {
            check(r.buffer[MEAN], file, key(r.c, "mean", ""), r.buffer_size[MEAN]);
            check(r.buffer[VARIANCE], file, key(r.c, "var", ""), r.buffer_size[VARIANCE]);
        }
        layer_close(&r.l);
    }
    golden_close(file);
}

static void test_sequences__add_to_a_parameter_gradient_where_told_to(void **state)
{
    golden *file = golden_open("sequence_layer_values");
    uint64_t n_checked = 0;
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        sequence_rig r;
        rig_open(&r, &cases[k], file);
        load(&r);
        for (uint64_t i = 0; i < r.l.n_param; i++) {
            r.l.accumulate[i] = 1;
            fill_numbers(r.l.dparam[i], layer_param_size(&r.l, i), 11);
        }
        layer_forward(&r.l);
        layer_backward(&r.l);
        for (uint64_t i = 0; i < r.l.n_param; i++) {
            float before[64];
            double sum[64];
            size_t n = 0;
            const double *b = golden_f64(file, key(r.c, "d", r.l.declared[i].name), &n);
            assert_true(n <= 64);
            fill_numbers(before, n, 11);
            for (size_t j = 0; j < n; j++) {
                sum[j] = (double)before[j] + b[j];
            }
            assert_true(norm_relative_error(r.l.dparam[i], sum, n) <= BAR);
            n_checked++;
        }
        layer_close(&r.l);
    }
    assert_int_equal(n_checked, 11);
    golden_close(file);
}

static void test_sequences__leave_out_what_nobody_needs(void **state)
{
    golden *file = golden_open("sequence_layer_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        sequence_rig r;
        rig_open(&r, &cases[k], file);
        load(&r);
        r.l.dx[0] = NULL;
        for (uint64_t i = 0; i < r.l.n_param; i++) {
            r.l.dparam[i] = NULL;
        }
        layer_forward(&r.l);
        layer_backward(&r.l);
        check_output(&r);
        layer_close(&r.l);
    }
    golden_close(file);
}

static void test_sequences__give_the_same_output_in_evaluation(void **state)
{
    golden *file = golden_open("sequence_layer_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        sequence_rig r;
        if (strcmp(cases[k].id, "batch_norm") == 0) continue;
        rig_open(&r, &cases[k], file);
        load(&r);
        r.l.io.training = 0;
        layer_forward(&r.l);
        check_output(&r);
        layer_close(&r.l);
    }
    golden_close(file);
}

/* In evaluation, padding is not looked at either, and no other row depends on it. */
static void test_batch_norm__leaves_padding_out_in_evaluation(void **state)
{
    golden *file = golden_open("sequence_layer_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        sequence_rig r;
        if (strcmp(cases[k].id, "batch_norm") != 0) continue;
        rig_open(&r, &cases[k], file);
        load(&r);
        r.l.io.training = 0;
        layer_forward(&r.l);
        const uint64_t n = assay_shape_size(&r.l.plan.out);
        check_padding(&r.l, r.l.y, n);
        for (uint64_t i = 0; i < layer_y_size(&r.l); i++) {
            assert_true(isfinite(r.l.y[i]));
        }
        for (uint64_t i = 0; i < 2; i++) {
            for (uint64_t j = 0; j < r.buffer_size[i]; j++) {
                assert_true(r.buffer[i][j] == (i == MEAN ? 0 : 1));
            }
        }
        layer_close(&r.l);
    }
    golden_close(file);
}

/* A batch whose only real step is one has no variance: the running statistics stand in. */
static void test_batch_norm__counts_real_steps_alone(void **state)
{
    static const sequence_case c = { "", "batch_norm", "momentum", 0.385, 0 };
    sequence_rig r = { .c = &c };
    (void)state;
    layer_open(&r.l, TEST_BUILD_DIR, c.id);
    layer_input(&r.l, (assay_shape){ 1, { 3 } });
    r.l.plan.buffer = plan_buffer;
    assert_int_equal(layer_plan(&r.l, 4, 1), ASSAY_OK);
    r.l.io.buffer = r.buffer;
    r.l.io.length = r.length;
    r.length[0] = 1;
    fill_numbers(r.l.x[0], 12, 5);
    fill_numbers(r.l.param[0], 3, 6);
    fill_numbers(r.l.param[1], 3, 7);
    spoil(&r.l, r.l.x[0], 3);
    layer_forward(&r.l);
    layer_backward(&r.l);
    for (uint64_t j = 0; j < 3; j++) {
        const double y = (double)r.l.param[0][j] * (double)r.l.x[0][j] / sqrt(1 + 1e-5) +
            (double)r.l.param[1][j];
        assert_true(fabs((double)r.l.y[j] - y) < 1e-6);
        assert_true(r.buffer[MEAN][j] == 0 && r.buffer[VARIANCE][j] == 1);
    }
    check_padding(&r.l, r.l.y, 3);
    check_padding(&r.l, r.l.dx[0], 3);
    layer_close(&r.l);
}

/* 1e-4: what rounding in float leaves of a five-point rule with a step of 1/16. */
static void test_sequences__have_the_gradient_of_their_own_forward_pass(void **state)
{
    golden *file = golden_open("sequence_layer_values");
    (void)state;
    for (size_t k = 0; k < N_CASES; k++) {
        sequence_rig r;
        rig_open(&r, &cases[k], file);
        if (r.c->vocabulary) put_tokens(&r);
        if (strcmp(r.c->id, "batch_norm") == 0) component_set(&r.l.rig, "eps", 0.385);
        const double error = layer_gradient_error(&r.l, 100 + k);
        if (!(error < 1e-4)) fail_msg("%s: gradient error %g", r.c->name, error);
        layer_close(&r.l);
    }
    golden_close(file);
}

static void test_sequences__pass_on_a_nan_of_a_real_step(void **state)
{
    static const char *const ids[] = { "last_step", "mean_pool" };
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        layer_harness l;
        const uint32_t length[2] = { 3, 2 };
        layer_open(&l, TEST_BUILD_DIR, ids[k]);
        layer_input(&l, (assay_shape){ 1, { 2 } });
        assert_int_equal(layer_plan(&l, 3, 2), ASSAY_OK);
        l.io.length = length;
        fill_numbers(l.x[0], layer_x_size(&l, 0), 5);
        l.x[0][(1 * 2 + 1) * 2] = NAN; /* the last step of the second sample */
        layer_forward(&l);
        assert_true(isfinite(l.y[0]) && isfinite(l.y[1]) && isfinite(l.y[3]));
        assert_true(isnan(l.y[2]));
        layer_close(&l);
    }
}

static void test_pools__give_nothing_of_a_stream_that_has_ended(void **state)
{
    static const char *const ids[] = { "last_step", "mean_pool" };
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        layer_harness l;
        const uint32_t length[2] = { 0, 2 };
        layer_open(&l, TEST_BUILD_DIR, ids[k]);
        layer_input(&l, (assay_shape){ 1, { 2 } });
        assert_int_equal(layer_plan(&l, 3, 2), ASSAY_OK);
        l.io.length = length;
        fill_numbers(l.x[0], layer_x_size(&l, 0), 5);
        layer_forward(&l);
        assert_true(l.y[0] == 0 && l.y[1] == 0);
        assert_true(l.y[2] != 0 && l.y[3] != 0);
        fill_numbers(l.dy, 2 * 2, 7);
        layer_backward(&l);
        for (size_t t = 0; t < 3; t++) {
            assert_true(l.dx[0][t * 4] == 0 && l.dx[0][t * 4 + 1] == 0);
        }
        assert_true(l.dx[0][1 * 4 + 2] != 0); /* the last real step of the other */
        layer_close(&l);
    }
}

static void test_pools__give_one_step_of_the_inputs_shape(void **state)
{
    static const char *const ids[] = { "last_step", "mean_pool" };
    static const assay_shape image = { 3, { 2, 4, 5 } };
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        layer_harness l;
        layer_open(&l, TEST_BUILD_DIR, ids[k]);
        layer_input(&l, image);
        assert_int_equal(layer_plan(&l, 3, 2), ASSAY_OK);
        assert_int_equal(l.plan.time_mode, ASSAY_TIME_ONE);
        assert_true(assay_shape_equal(&l.plan.out, &image));
        assert_int_equal(l.plan.couples_samples, 0);
        layer_close(&l);
    }
}

static int64_t no_memory(assay_plan *plan, uint64_t per_row, uint64_t fixed)
{
    (void)plan;
    (void)per_row;
    (void)fixed;
    return ASSAY_E_NOMEM;
}

static void test_pools__refuse_what_they_cannot_take(void **state)
{
    static const char *const ids[] = { "last_step", "mean_pool" };
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        layer_harness l;
        layer_open(&l, TEST_BUILD_DIR, ids[k]);
        layer_input(&l, (assay_shape){ 1, { 3 } });
        l.in[0].dtype = ASSAY_I32;
        assert_int_equal(layer_plan(&l, 3, 2), ASSAY_E_SHAPE);
        assert_non_null(strstr(l.rig.failure, "put an embedding before it"));
        layer_close(&l);
        layer_open(&l, TEST_BUILD_DIR, ids[k]);
        layer_input(&l, (assay_shape){ 1, { 3 } });
        layer_input(&l, (assay_shape){ 1, { 3 } });
        assert_int_equal(layer_plan(&l, 3, 2), ASSAY_E_SHAPE);
        assert_non_null(strstr(l.rig.failure, "exactly one input"));
        layer_close(&l);
    }
    layer_harness l;
    layer_open(&l, TEST_BUILD_DIR, "mean_pool");
    layer_input(&l, (assay_shape){ 1, { 3 } });
    l.plan.scratch = no_memory;
    assert_int_equal(layer_plan(&l, 3, 2), ASSAY_E_NOMEM);
    layer_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences__agree_with_pytorch_whatever_padding_holds),
        cmocka_unit_test(test_sequences__add_to_a_parameter_gradient_where_told_to),
        cmocka_unit_test(test_sequences__leave_out_what_nobody_needs),
        cmocka_unit_test(test_sequences__give_the_same_output_in_evaluation),
        cmocka_unit_test(test_batch_norm__leaves_padding_out_in_evaluation),
        cmocka_unit_test(test_batch_norm__counts_real_steps_alone),
        cmocka_unit_test(test_sequences__have_the_gradient_of_their_own_forward_pass),
        cmocka_unit_test(test_sequences__pass_on_a_nan_of_a_real_step),
        cmocka_unit_test(test_pools__give_nothing_of_a_stream_that_has_ended),
        cmocka_unit_test(test_pools__give_one_step_of_the_inputs_shape),
        cmocka_unit_test(test_pools__refuse_what_they_cannot_take),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
