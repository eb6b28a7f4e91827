/* Weight files: PyTorch's names and shapes out, everything back bit for bit, and files that belong to another model. */
#include "model/weights.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include "model_rig.h"

#define PYTHON "/usr/bin/python3"

/* A matrix and a bias, a plugin's recurrent matrix and gain, a buffer, a matrix that another layer shares. */
#define MODEL \
    "model = ( { type = \"dense\"; name = \"fc1\"; units = 3; },\n" \
    "  { type = \"model_odd\"; name = \"cell\"; fault = \"state\"; },\n" \
    "  { type = \"model_odd\"; name = \"norm\"; fault = \"couples\"; },\n" \
    "  { type = \"dense\"; name = \"fc2\"; units = 5; tie = \"fc1\"; } );"

enum { N_IN = 5 };

static char dir[] = "/tmp/test_weights.XXXXXX";

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

static void save(model_rig *rig, const float *w, const char *name)
{
    const array_note notes[] = { { "step", "731" }, { "why", "a \"test\"" } };
    if (weights_save(rig->m, w, path_of(name), notes, 2, &rig->err) != OK)
        GIVE_UP("%s", rig->err.text);
}

static void make(model_rig *rig)
{
    rig_make(rig, MODEL, vector_of(N_IN));
    for (size_t i = 0; i < 3; i++)
        rig->m->b[i] = 2.385f - 0.731f * (float)i;
}

static safetensors *open_file(const char *name)
{
    safetensors *file = NULL;
    error err = { 0 };
    if (safetensors_open(path_of(name), &file, &err) != OK) GIVE_UP("%s", err.text);
    return file;
}

static void assert_array(
    const safetensors *file, const char *name, size_t n_dims, size_t first, size_t second)
{
    const array *a = safetensors_find(file, name);
    if (!a) GIVE_UP("no \"%s\" in the file", name);
    assert_int_equal(a->dtype, ARRAY_F32);
    assert_int_equal(a->n_dims, n_dims);
    assert_int_equal(a->dim[0], first);
    if (n_dims == 2) assert_int_equal(a->dim[1], second);
}

static void test_weights_save__has_pytorchs_names_and_shapes(void **state)
{
    (void)state;
    model_rig rig;
    make(&rig);
    save(&rig, NULL, "w.safetensors");
    safetensors *file = open_file("w.safetensors");
    assert_int_equal(safetensors_count(file), 6);
    assert_array(file, "fc1.weight", 2, 3, 5); /* [out, in] */
    assert_array(file, "fc1.bias", 1, 3, 0);
    assert_array(file, "cell.weight_hh_l0", 2, 3, 8); /* its layout is ours */
    assert_array(file, "cell.gain", 1, 5, 0);
    assert_array(file, "norm.kept", 1, 3, 0);
    assert_array(file, "fc2.bias", 1, 5, 0);
    const float *theirs = safetensors_find(file, "fc1.weight")->data;
    const float *ours = rig.m->w + model_find_tensor(rig.m, "fc1.weight")->offset;
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 3; j++)
            assert_true(theirs[j * 5 + i] == ours[i * 3 + j]);
    }
    assert_memory_equal(safetensors_find(file, "norm.kept")->data, rig.m->b, 3 * sizeof(float));
    assert_string_equal(safetensors_metadata(file, "step"), "731");
    assert_string_equal(safetensors_metadata(file, "why"), "a \"test\"");
    safetensors_close(file);
    rig_close(&rig);
}

static void test_weights_save__writes_the_weights_it_is_given(void **state)
{
    (void)state;
    model_rig rig;
    make(&rig);
    float *w = calloc(rig.m->n_flat, sizeof *w);
    assert_non_null(w);
    const tensor *t = model_find_tensor(rig.m, "cell.gain");
    for (size_t i = 0; i < t->info.size; i++)
        w[t->offset + i] = -0.731f;
    save(&rig, w, "given.safetensors");
    safetensors *file = open_file("given.safetensors");
    const float *gain = safetensors_find(file, "cell.gain")->data;
    for (size_t i = 0; i < t->info.size; i++)
        assert_true(gain[i] == -0.731f);
    safetensors_close(file);
    free(w);
    rig_close(&rig);
}

/* Numbers of all kinds, what is between the tensors untouched. */
static void test_weights_load__brings_everything_back_bit_for_bit(void **state)
{
    (void)state;
    model_rig one, two;
    make(&one);
    make(&two);
    float *odd = one.m->w + model_find_tensor(one.m, "fc1.weight")->offset;
    const float values[] = { -0.0f, INFINITY, 1e-42f, 3.4e38f, NAN };
    memcpy(odd + 4, values, sizeof values);
    save(&one, NULL, "all.safetensors");
    memset(two.m->b, 0, 3 * sizeof(float));
    for (size_t i = 0; i < two.m->n_tensors; i++)
        memset(two.m->w + two.m->tensors[i].offset, 0xa5, two.m->tensors[i].info.size * 4);
    if (weights_load(two.m, path_of("all.safetensors"), &two.err) != OK)
        GIVE_UP("%s", two.err.text);
    assert_memory_equal(two.m->w, one.m->w, one.m->n_flat * sizeof(float));
    assert_memory_equal(two.m->b, one.m->b, one.m->n_flat_buffers * sizeof(float));
    rig_close(&one);
    rig_close(&two);
}

static array f64_array(const char *name, const double *data, size_t first, size_t second)
{
    return (array){ .name = name,
        .dtype = ARRAY_F64,
        .n_dims = second ? 2 : 1,
        .dim = { first, second },
        .data = data };
}

static void write_arrays(const char *name, const array *arrays, size_t n)
{
    error err = { 0 };
    if (safetensors_write(path_of(name), arrays, n, NULL, 0, &err) != OK) GIVE_UP("%s", err.text);
}

#define SMALL "model = ( { type = \"dense\"; name = \"fc\"; units = 2; } );"

static void test_weights_load__rounds_doubles(void **state)
{
    (void)state;
    static const double weight[6] = { 0.1, 0.2, 0.3, -1.1, -1.2, 1e-300 }, bias[2] = { 2.385, -7 };
    const array arrays[] = { f64_array("fc.weight", weight, 2, 3),
        f64_array("fc.bias", bias, 2, 0) };
    model_rig rig;
    rig_make(&rig, SMALL, vector_of(3));
    write_arrays("f64.safetensors", arrays, 2);
    if (weights_load(rig.m, path_of("f64.safetensors"), &rig.err) != OK)
        GIVE_UP("%s", rig.err.text);
    const float *w = rig.m->w + model_find_tensor(rig.m, "fc.weight")->offset;
    const float *b = rig.m->w + model_find_tensor(rig.m, "fc.bias")->offset;
    const float expected[6] = { 0.1f, -1.1f, 0.2f, -1.2f, 0.3f, 0.0f };
    assert_memory_equal(w, expected, sizeof expected);
    assert_true(b[0] == 2.385f && b[1] == -7.0f);
    rig_close(&rig);
}

static void assert_not_loaded(
    const char *source, size_t n_in, const char *file, status code, const char *what)
{
    model_rig rig;
    char message[1024];
    rig_make(&rig, source, vector_of(n_in));
    float *before = malloc(rig.m->n_flat * sizeof *before);
    assert_non_null(before);
    memcpy(before, rig.m->w, rig.m->n_flat * sizeof *before);
    assert_int_equal(weights_load(rig.m, path_of(file), &rig.err), code);
    snprintf(message, sizeof message, "%s: %s", path_of(file), what);
    assert_string_equal(rig.err.text, message);
    assert_memory_equal(rig.m->w, before, rig.m->n_flat * sizeof *before);
    free(before);
    rig_close(&rig);
}

static void test_weights_load__lists_all_that_does_not_fit(void **state)
{
    (void)state;
    static const double zeros[6] = { 0 };
    static const int32_t integers[2] = { 0 };
    const array arrays[] = { f64_array("fc.weight", zeros, 3, 2),
        { .name = "fc.bias", .dtype = ARRAY_I32, .n_dims = 1, .dim = { 2 }, .data = integers },
        f64_array("old.weight", zeros, 2, 2), f64_array("old.bias", zeros, 2, 0) };
    write_arrays("other.safetensors", arrays, 4);
    assert_not_loaded(SMALL, 3, "other.safetensors", E_SHAPE,
        "not the weights of this model: fc.weight has shape [3, 2], expected [2, 3]; fc.bias has "
        "type I32, expected F32 or F64; old.bias is not in the model; old.weight is not in the "
        "model");
    write_arrays("half.safetensors", arrays + 2, 1);
    assert_not_loaded(SMALL, 3, "half.safetensors", E_SHAPE,
        "not the weights of this model: fc.weight is missing; fc.bias is missing; old.weight is "
        "not in the model");
}

static void test_weights_load__wants_buffers_too(void **state)
{
    (void)state;
    static const double zeros[4] = { 0 };
    const array wrong[] = { f64_array("norm.kept", zeros, 4, 0) };
    const char *source =
        "model = ( { type = \"model_odd\"; name = \"norm\"; fault = \"couples\"; } );";
    write_arrays("buffers.safetensors", wrong, 1);
    assert_not_loaded(source, 3, "buffers.safetensors", E_SHAPE,
        "not the weights of this model: norm.kept has shape [4], expected [3]");
    write_arrays("none.safetensors", NULL, 0);
    assert_not_loaded(source, 3, "none.safetensors", E_SHAPE,
        "not the weights of this model: norm.kept is missing");
}

static void test_weights_load__passes_over_the_batch_count_of_batch_norm(void **state)
{
    (void)state;
    static const double kept[3] = { 2.385, -0.731, 1.062 };
    const array arrays[] = { f64_array("norm.kept", kept, 3, 0),
        f64_array("norm.num_batches_tracked", kept, 1, 0) };
    model_rig rig;
    rig_make(&rig, "model = ( { type = \"model_odd\"; name = \"norm\"; fault = \"couples\"; } );",
        vector_of(3));
    write_arrays("tracked.safetensors", arrays, 2);
    assert_int_equal(weights_load(rig.m, path_of("tracked.safetensors"), &rig.err), OK);
    assert_float_equal(rig.m->b[1], -0.731, 1e-6);
    rig_close(&rig);
}

static void test_weights_load__says_when_there_is_no_file(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig, SMALL, vector_of(3));
    assert_int_equal(weights_load(rig.m, path_of("nobody.safetensors"), &rig.err), E_IO);
    assert_int_equal(strncmp(rig.err.text, path_of("nobody.safetensors"), strlen(dir)), 0);
    rig_close(&rig);
}

static void test_weights_save__says_when_it_cannot_write(void **state)
{
    (void)state;
    model_rig rig;
    rig_make(&rig, SMALL, vector_of(3));
    assert_int_equal(weights_save(rig.m, NULL, path_of("no/such/folder"), NULL, 0, &rig.err), E_IO);
    rig_close(&rig);
}

/* As anybody would read the file: eight bytes of length, JSON, numbers. */
static const char script[] =
    "import json, struct, sys\n"
    "blob = open(sys.argv[1], 'rb').read()\n"
    "n, = struct.unpack('<Q', blob[:8])\n"
    "header = json.loads(blob[8:8 + n])\n"
    "notes = header.pop('__metadata__')\n"
    "assert notes['step'] == '731' and notes['why'] == 'a \"test\"', notes\n"
    "shapes = {k: (v['dtype'], tuple(v['shape'])) for k, v in header.items()}\n"
    "assert shapes == {'fc1.weight': ('F32', (3, 5)), 'fc1.bias': ('F32', (3,)),\n"
    "    'cell.weight_hh_l0': ('F32', (3, 8)), 'cell.gain': ('F32', (5,)),\n"
    "    'norm.kept': ('F32', (3,)), 'fc2.bias': ('F32', (5,))}, shapes\n"
    "begin, end = header['cell.gain']['data_offsets']\n"
    "assert struct.unpack('<5f', blob[8 + n + begin:8 + n + end]) == (0.375,) * 5\n";

static void test_weights_save__is_read_without_any_library(void **state)
{
    (void)state;
    if (access(PYTHON, X_OK) != 0) {
        print_message("no " PYTHON " to read the file with\n");
        skip();
    }
    model_rig rig;
    error err = { 0 };
    char command[1024], file[256];
    make(&rig);
    save(&rig, NULL, "w.safetensors");
    assert_int_equal(file_write_atomic(path_of("read.py"), script, sizeof script - 1, &err), OK);
    snprintf(file, sizeof file, "%s", path_of("w.safetensors"));
    snprintf(command, sizeof command, PYTHON " '%s' '%s'", path_of("read.py"), file);
    assert_int_equal(system(command), 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_save__has_pytorchs_names_and_shapes),
        cmocka_unit_test(test_weights_save__writes_the_weights_it_is_given),
        cmocka_unit_test(test_weights_load__brings_everything_back_bit_for_bit),
        cmocka_unit_test(test_weights_load__rounds_doubles),
        cmocka_unit_test(test_weights_load__lists_all_that_does_not_fit),
        cmocka_unit_test(test_weights_load__wants_buffers_too),
        cmocka_unit_test(test_weights_load__passes_over_the_batch_count_of_batch_norm),
        cmocka_unit_test(test_weights_load__says_when_there_is_no_file),
        cmocka_unit_test(test_weights_save__says_when_it_cannot_write),
        cmocka_unit_test(test_weights_save__is_read_without_any_library),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
