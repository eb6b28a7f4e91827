/* An embedding that shares its matrix with a dense layer, whichever of them stands first, as the model runs it: tokens of
 * unequal lengths through a replica, and the gradient of the shared matrix against five-point differences.
 *
 * Tolerance: 1e-4 of the gradient's norm is what rounding in float leaves of differences with a step of 1/16. */
#include "model/replica.h"

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

enum { TIME = 4, BATCH = 3, VOCABULARY = 7, SIZE = 5, MAX_OUT = 16 };

#define EMBEDDING_FIRST \
    "model = ( { type = \"embedding\"; name = \"in\"; size = 5; init = \"he_normal\"; },\n" \
    "  \"tanh\", { type = \"dense\"; name = \"out\"; units = 7; tie = \"in\"; } );"

#define DENSE_FIRST \
    "model = ( { type = \"embedding\"; name = \"in\"; size = 5; init = \"he_normal\"; },\n" \
    "  { type = \"dense\"; name = \"d\"; units = 7; }, \"tanh\",\n" \
    "  { type = \"embedding\"; name = \"again\"; size = 5; from = \"input\"; tie = \"d\"; },\n" \
    "  { type = \"concat\"; from = ( \"again\", \"tanh1\" ); } );"

#define POOLED \
    "model = ( { type = \"embedding\"; name = \"in\"; size = 5; init = \"he_normal\"; },\n" \
    "  { type = \"mean_pool\"; name = \"mean\"; }, { type = \"last_step\"; name = \"last\"; from " \
    "= " \
    "\"in\"; },\n" \
    "  { type = \"add\"; from = ( \"mean\", \"last\" ); },\n" \
    "  { type = \"dense\"; name = \"out\"; units = 7; tie = \"in\"; } );"

/* What lies behind the length is no token. */
static const int32_t tokens[TIME][BATCH] = {
    { 2, 5, 0 },
    { 5, -9, 2 },
    { 2, 99, 2 },
    { 1, -1, INT32_MAX },
};
static const uint32_t length[BATCH] = { 4, 1, 3 };

static void make(model_rig *rig, const char *source)
{
    const model_options o = { .in = vector_of(1),
        .in_dtype = ASSAY_I32,
        .vocabulary = VOCABULARY,
        .max_time = TIME,
        .max_batch = BATCH };
    if (rig_open(rig, source) != OK) GIVE_UP("%s", rig->err.text);
    if (model_plan(rig->m, rig->c, &o, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
}

static replica *replica_of(model_rig *rig)
{
    replica *r = NULL;
    assert_int_equal(replica_new(rig->m, BATCH, TIME, true, &r, &rig->err), OK);
    return r;
}

static void forward(model_rig *rig, replica *r)
{
    const shard s = { .n = BATCH,
        .time = TIME,
        .tokens = tokens[0],
        .length = length,
        .batch_total = BATCH,
        .draw = 9 };
    assert_int_equal(model_prepare(rig->m, true, &rig->err), OK);
    if (replica_forward(r, &s, true, &rig->err) != OK) GIVE_UP("%s", rig->err.text);
}

/* The weight of number i of the output in the objective; 0 in padding. */
static float weight_of(const replica *r, size_t n_out, size_t i)
{
    const size_t row = i / n_out;
    const bool is_sequence = replica_output_rows(r) == TIME * BATCH;
    if (is_sequence && row / BATCH >= length[row % BATCH]) return 0;
    return 0.731f * (float)sin(1.7 * (double)i + 0.385);
}

static double objective(model_rig *rig, replica *r)
{
    const size_t n_out = model_n_outputs(rig->m);
    double sum = 0;
    forward(rig, r);
    for (size_t i = 0; i < replica_output_rows(r) * n_out; i++)
        sum += (double)weight_of(r, n_out, i) * (double)replica_output(r)[i];
    return sum;
}

static void backward(model_rig *rig, replica *r)
{
    const size_t n_out = model_n_outputs(rig->m);
    forward(rig, r);
    for (size_t i = 0; i < replica_output_rows(r) * n_out; i++)
        replica_output_gradient(r)[i] = weight_of(r, n_out, i);
    assert_int_equal(replica_backward(r, false, &rig->err), OK);
    replica_finish(r);
}

static double slope(model_rig *rig, replica *r, float *w)
{
    static const double at[4] = { -2, -1, 1, 2 }, factor[4] = { 1, -8, 8, -1 };
    const double step = 1.0 / 16;
    const float before = *w;
    double sum = 0;
    for (size_t k = 0; k < 4; k++) {
        *w = (float)((double)before + at[k] * step);
        sum += factor[k] * objective(rig, r);
    }
    *w = before;
    return sum / (12 * step);
}

/* Of every number of every tensor, the shared one's among them. */
static void assert_gradient(model_rig *rig, replica *r)
{
    double apart = 0, size = 0;
    backward(rig, r);
    float *g = malloc(rig->m->n_flat * sizeof *g);
    assert_non_null(g);
    memcpy(g, replica_gradient(r), rig->m->n_flat * sizeof *g);
    for (size_t i = 0; i < rig->m->n_tensors; i++) {
        const tensor *t = &rig->m->tensors[i];
        for (size_t k = t->offset; k < t->offset + t->info.size; k++) {
            const double expected = slope(rig, r, rig->m->w + k);
            apart += (expected - (double)g[k]) * (expected - (double)g[k]);
            size += expected * expected;
        }
    }
    free(g);
    assert_true(size > 0.1);
    if (!(sqrt(apart / size) < 1e-4)) GIVE_UP("the gradient is off by %g", sqrt(apart / size));
}

static void assert_tied(const model_rig *rig, const char *name, uint64_t rows, size_t n_tensors)
{
    const tensor *t = model_find_tensor(rig->m, name);
    assert_non_null(t);
    assert_int_equal(t->info.tied, 1);
    assert_int_equal(t->info.rows, rows);
    assert_int_equal(rig->m->n_tensors, n_tensors);
}

static void test_embedding__shares_its_matrix_with_the_output(void **state)
{
    (void)state;
    model_rig rig;
    make(&rig, EMBEDDING_FIRST);
    assert_tied(&rig, "in.weight", VOCABULARY, 2);
    assert_int_equal(model_find_tensor(rig.m, "in.weight")->info.role, ASSAY_ROLE_EMBEDDING);
    assert_int_equal(model_find_layer(rig.m, "out")->transposed[0], 1);
    replica *r = replica_of(&rig);
    assert_gradient(&rig, r);
    replica_free(r);
    rig_close(&rig);
}

/* A square matrix fits both ways: what is a token's row here is its column there all the same. */
static void test_embedding__turns_a_square_matrix_too(void **state)
{
    (void)state;
    model_rig rig;
    make(&rig,
        "model = ( { type = \"embedding\"; name = \"in\"; size = 7; init = \"he_normal\"; },\n"
        "  \"tanh\", { type = \"dense\"; name = \"out\"; units = 7; tie = \"in\"; } );");
    assert_tied(&rig, "in.weight", VOCABULARY, 2);
    assert_int_equal(model_find_layer(rig.m, "out")->transposed[0], 1);
    replica *r = replica_of(&rig);
    assert_gradient(&rig, r);
    replica_free(r);
    rig_close(&rig);
}

static void test_embedding__takes_the_matrix_of_a_dense_layer(void **state)
{
    (void)state;
    model_rig rig;
    make(&rig, DENSE_FIRST);
    assert_tied(&rig, "d.weight", SIZE, 3);
    assert_int_equal(model_find_layer(rig.m, "again")->transposed[0], 1);
    replica *r = replica_of(&rig);
    assert_gradient(&rig, r);
    replica_free(r);
    rig_close(&rig);
}

static void test_embedding__feeds_layers_that_make_one_step(void **state)
{
    (void)state;
    model_rig rig;
    make(&rig, POOLED);
    replica *r = replica_of(&rig);
    assert_gradient(&rig, r);
    assert_int_equal(replica_output_rows(r), BATCH);
    replica_free(r);
    rig_close(&rig);
}

static void test_embedding__names_layer_and_remedy_of_wrong_input(void **state)
{
    (void)state;
    assert_refused("model = ( { type = \"embedding\"; size = 5; } );", vector_of(3), E_SHAPE,
        "x.cfg:1: model[0]: layer \"embedding1\" (embedding): the input is numbers, but an "
        "embedding looks tokens up: put it first, behind data of tokens, or use dense");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedding__shares_its_matrix_with_the_output),
        cmocka_unit_test(test_embedding__turns_a_square_matrix_too),
        cmocka_unit_test(test_embedding__takes_the_matrix_of_a_dense_layer),
        cmocka_unit_test(test_embedding__feeds_layers_that_make_one_step),
        cmocka_unit_test(test_embedding__names_layer_and_remedy_of_wrong_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
