/* A model run forward and backward: against PyTorch in float64, in shards, again and again.
 *
 * Tolerance: both sides start from the same float32 numbers, and an element is a few sums of some ten products, each rounded to
 * 6e-8 of its size; 1e-5 of a tensor's norm leaves room for the order of sums and nothing else. */
#include "model/replica.h"

#include "model/weights.h"
#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

#define GOLDEN_DIR TEST_SOURCE_DIR "/tests/golden/"
#define TOLERANCE 1e-5

/* PyTorch's Stack of generate_model.py. %s: keys for layer b, and rate of the dropout. */
#define STACK \
    "model = ( { type = \"dense\"; name = \"a\"; units = 7; }, { type = \"tanh\"; name = \"h\"; " \
    "},\n" \
    "  { type = \"dropout\"; name = \"drop\"; rate = %s; },\n" \
    "  { type = \"dense\"; name = \"b\"; units = 7; %s }, { type = \"relu\"; name = \"r\"; },\n" \
    "  { type = \"add\"; name = \"s\"; from = ( \"r\", \"h\" ); },\n" \
    "  { type = \"dense\"; name = \"c\"; units = 3; from = \"s\"; },\n" \
    "  { type = \"concat\"; name = \"j\"; from = ( \"c\", \"h\", \"s\", \"input\" ); },\n" \
    "  { type = \"dense\"; name = \"out\"; units = 4; } );"

#define TIED \
    "model = ( { type = \"dense\"; name = \"enc\"; units = 6; }, \"tanh\",\n" \
    "  { type = \"dense\"; name = \"dec\"; units = 5; tie = \"enc\"; } );"

enum { STACK_ROWS = 11, STACK_IN = 5, STACK_OUT = 4 };

static void load(model_rig *rig, const char *weights)
{
    if (weights_load(rig->m, weights, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
    assert_int_equal(model_prepare(rig->m, true, &rig->err), OK);
}

static void make_stack(model_rig *rig, const char *rate, const char *keys_of_b)
{
    char source[1024];
    snprintf(source, sizeof source, STACK, rate, keys_of_b);
    rig_make(rig, source, vector_of(STACK_IN));
    load(rig, GOLDEN_DIR "model_stack_weights.safetensors");
}

static replica *replica_of(model_rig *rig, size_t n)
{
    replica *r = NULL;
    assert_int_equal(replica_new(rig->m, n, 1, true, &r, &rig->err), OK);
    return r;
}

/* Rows [begin, begin + n) of x and dy, forward and backward. */
static void pass(model_rig *rig, replica *r, const float *x, const float *dy, size_t begin,
    size_t n, size_t total, bool accumulate)
{
    const size_t n_in = assay_shape_size(&rig->m->options.in), n_out = model_n_outputs(rig->m);
    const shard s = { .n = n,
        .time = 1,
        .x = x + begin * n_in,
        .batch_begin = begin,
        .batch_total = total,
        .draw = 9 };
    assert_int_equal(replica_forward(r, &s, true, &rig->err), OK);
    assert_int_equal(replica_output_rows(r), n);
    memcpy(replica_output_gradient(r), dy + begin * n_out, n * n_out * sizeof *dy);
    assert_int_equal(replica_backward(r, accumulate, &rig->err), OK);
}

/* Our [in, out] from PyTorch's [out, in]. */
static void as_ours(const tensor *t, const double *theirs, double *ours)
{
    const size_t rows = t->info.rows, cols = t->info.cols;
    const bool turned = t->layout == ASSAY_LAYOUT_TRANSPOSED && rows > 1;
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < cols; j++)
            ours[i * cols + j] = theirs[turned ? j * rows + i : i * cols + j];
    }
}

static void assert_gradients(const model_rig *rig, const float *g, const golden *expected)
{
    double ours[512];
    for (size_t i = 0; i < rig->m->n_tensors; i++) {
        const tensor *t = &rig->m->tensors[i];
        char name[64];
        size_t n;
        snprintf(name, sizeof name, "d.%s", t->export_name);
        const double *theirs = golden_f64(expected, name, &n);
        assert_int_equal(n, t->info.size);
        as_ours(t, theirs, ours);
        const double e = norm_relative_error(g + t->offset, ours, n);
        if (!(e < TOLERANCE)) GIVE_UP("%s is off by %g of its norm", name, e);
    }
}

static void assert_near(const float *a, const float *b, size_t n, double tolerance)
{
    const double e = norm_relative_error_f32(a, b, n);
    if (!(e < tolerance)) GIVE_UP("off by %g of the norm, at most %g", e, tolerance);
}

static void test_replica__agrees_with_pytorch(void **state)
{
    (void)state;
    model_rig rig;
    golden *g = golden_open("model_stack");
    make_stack(&rig, "0.0", "");
    replica *r = replica_of(&rig, STACK_ROWS);
    pass(&rig, r, golden_f32(g, "x", NULL), golden_f32(g, "dy", NULL), 0, STACK_ROWS, STACK_ROWS,
        false);
    size_t n;
    const double *y = golden_f64(g, "y", &n);
    assert_int_equal(n, STACK_ROWS * STACK_OUT);
    assert_true(norm_relative_error(replica_output(r), y, n) < TOLERANCE);
    assert_gradients(&rig, replica_gradient(r), g);
    replica_free(r);
    rig_close(&rig);
    golden_close(g);
}

static void test_replica__a_tied_matrix_gathers_both_gradients(void **state)
{
    (void)state;
    enum { ROWS = 9, FEATURES = 5 };
    model_rig rig;
    golden *g = golden_open("model_tied");
    rig_make(&rig, TIED, vector_of(FEATURES));
    load(&rig, GOLDEN_DIR "model_tied_weights.safetensors");
    replica *r = replica_of(&rig, ROWS);
    pass(&rig, r, golden_f32(g, "x", NULL), golden_f32(g, "dy", NULL), 0, ROWS, ROWS, false);
    size_t n;
    const double *y = golden_f64(g, "y", &n);
    assert_int_equal(n, ROWS * FEATURES);
    assert_true(norm_relative_error(replica_output(r), y, n) < TOLERANCE);
    assert_gradients(&rig, replica_gradient(r), g);
    replica_free(r);
    rig_close(&rig);
    golden_close(g);
}

/* What lies before a frozen layer learns through it; the layer itself does not. */
static void test_replica__passes_gradients_through_a_frozen_layer(void **state)
{
    (void)state;
    model_rig free_rig, frozen_rig;
    golden *g = golden_open("model_stack");
    const float *x = golden_f32(g, "x", NULL), *dy = golden_f32(g, "dy", NULL);
    make_stack(&free_rig, "0.0", "");
    make_stack(&frozen_rig, "0.0", "trainable = false;");
    replica *r = replica_of(&free_rig, STACK_ROWS), *f = replica_of(&frozen_rig, STACK_ROWS);
    pass(&free_rig, r, x, dy, 0, STACK_ROWS, STACK_ROWS, false);
    pass(&frozen_rig, f, x, dy, 0, STACK_ROWS, STACK_ROWS, false);
    for (size_t i = 0; i < frozen_rig.m->n_tensors; i++) {
        const tensor *t = &frozen_rig.m->tensors[i];
        const float *a = replica_gradient(f) + t->offset, *b = replica_gradient(r) + t->offset;
        if (t->trainable) {
            assert_memory_equal(a, b, t->info.size * sizeof *a);
            continue;
        }
        assert_string_equal(t->info.layer, "b");
        for (size_t k = 0; k < t->info.size; k++)
            assert_true(a[k] == 0.0f);
    }
    replica_free(r);
    replica_free(f);
    rig_close(&free_rig);
    rig_close(&frozen_rig);
    golden_close(g);
}

/* Dropout is on: what is dropped depends on a sample's place in the whole batch. Tolerance: one more rounding a sum. */
static void test_replica__shards_sum_to_the_whole(void **state)
{
    (void)state;
    enum { FIRST = 4 };
    model_rig rig;
    golden *g = golden_open("model_stack");
    const float *x = golden_f32(g, "x", NULL), *dy = golden_f32(g, "dy", NULL);
    make_stack(&rig, "0.37", "");
    replica *whole = replica_of(&rig, STACK_ROWS), *one = replica_of(&rig, 8),
            *two = replica_of(&rig, 8);
    pass(&rig, whole, x, dy, 0, STACK_ROWS, STACK_ROWS, false);
    pass(&rig, one, x, dy, 0, FIRST, STACK_ROWS, false);
    pass(&rig, two, x, dy, FIRST, STACK_ROWS - FIRST, STACK_ROWS, false);
    assert_near(replica_output(one), replica_output(whole), FIRST * STACK_OUT, 1e-6);
    assert_near(replica_output(two), replica_output(whole) + FIRST * STACK_OUT,
        (STACK_ROWS - FIRST) * STACK_OUT, 1e-6);
    float *sum = replica_gradient(one);
    for (size_t i = 0; i < rig.m->n_flat; i++)
        sum[i] += replica_gradient(two)[i];
    for (size_t i = 0; i < rig.m->n_tensors; i++) {
        const tensor *t = &rig.m->tensors[i];
        assert_near(sum + t->offset, replica_gradient(whole) + t->offset, t->info.size, 1e-6);
    }
    replica_free(whole);
    replica_free(one);
    replica_free(two);
    rig_close(&rig);
    golden_close(g);
}

/* Dropout matters at all, so that the test above means something; and it is off in evaluation. */
static void test_replica__draws_only_while_training(void **state)
{
    (void)state;
    model_rig rig;
    golden *g = golden_open("model_stack");
    const double *y = golden_f64(g, "y", NULL);
    make_stack(&rig, "0.37", "");
    replica *r = replica_of(&rig, STACK_ROWS);
    const shard s = { .n = STACK_ROWS,
        .time = 1,
        .x = golden_f32(g, "x", NULL),
        .batch_total = STACK_ROWS,
        .draw = 9 };
    assert_int_equal(replica_forward(r, &s, true, &rig.err), OK);
    assert_true(norm_relative_error(replica_output(r), y, STACK_ROWS * STACK_OUT) > 0.01);
    assert_int_equal(replica_forward(r, &s, false, &rig.err), OK);
    assert_true(norm_relative_error(replica_output(r), y, STACK_ROWS * STACK_OUT) < TOLERANCE);
    replica_free(r);
    rig_close(&rig);
    golden_close(g);
}

static void test_replica__overwrites_or_adds_as_asked(void **state)
{
    (void)state;
    const char *const sources[] = { NULL, TIED };
    for (size_t k = 0; k < 2; k++) {
        model_rig rig;
        golden *g = golden_open(sources[k] ? "model_tied" : "model_stack");
        const float *x = golden_f32(g, "x", NULL), *dy = golden_f32(g, "dy", NULL);
        const size_t n = sources[k] ? 9 : STACK_ROWS;
        if (sources[k]) {
            rig_make(&rig, sources[k], vector_of(5));
            load(&rig, GOLDEN_DIR "model_tied_weights.safetensors");
        } else {
            make_stack(&rig, "0.0", "");
        }
        const size_t n_flat = rig.m->n_flat;
        replica *r = replica_of(&rig, n);
        float *grad = replica_gradient(r);
        float *once = calloc(n_flat, sizeof *once);
        assert_non_null(once);
        pass(&rig, r, x, dy, 0, n, n, false);
        memcpy(once, grad, n_flat * sizeof *once);
        /* What is there before must not matter, not even NaN. */
        for (size_t i = 0; i < rig.m->n_tensors; i++) {
            for (size_t j = 0; j < rig.m->tensors[i].info.size; j++)
                grad[rig.m->tensors[i].offset + j] = NAN;
        }
        pass(&rig, r, x, dy, 0, n, n, false);
        assert_memory_equal(grad, once, n_flat * sizeof *once);
        pass(&rig, r, x, dy, 0, n, n, true);
        for (size_t i = 0; i < n_flat; i++)
            once[i] *= 2;
        assert_near(grad, once, n_flat, 1e-6);
        free(once);
        replica_free(r);
        rig_close(&rig);
        golden_close(g);
    }
}

/* Fewer samples than it was made for leave no trace of the ones before. */
static void test_replica__takes_smaller_shards_than_it_was_made_for(void **state)
{
    (void)state;
    enum { N = 3 };
    model_rig rig;
    golden *g = golden_open("model_stack");
    const float *x = golden_f32(g, "x", NULL), *dy = golden_f32(g, "dy", NULL);
    make_stack(&rig, "0.0", "");
    replica *large = replica_of(&rig, STACK_ROWS), *exact = replica_of(&rig, N);
    pass(&rig, large, x, dy, 0, STACK_ROWS, STACK_ROWS, false);
    pass(&rig, large, x, dy, 5, N, STACK_ROWS, false);
    pass(&rig, exact, x, dy, 5, N, STACK_ROWS, false);
    assert_memory_equal(replica_output(large), replica_output(exact), N * STACK_OUT * sizeof *x);
    assert_memory_equal(
        replica_gradient(large), replica_gradient(exact), rig.m->n_flat * sizeof *x);
    replica_free(large);
    replica_free(exact);
    rig_close(&rig);
    golden_close(g);
}

/* A row is a row: three steps of some samples are as many samples of one step. */
static void test_replica__treats_time_steps_as_rows(void **state)
{
    (void)state;
    enum { TIME = 3, N = 3 };
    model_rig rig;
    golden *g = golden_open("model_stack");
    const float *x = golden_f32(g, "x", NULL), *dy = golden_f32(g, "dy", NULL);
    make_stack(&rig, "0.0", "");
    replica *flat = replica_of(&rig, TIME * N), *steps = NULL;
    assert_int_equal(replica_new(rig.m, N, TIME, true, &steps, &rig.err), OK);
    pass(&rig, flat, x, dy, 0, TIME * N, TIME * N, false);
    const shard s = { .n = N, .time = TIME, .x = x, .batch_total = N, .draw = 9 };
    assert_int_equal(replica_forward(steps, &s, true, &rig.err), OK);
    assert_int_equal(replica_output_rows(steps), TIME * N);
    memcpy(replica_output_gradient(steps), dy, TIME * N * STACK_OUT * sizeof *dy);
    assert_int_equal(replica_backward(steps, false, &rig.err), OK);
    assert_memory_equal(
        replica_output(steps), replica_output(flat), TIME * N * STACK_OUT * sizeof *x);
    assert_memory_equal(replica_gradient(steps), replica_gradient(flat), rig.m->n_flat * sizeof *x);
    replica_free(flat);
    replica_free(steps);
    rig_close(&rig);
    golden_close(g);
}

#define COLLAPSING \
    "model = ( { type = \"dense\"; name = \"a\"; units = 7; }, \"tanh\",\n" \
    "  { type = \"model_odd\"; fault = \"%s\"; }, { type = \"dense\"; name = \"b\"; units = 4; } " \
    ");"

/* Only the last step reaches the output, so output and gradient are those of a batch of last steps. */
static void test_replica__runs_one_step_behind_a_layer_that_collapses_time(void **state)
{
    (void)state;
    enum { TIME = 3, N = 3, LAST = (TIME - 1) * N };
    model_rig last, plain;
    replica *r = NULL;
    char source[512];
    golden *g = golden_open("model_stack");
    const float *x = golden_f32(g, "x", NULL), *dy = golden_f32(g, "dy", NULL);
    snprintf(source, sizeof source, COLLAPSING, "last_step");
    rig_make(&last, source, vector_of(STACK_IN));
    snprintf(source, sizeof source, COLLAPSING, "none");
    rig_make(&plain, source, vector_of(STACK_IN));
    replica *expected = replica_of(&plain, N);
    assert_int_equal(replica_new(last.m, N, TIME, true, &r, &last.err), OK);
    const shard s = { .n = N, .time = TIME, .x = x, .batch_total = N };
    assert_int_equal(replica_forward(r, &s, true, &last.err), OK);
    assert_int_equal(replica_output_rows(r), N);
    memcpy(replica_output_gradient(r), dy + LAST * STACK_OUT, N * STACK_OUT * sizeof *dy);
    assert_int_equal(replica_backward(r, false, &last.err), OK);
    pass(&plain, expected, x, dy, LAST, N, TIME * N, false);
    assert_near(replica_output(r), replica_output(expected), N * STACK_OUT, 1e-6);
    assert_near(replica_gradient(r), replica_gradient(expected), last.m->n_flat, 1e-6);
    size_t n;
    (void)replica_layer_output(r, 1, &n);
    assert_int_equal(n, TIME * N * 7);
    (void)replica_layer_output(r, 2, &n);
    assert_int_equal(n, N * 7);
    replica_free(r);
    replica_free(expected);
    rig_close(&last);
    rig_close(&plain);
    golden_close(g);
}

static void test_replica__shows_every_layers_output(void **state)
{
    (void)state;
    model_rig rig;
    golden *g = golden_open("model_stack");
    const float *x = golden_f32(g, "x", NULL), *dy = golden_f32(g, "dy", NULL);
    make_stack(&rig, "0.0", "");
    replica *r = replica_of(&rig, STACK_ROWS);
    pass(&rig, r, x, dy, 0, STACK_ROWS, STACK_ROWS, false);
    size_t n;
    const float *h = replica_layer_output(r, 1, &n);
    assert_int_equal(n, STACK_ROWS * 7);
    const float *joined = replica_layer_output(r, 7, &n);
    assert_int_equal(n, STACK_ROWS * 22);
    for (size_t i = 0; i < STACK_ROWS; i++) { /* c, h, s, input */
        assert_memory_equal(joined + i * 22 + 3, h + i * 7, 7 * sizeof *h);
        assert_memory_equal(joined + i * 22 + 17, x + i * 5, 5 * sizeof *x);
    }
    assert_ptr_equal(replica_layer_output(r, 8, &n), replica_output(r));
    assert_int_equal(n, STACK_ROWS * STACK_OUT);
    replica_free(r);
    rig_close(&rig);
    golden_close(g);
}

static void test_replica__without_training_has_no_gradient(void **state)
{
    (void)state;
    model_rig rig;
    golden *g = golden_open("model_stack");
    make_stack(&rig, "0.37", "");
    replica *r = NULL;
    assert_int_equal(replica_new(rig.m, STACK_ROWS, 1, false, &r, &rig.err), OK);
    assert_null(replica_gradient(r));
    assert_null(replica_output_gradient(r));
    const shard s = {
        .n = STACK_ROWS, .time = 1, .x = golden_f32(g, "x", NULL), .batch_total = STACK_ROWS
    };
    assert_int_equal(replica_forward(r, &s, false, &rig.err), OK);
    assert_true(norm_relative_error(replica_output(r), golden_f64(g, "y", NULL),
                    STACK_ROWS * STACK_OUT) < TOLERANCE);
    replica_free(r);
    rig_close(&rig);
    golden_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replica__agrees_with_pytorch),
        cmocka_unit_test(test_replica__a_tied_matrix_gathers_both_gradients),
        cmocka_unit_test(test_replica__passes_gradients_through_a_frozen_layer),
        cmocka_unit_test(test_replica__shards_sum_to_the_whole),
        cmocka_unit_test(test_replica__draws_only_while_training),
        cmocka_unit_test(test_replica__overwrites_or_adds_as_asked),
        cmocka_unit_test(test_replica__takes_smaller_shards_than_it_was_made_for),
        cmocka_unit_test(test_replica__treats_time_steps_as_rows),
        cmocka_unit_test(test_replica__runs_one_step_behind_a_layer_that_collapses_time),
        cmocka_unit_test(test_replica__shows_every_layers_output),
        cmocka_unit_test(test_replica__without_training_has_no_gradient),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
