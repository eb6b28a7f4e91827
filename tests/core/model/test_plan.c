/* Planning: shapes through the layers, what is known of each tensor, how they lie in the flat buffer, sharing and first
 * values; and plans of plugins that break the contract. */
#include "model/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

static const tensor *tensor_of(const model_rig *rig, const char *name)
{
    const tensor *t = model_find_tensor(rig->m, name);
    if (!t) GIVE_UP("no tensor \"%s\"", name);
    return t;
}

static void assert_shape(const model_rig *rig, const char *name, assay_shape shape)
{
    const layer *l = model_find_layer(rig->m, name);
    assert_non_null(l);
    if (!assay_shape_equal(&l->out, &shape)) GIVE_UP("%s has another shape", name);
}

static void test_plan__infers_shapes_layer_by_layer(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"flatten\"; name = \"flat\"; },\n"
        "  { type = \"dense\"; name = \"a\"; units = 7; }, { type = \"tanh\"; name = \"t\"; },\n"
        "  { type = \"dense\"; name = \"b\"; units = 7; },\n"
        "  { type = \"add\"; name = \"sum\"; from = ( \"b\", \"t\" ); },\n"
        "  { type = \"concat\"; name = \"both\"; from = ( \"sum\", \"flat\", \"t\" ); },\n"
        "  { type = \"dense\"; name = \"out\"; units = 5; } );",
        (assay_shape){ 3, { 2, 3, 4 } });
    assert_shape(&rig, "flat", vector_of(24));
    assert_shape(&rig, "a", vector_of(7));
    assert_shape(&rig, "t", vector_of(7));
    assert_shape(&rig, "sum", vector_of(7));
    assert_shape(&rig, "both", vector_of(38));
    assert_shape(&rig, "out", vector_of(5));
    assert_int_equal(model_n_outputs(rig.m), 5);
    assert_true(model_find_layer(rig.m, "out")->macs == 38.0 * 5.0);
    assert_int_equal(rig.m->n_params, 24 * 7 + 7 + 7 * 7 + 7 + 38 * 5 + 5);
    rig_close(&rig);
}

static void test_plan__dense_takes_all_dimensions_of_its_input(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig, "model = ( \"relu\", { type = \"dense\"; units = 3; } );",
        (assay_shape){ 2, { 5, 4 } });
    assert_shape(&rig, "relu1", (assay_shape){ 2, { 5, 4 } });
    assert_shape(&rig, "dense1", vector_of(3));
    assert_int_equal(tensor_of(&rig, "dense1.weight")->info.rows, 20);
    rig_close(&rig);
}

#define THREE \
    "model = ( { type = \"dense\"; units = 9; }, \"relu\", { type = \"dense\"; units = 8; },\n" \
    "  \"tanh\", { type = \"dense\"; units = 4; bias = false; } );"

typedef struct described {
    const char *name;
    uint32_t role, place;
    uint64_t depth, rows, cols, fan_in, fan_out;
} described;

static void test_plan__describes_each_tensor(void **state)
{
    (void)state;
    static const described expected[] = {
        { "dense1.weight", ASSAY_ROLE_WEIGHT, ASSAY_PLACE_INPUT, 0, 6, 9, 6, 9 },
        { "dense1.bias", ASSAY_ROLE_BIAS, ASSAY_PLACE_INPUT, 0, 1, 9, 6, 9 },
        { "dense2.weight", ASSAY_ROLE_WEIGHT, ASSAY_PLACE_HIDDEN, 1, 9, 8, 9, 8 },
        { "dense2.bias", ASSAY_ROLE_BIAS, ASSAY_PLACE_HIDDEN, 1, 1, 8, 9, 8 },
        { "dense3.weight", ASSAY_ROLE_WEIGHT, ASSAY_PLACE_OUTPUT, 2, 8, 4, 8, 4 },
    };
    model_rig rig;
    rig_make(&rig, THREE, vector_of(6));
    assert_int_equal(rig.m->n_tensors, 5);
    for (size_t i = 0; i < 5; i++) {
        const described *e = &expected[i];
        const assay_tensor *t = &rig.m->tensors[i].info;
        assert_string_equal(t->name, e->name);
        assert_ptr_equal(model_find_tensor(rig.m, e->name), &rig.m->tensors[i]);
        assert_int_equal(strlen(t->layer), 6);
        assert_memory_equal(t->layer, e->name, 6);
        assert_int_equal(t->index, i);
        assert_int_equal(t->role, e->role);
        assert_int_equal(t->place, e->place);
        assert_int_equal(t->depth, e->depth);
        assert_int_equal(t->rows, e->rows);
        assert_int_equal(t->cols, e->cols);
        assert_int_equal(t->size, e->rows * e->cols);
        assert_int_equal(t->fan_in, e->fan_in);
        assert_int_equal(t->fan_out, e->fan_out);
        assert_int_equal(t->blocks, 1);
        assert_int_equal(t->tied, 0);
    }
    rig_close(&rig);
}

static void test_plan__a_single_layer_is_the_output(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig, "model = ( { type = \"dense\"; units = 9; }, \"relu\" );", vector_of(6));
    assert_int_equal(tensor_of(&rig, "dense1.weight")->info.place, ASSAY_PLACE_OUTPUT);
    rig_close(&rig);
}

static void test_plan__takes_a_plugins_description(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig, "model = ( { type = \"model_odd\"; fault = \"state\"; name = \"cell\"; } );",
        vector_of(6));
    const tensor *gates = tensor_of(&rig, "cell.scale"), *gain = tensor_of(&rig, "cell.gain");
    assert_int_equal(gates->info.role, ASSAY_ROLE_RECURRENT);
    assert_int_equal(gates->info.blocks, 4);
    assert_int_equal(gates->info.fan_in, 11);
    assert_int_equal(gates->info.fan_out, 13);
    assert_string_equal(gates->export_name, "cell.weight_hh_l0");
    assert_int_equal(gain->info.role, ASSAY_ROLE_GAIN);
    assert_string_equal(gain->export_name, "cell.gain");
    /* Four blocks [3, 2], each with orthonormal columns. */
    const float *w = rig.m->w + gates->offset;
    for (size_t b = 0; b < 4; b++) {
        double dot[3] = { 0 };
        for (size_t i = 0; i < 3; i++) {
            const double u = (double)w[i * 8 + 2 * b], v = (double)w[i * 8 + 2 * b + 1];
            dot[0] += u * u;
            dot[1] += v * v;
            dot[2] += u * v;
        }
        assert_true(fabs(dot[0] - 1) < 1e-6 && fabs(dot[1] - 1) < 1e-6 && fabs(dot[2]) < 1e-6);
    }
    for (size_t i = 0; i < 5; i++)
        assert_true(rig.m->w[gain->offset + i] == 0.375f);
    rig_close(&rig);
}

static void test_plan__aligns_tensors_and_leaves_zeros_between(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; units = 9; init = \"ones\"; bias_init = \"ones\"; },\n"
        "  { type = \"dense\"; units = 4; init = \"ones\"; bias_init = \"ones\"; } );",
        vector_of(6));
    const model *m = rig.m;
    size_t end = 0, n_ones = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        assert_int_equal(m->tensors[i].offset % TENSOR_ALIGN_FLOATS, 0);
        assert_true(m->tensors[i].offset >= end);
        end = m->tensors[i].offset + m->tensors[i].info.size;
    }
    assert_true(end <= m->n_flat && m->n_flat - end < TENSOR_ALIGN_FLOATS);
    assert_int_equal((uintptr_t)m->w % (TENSOR_ALIGN_FLOATS * sizeof(float)), 0);
    for (size_t i = 0; i < m->n_flat; i++) {
        assert_true(m->w[i] == 0.0f || m->w[i] == 1.0f);
        n_ones += m->w[i] == 1.0f;
    }
    assert_int_equal(n_ones, m->n_params);
    for (size_t i = 0; i < m->n_tensors; i++) {
        for (size_t k = 0; k < m->tensors[i].info.size; k++)
            assert_true(m->w[m->tensors[i].offset + k] == 1.0f);
    }
    rig_close(&rig);
}

static void test_plan__reads_trainable_and_lr_scale(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; units = 9; trainable = false; },\n"
        "  { type = \"dense\"; units = 8; lr_scale = 0.25; }, { type = \"dense\"; units = 4; } );",
        vector_of(6));
    assert_false(tensor_of(&rig, "dense1.weight")->trainable);
    assert_false(tensor_of(&rig, "dense1.bias")->trainable);
    assert_true(tensor_of(&rig, "dense2.bias")->trainable);
    assert_true(tensor_of(&rig, "dense1.weight")->lr_scale == 1);
    assert_true(tensor_of(&rig, "dense2.weight")->lr_scale == 0.25);
    assert_true(tensor_of(&rig, "dense2.bias")->lr_scale == 0.25);
    assert_true(tensor_of(&rig, "dense3.bias")->lr_scale == 1);
    assert_false(model_find_layer(rig.m, "dense1")->backprop);
    assert_true(model_find_layer(rig.m, "dense2")->backprop);
    rig_close(&rig);
}

static void test_plan__ties_tensors_of_one_shape(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; name = \"a\"; units = 6; },\n"
        "  { type = \"dense\"; name = \"b\"; units = 6; tie = \"a\"; },\n"
        "  { type = \"dense\"; name = \"c\"; units = 6; tie = \"a.weight\"; } );",
        vector_of(6));
    const layer *a = model_find_layer(rig.m, "a"), *b = model_find_layer(rig.m, "b"),
                *c = model_find_layer(rig.m, "c");
    assert_int_equal(rig.m->n_tensors, 4); /* one matrix, three biases */
    assert_int_equal(b->param[0], a->param[0]);
    assert_int_equal(c->param[0], a->param[0]);
    assert_int_equal(b->transposed[0], 0);
    assert_int_not_equal(b->param[1], a->param[1]);
    assert_int_equal(tensor_of(&rig, "a.weight")->info.tied, 1);
    assert_int_equal(tensor_of(&rig, "b.bias")->info.tied, 0);
    assert_null(model_find_tensor(rig.m, "b.weight"));
    /* Backward runs from c to a: whoever comes after the first adds. */
    assert_int_equal(c->repeated[0], 0);
    assert_int_equal(b->repeated[0], 1);
    assert_int_equal(a->repeated[0], 1);
    assert_int_equal(a->repeated[1], 0);
    assert_int_equal(rig.m->n_params, 36 + 3 * 6);
    rig_close(&rig);
}

static void test_plan__ties_a_matrix_of_the_transposed_shape(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; name = \"enc\"; units = 4; },\n"
        "  { type = \"dense\"; name = \"dec\"; units = 6; tie = \"enc\"; } );",
        vector_of(6));
    const layer *dec = model_find_layer(rig.m, "dec");
    assert_int_equal(dec->transposed[0], 1);
    assert_int_equal(dec->transposed[1], 0);
    assert_int_equal(model_find_layer(rig.m, "enc")->transposed[0], 0);
    assert_int_equal(tensor_of(&rig, "enc.weight")->info.rows, 6);
    rig_close(&rig);
}

static void assert_all(const model_rig *rig, const char *name, float expected)
{
    const tensor *t = tensor_of(rig, name);
    for (size_t i = 0; i < t->info.size; i++)
        assert_true(rig->m->w[t->offset + i] == expected);
}

static void test_plan__initialises_as_the_layers_block_says(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; units = 9; init = \"ones\"; },\n"
        "  { type = \"dense\"; units = 8; init = { type = \"uniform\"; min = 0.25; max = 0.5; };\n"
        "    bias_init = { type = \"constant\"; value = -0.75; }; },\n"
        "  { type = \"dense\"; units = 4; bias_init = \"ones\"; } );",
        vector_of(6));
    assert_all(&rig, "dense1.weight", 1.0f);
    assert_all(&rig, "dense1.bias", 0.0f);
    assert_all(&rig, "dense2.bias", -0.75f);
    assert_all(&rig, "dense3.bias", 1.0f);
    const tensor *t = tensor_of(&rig, "dense2.weight");
    for (size_t i = 0; i < t->info.size; i++) {
        const float w = rig.m->w[t->offset + i];
        assert_true(w >= 0.25f && w <= 0.5f);
    }
    /* The layer's own default: Glorot's bound, sqrt(6 / (8 + 4)). */
    const tensor *last = tensor_of(&rig, "dense3.weight");
    float most = 0;
    for (size_t i = 0; i < last->info.size; i++)
        most = fmaxf(most, fabsf(rig.m->w[last->offset + i]));
    assert_true(most <= sqrtf(0.5f) && most > 0.5f * sqrtf(0.5f));
    rig_close(&rig);
}

#define SHIFTED(keys) \
    "model = ( { type = \"model_odd\"; fault = \"shifted\"; name = \"odd\"; " keys "} );"

static void assert_bias(const model_rig *rig, double first, double second)
{
    const tensor *t = tensor_of(rig, "odd.bias");
    assert_int_equal(t->info.size, 8);
    for (size_t i = 0; i < 8; i++)
        assert_true(rig->m->w[t->offset + i] == (float)(i < 4 ? first : second));
}

/* An LSTM that remembers at first is one whose second quarter of the bias is 1, say. */
static void test_plan__shifts_first_values_block_by_block(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig, SHIFTED(""), vector_of(6));
    assert_bias(&rig, 1.25, -0.5);
    assert_all(&rig, "odd.recurrent", 1.0f);
    rig_close(&rig);
    rig_make(&rig, SHIFTED("bias_init = { type = \"constant\"; value = 0.375; }; "), vector_of(6));
    assert_bias(&rig, 1.625, -0.125);
    rig_close(&rig);
}

static void test_plan__initialises_recurrent_weights_apart(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig, SHIFTED("init = { type = \"constant\"; value = 0.375; }; "), vector_of(6));
    assert_all(&rig, "odd.weight", 0.375f);
    assert_all(&rig, "odd.table", 0.375f);
    assert_all(&rig, "odd.recurrent", 1.0f);
    rig_close(&rig);
    rig_make(
        &rig, SHIFTED("recurrent_init = { type = \"constant\"; value = -0.75; }; "), vector_of(6));
    assert_all(&rig, "odd.weight", 1.0f);
    assert_all(&rig, "odd.table", 1.0f);
    assert_all(&rig, "odd.recurrent", -0.75f);
    assert_bias(&rig, 1.25, -0.5);
    rig_close(&rig);
}

/* First values are keyed by seed and tensor name, so another layer before changes nothing. */
static void test_plan__first_values_depend_on_the_name_alone(void **state)
{
    (void)state;
    model_rig one, two;
    rig_make(&one, "model = ( { type = \"dense\"; name = \"out\"; units = 5; } );", vector_of(6));
    rig_make(&two,
        "model = ( { type = \"dense\"; name = \"hidden\"; units = 6; },\n"
        "  { type = \"dense\"; name = \"out\"; units = 5; } );",
        vector_of(6));
    const float *a = one.m->w + tensor_of(&one, "out.weight")->offset,
                *b = two.m->w + tensor_of(&two, "out.weight")->offset,
                *c = two.m->w + tensor_of(&two, "hidden.weight")->offset;
    assert_memory_equal(a, b, 30 * sizeof *a);
    assert_memory_not_equal(a, c, 30 * sizeof *a);
    rig_close(&one);
    rig_close(&two);
}

static void test_plan__knows_when_samples_are_coupled(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig,
        "model = ( { type = \"dense\"; units = 3; },\n"
        "  { type = \"model_odd\"; fault = \"couples\"; name = \"norm\"; } );",
        vector_of(6));
    assert_true(rig.m->couples_samples);
    assert_false(rig.m->layers[0].couples_samples);
    assert_true(rig.m->layers[1].couples_samples);
    assert_int_equal(rig.m->n_buffers, 1);
    assert_string_equal(rig.m->buffers[0].name, "norm.running_mean");
    assert_string_equal(rig.m->buffers[0].export_name, "norm.kept");
    assert_int_equal(rig.m->buffers[0].n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(rig.m->b[i] == 0.625f);
    rig_close(&rig);
    rig_make(&rig, "model = ( { type = \"model_odd\"; } );", vector_of(6));
    assert_false(rig.m->couples_samples);
    rig_close(&rig);
}

typedef struct refused {
    status code;
    const char *source, *message;
} refused;

static const refused keys_refused[] = {
    { E_UNKNOWN, "model = ( \"relu\",\n { type = \"dense\"; units = 3; tie = \"nobody\"; } );",
        "x.cfg:2: model[1]: layer \"dense1\" (dense): `tie = \"nobody\"`: no earlier layer of that "
        "name "
        "has "
        "a parameter that this one can share" },
    { E_UNKNOWN,
        "model = ( { type = \"dense\"; units = 6; },\n"
        " { type = \"dense\"; units = 6; tie = \"dense1.bia\"; } );",
        "x.cfg:2: model[1]: layer \"dense2\" (dense): `tie = \"dense1.bia\"`: no earlier layer of "
        "that "
        "name "
        "has a parameter that this one can share" },
    { E_UNKNOWN, "model = ( { type = \"relu\"; tie = \"relu1\"; } );",
        "x.cfg:1: model[0]: layer \"relu1\" (relu): `tie = \"relu1\"`: no earlier layer of that "
        "name has a "
        "parameter that this one can share" },
    { E_SHAPE,
        "model = ( { type = \"dense\"; units = 4; },\n"
        " { type = \"dense\"; units = 5; tie = \"dense1\"; } );",
        "x.cfg:2: model[1]: layer \"dense2\" (dense): `tie`: dense1.weight has 6 x 4 numbers and "
        "cannot "
        "stand for this layer's weight" },
    { E_RANGE, "model = ( { type = \"dense\"; units = 4;\n lr_scale = -0.5; } );",
        "x.cfg:1: model[0]: layer \"dense1\" (dense): lr_scale: expected a number >= 0, found "
        "-0.5" },
    { E_TYPE, "model = ( { type = \"dense\"; units = 4;\n lr_scale = \"x\"; } );",
        "x.cfg:2: model[0].lr_scale: expected a real number, found \"x\"" },
    { E_TYPE, "model = ( { type = \"dense\"; units = 4;\n trainable = 1; } );",
        "x.cfg:2: model[0].trainable: expected true or false, found 1" },
    { E_TYPE, "model = ( { type = \"dense\"; units = 4;\n tie = 1; } );",
        "x.cfg:2: model[0].tie: expected a string, found 1" },
    { E_UNKNOWN, "model = ( { type = \"dense\"; units = 4;\n init = \"he_norml\"; } );",
        "x.cfg:2: unknown initialiser \"he_norml\": did you mean \"he_normal\"?" },
    { E_CONFLICT, "model = ( \"relu\",\n { type = \"tanh\"; init = \"ones\"; } );",
        "x.cfg:2: model[1]: layer \"tanh1\" (tanh): `init` is set, but this layer has no "
        "parameters" },
    { E_CONFLICT, "model = ( \"relu\",\n { type = \"tanh\"; recurrent_init = \"ones\"; } );",
        "x.cfg:2: model[1]: layer \"tanh1\" (tanh): `recurrent_init` is set, but this layer has no "
        "recurrent weights" },
    { E_CONFLICT, "model = ( { type = \"dense\"; units = 3; recurrent_init = \"orthogonal\"; } );",
        "x.cfg:1: model[0]: layer \"dense1\" (dense): `recurrent_init` is set, but this layer has "
        "no "
        "recurrent weights" },
    { E_UNKNOWN, "model = ( { type = \"dense\"; units = 4;\n recurrent_init = \"orthogonl\"; } );",
        "x.cfg:2: unknown initialiser \"orthogonl\": did you mean \"orthogonal\"?" },
    { E_CONFLICT, "model = ( \"relu\",\n { type = \"tanh\"; bias_init = \"ones\"; } );",
        "x.cfg:2: model[1]: layer \"tanh1\" (tanh): `bias_init` is set, but this layer has no "
        "bias" },
    { E_CONFLICT,
        "model = ( { type = \"dense\"; units = 3;\n bias = false; bias_init = \"ones\"; } );",
        "x.cfg:1: model[0]: layer \"dense1\" (dense): `bias_init` is set, but this layer has no "
        "bias" },
    { E_SHAPE, "model = ( \"relu\",\n { type = \"add\"; from = \"relu1\"; } );",
        "x.cfg:2: model[1]: layer \"add1\" (add): adds two or more inputs: name them, as in from = "
        "( \"a\", \"b\" "
        ")" },
};

static void test_plan__refuses_keys_that_do_not_fit(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof keys_refused / sizeof keys_refused[0]; i++) {
        const refused *row = &keys_refused[i];
        assert_refused(row->source, vector_of(6), row->code, row->message);
    }
}

/* What the message says after `x.cfg:2: model[1]: layer "odd" (model_odd): `. */
static const struct {
    const char *fault;
    status code;
    const char *message;
} faults[] = {
#define NO_SENSE "a parameter's declaration makes no sense (name, role, layout, dimensions, blocks)"
    { "no_output", E_PLUGIN, "its plan gives no output shape" },
    { "zero_output", E_SHAPE, "its output has a dimension of 0 or is too large" },
    { "huge_output", E_SHAPE, "its output has a dimension of 0 or is too large" },
    { "unknown_time", E_PLUGIN, "its plan changes time in an unknown way" },
    { "nameless_parameter", E_PLUGIN, NO_SENSE },
    { "zero_parameter", E_PLUGIN, NO_SENSE },
    { "huge_parameter", E_PLUGIN, NO_SENSE },
    { "sizeless_parameter", E_PLUGIN, NO_SENSE },
    { "unknown_role", E_PLUGIN, NO_SENSE },
    { "odd_blocks", E_PLUGIN, NO_SENSE },
    { "parameter_twice", E_PLUGIN, "declares two parameters of one name" },
    { "exported_twice", E_PLUGIN, "declares two parameters of one name" },
    { "many_parameters", E_PLUGIN, "too many parameters (at most 32)" },
    { "nameless_buffer", E_PLUGIN, "a buffer's declaration makes no sense (name, size, number)" },
    { "empty_buffer", E_PLUGIN, "a buffer's declaration makes no sense (name, size, number)" },
    { "buffer_twice", E_PLUGIN, "declares two buffers, or a buffer and a parameter, of one name" },
    { "buffer_like_parameter", E_PLUGIN,
        "declares two buffers, or a buffer and a parameter, of one name" },
    { "nameless_carry", E_PLUGIN, "a carried state's declaration makes no sense" },
    { "many_saved", E_PLUGIN, "declares too much memory of one kind (at most 32 pieces)" },
    { "odd_macs", E_PLUGIN, "its plan counts multiply-accumulates that make no sense" },
    { "refusal_ignored", E_PLUGIN, NO_SENSE },
    { "odd_shift", E_PLUGIN,
        "its parameter \"bias\" shifts the first values of block 1 by nan, expected at most 1e30 "
        "either way" },
    { "huge_shift", E_PLUGIN,
        "its parameter \"bias\" shifts the first values of block 1 by -2e+30, expected at most "
        "1e30 "
        "either way" },
};

static void test_plan__refuses_plans_that_break_the_contract(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        char source[256], message[512];
        snprintf(source, sizeof source,
            "model = ( { type = \"dense\"; units = 3; },\n"
            "  { type = \"model_odd\"; name = \"odd\"; fault = \"%s\"; } );",
            faults[i].fault);
        snprintf(message, sizeof message, "x.cfg:2: model[1]: layer \"odd\" (model_odd): %s",
            faults[i].message);
        assert_refused(source, vector_of(6), faults[i].code, message);
    }
}

static void test_plan__refuses_to_join_a_sequence_with_a_step(void **state)
{
    (void)state;
    assert_refused("model = ( { type = \"dense\"; units = 3; },\n"
                   "  { type = \"model_odd\"; fault = \"last_step\"; name = \"last\"; },\n"
                   "  { type = \"add\"; from = ( \"last\", \"dense1\" ); } );",
        vector_of(6), E_SHAPE,
        "x.cfg:3: model[2]: layer \"add1\" (add): its inputs differ in time: one is a sequence, "
        "another a "
        "single step");
}

static void test_plan__names_a_plugin_that_answers_nonsense(void **state)
{
    (void)state;
    assert_refused("model = ( { type = \"model_odd\"; fault = \"strange_code\"; } );", vector_of(6),
        E_PLUGIN,
        "x.cfg:1: model[0]: layer \"model_odd1\" (model_odd): plan returned -4711, which is no "
        "code of the plugin ABI: return ASSAY_OK, or what host->fail returns");
    assert_refused(
        "model = ( { type = \"model_odd\"; name = \"odd\"; fault = \"unknown_init\"; } );",
        vector_of(6), E_PLUGIN,
        "x.cfg:1: model[0]: layer \"odd\" (model_odd): its parameter \"scale\" wants the "
        "initialiser "
        "\"hee_normal\", which there is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan__infers_shapes_layer_by_layer),
        cmocka_unit_test(test_plan__dense_takes_all_dimensions_of_its_input),
        cmocka_unit_test(test_plan__describes_each_tensor),
        cmocka_unit_test(test_plan__a_single_layer_is_the_output),
        cmocka_unit_test(test_plan__takes_a_plugins_description),
        cmocka_unit_test(test_plan__aligns_tensors_and_leaves_zeros_between),
        cmocka_unit_test(test_plan__reads_trainable_and_lr_scale),
        cmocka_unit_test(test_plan__ties_tensors_of_one_shape),
        cmocka_unit_test(test_plan__ties_a_matrix_of_the_transposed_shape),
        cmocka_unit_test(test_plan__initialises_as_the_layers_block_says),
        cmocka_unit_test(test_plan__shifts_first_values_block_by_block),
        cmocka_unit_test(test_plan__initialises_recurrent_weights_apart),
        cmocka_unit_test(test_plan__first_values_depend_on_the_name_alone),
        cmocka_unit_test(test_plan__knows_when_samples_are_coupled),
        cmocka_unit_test(test_plan__refuses_keys_that_do_not_fit),
        cmocka_unit_test(test_plan__refuses_plans_that_break_the_contract),
        cmocka_unit_test(test_plan__refuses_to_join_a_sequence_with_a_step),
        cmocka_unit_test(test_plan__names_a_plugin_that_answers_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
