/* The npy dataset: files that numpy wrote (tests/golden/generate_npy.py), and files that are not what they claim. */
#include "core/data/fixture.h"

enum { N = 5, FEATURES = 3, SIZE = N * FEATURES };

#define GOLDEN TEST_SOURCE_DIR "/tests/golden/npy/"
#define X(file) "type = \"npy\"; x = \"" GOLDEN file "\"; "
#define Y(file) "y = \"" GOLDEN file "\"; "

static const int32_t labels[N] = { 2, 0, 1, 2, 1 };
static const int32_t tokens[SIZE] = { 3, 0, 6, 1, 5, 2, 4, 4, 0, 6, 2, 1, 0, 1, 3 };

/* What the generator makes of element i: exact. */
static float number(int i)
{
    return (float)(37 * i * i - 173 * i + 238) / 64;
}

static void check_numbers(const float *x, int n)
{
    for (int i = 0; i < n; i++) {
        if (x[i] != number(i)) fail_msg("element %d is %g", i, (double)x[i]);
    }
}

static const assay_data *open_view(void **state, const char *inside)
{
    return dataset_view(fixture_open(*state, inside));
}

static const assay_data *check_x(const assay_data *v, uint32_t dtype)
{
    assert_int_equal(v->n_samples, N);
    assert_int_equal(v->x_shape.n_dims, 1);
    assert_int_equal(v->x_shape.dim[0], FEATURES);
    assert_int_equal(v->x_dtype, dtype);
    assert_int_equal(v->x_stride, FEATURES * (dtype == ASSAY_U8 ? 1 : 4));
    if (dtype == ASSAY_F32) check_numbers(v->x, SIZE);
    return v;
}

static void test_npy__float32_is_mapped_and_left_alone(void **state)
{
    const assay_data *v = check_x(open_view(state, X("f4.npy") Y("labels_i8.npy")), ASSAY_F32);
    assert_int_equal(v->x_writable, 0);
    /* a map begins on a page, so the first number lies one header behind it */
    assert_int_equal((uintptr_t)v->x % (uintptr_t)sysconf(_SC_PAGESIZE), 128);
    assert_int_equal(v->target, ASSAY_TARGET_CLASS);
    assert_int_equal(v->n_classes, 3);
    assert_memory_equal(v->label, labels, sizeof(labels));
    assert_int_equal(v->n_files, 2);
    assert_string_equal(v->files[0], GOLDEN "f4.npy");
}

static void test_npy__versions_2_and_3_are_read(void **state)
{
    check_x(open_view(state, X("version2.npy")), ASSAY_F32);
    check_x(open_view(state, X("version3.npy")), ASSAY_F32);
}

static void test_npy__float64_becomes_float32(void **state)
{
    const assay_data *v = check_x(open_view(state, X("f8.npy") Y("labels_u1.npy")), ASSAY_F32);
    assert_int_equal(v->x_writable, 1);
    assert_memory_equal(v->label, labels, sizeof(labels));
}

static void test_npy__bytes_stay_bytes_and_have_a_scale(void **state)
{
    const assay_data *v = check_x(open_view(state, X("u1.npy") "scale = 0.25;"), ASSAY_U8);
    const unsigned char *x = v->x;
    assert_true(v->x_scale == 0.25);
    assert_int_equal(v->x_writable, 0);
    for (int i = 0; i < SIZE; i++)
        assert_int_equal(x[i], 11 + i);
}

static void test_npy__truth_values_are_0_and_1_whatever_the_scale(void **state)
{
    const assay_data *v = check_x(open_view(state, X("b1.npy")), ASSAY_U8);
    const unsigned char *x = v->x;
    assert_true(v->x_scale == 1);
    for (int i = 0; i < SIZE; i++)
        assert_int_equal(x[i], tokens[i] > 2);
}

static void test_npy__integers_are_tokens_where_there_is_a_vocabulary(void **state)
{
    const assay_data *v = check_x(open_view(state, X("i4.npy") "vocabulary = 7;"), ASSAY_I32);
    assert_int_equal(v->vocabulary, 7);
    assert_memory_equal(v->x, tokens, sizeof(tokens));
    v = check_x(open_view(state, X("i8.npy") "vocabulary = 9;"), ASSAY_I32);
    assert_memory_equal(v->x, tokens, sizeof(tokens));
    v = check_x(open_view(state, X("u1.npy") "vocabulary = 26;"), ASSAY_I32);
    assert_int_equal(((const int32_t *)v->x)[SIZE - 1], 25);
    fixture_refuse(*state, X("i8.npy") "vocabulary = 6;", E_PARSE,
        "x: i8.npy: token 6 of sample 0 is outside the vocabulary of 6");
    fixture_refuse(*state, X("i4.npy"), E_UNSUPPORTED, "give vocabulary if they are tokens");
    fixture_refuse(*state, X("f4.npy") "vocabulary = 6;", E_UNSUPPORTED, "tokens are integers");
}

static void test_npy__samples_may_have_four_dimensions(void **state)
{
    const assay_data *v = open_view(state, X("deep.npy"));
    static const uint64_t dim[4] = { 1, 2, 3, 1 };
    assert_int_equal(v->x_shape.n_dims, 4);
    assert_memory_equal(v->x_shape.dim, dim, sizeof(dim));
    check_numbers(v->x, 30);
    assert_int_equal(v->target, ASSAY_TARGET_NONE);
    fixture_refuse(
        *state, X("flat.npy"), E_SHAPE, "x: flat.npy: 1 dimensions where features, [samples, ...]");
}

static void test_npy__floats_are_real_targets(void **state)
{
    const assay_data *v = open_view(state, X("f4.npy") Y("targets.npy"));
    assert_int_equal(v->target, ASSAY_TARGET_REAL);
    assert_int_equal(v->n_targets, 2);
    check_numbers(v->targets, 2 * N);
    v = open_view(state, X("f4.npy") Y("flat.npy"));
    assert_int_equal(v->n_targets, 1);
    check_numbers(v->targets, N);
}

static void test_npy__task_says_what_targets_are(void **state)
{
    const assay_data *v = open_view(state, X("f4.npy") Y("b1.npy") "task = \"binary\";");
    assert_int_equal(v->target, ASSAY_TARGET_BINARY);
    assert_int_equal(v->n_targets, 3);
    assert_true(v->targets[0] == 1 && v->targets[1] == 0 && v->targets[SIZE - 1] == 1);
    v = open_view(state, X("f4.npy") Y("i4.npy") "task = \"real\";");
    assert_int_equal(v->target, ASSAY_TARGET_REAL);
    for (int i = 0; i < SIZE; i++)
        assert_true(v->targets[i] == (float)tokens[i]);
    fixture_refuse(*state, X("f4.npy") Y("i4.npy") "task = \"binary\";", E_PARSE,
        "y: i4.npy: target 0 of sample 0 is 3: binary targets are 0 or 1");
    fixture_refuse(*state, X("f4.npy") Y("flat.npy") "task = \"class\";", E_UNSUPPORTED,
        "y: flat.npy: classes are integers, and these are <f4");
    fixture_refuse(*state, X("f4.npy") Y("i4.npy"), E_SHAPE, "save y.argmax(1)");
}

static void test_npy__classes_may_be_told(void **state)
{
    assert_int_equal(open_view(state, X("f4.npy") Y("labels_i8.npy") "classes = 9;")->n_classes, 9);
    fixture_refuse(*state, X("f4.npy") Y("labels_i8.npy") "classes = 2;", E_PARSE,
        "y: labels_i8.npy: class 2 of sample 0 is outside 0 to 1");
}

/* -- archives -- */

#define ALL(file) \
    X(file "/x_train") \
    Y(file "/y_train") \
    "test_x = \"" GOLDEN file "/x_test\"; test_y = \"" GOLDEN file "/y_test.npy\"; "

static void check_all(void **state, const char *inside)
{
    const dataset *d = fixture_open(*state, inside);
    const assay_data *v = dataset_view(d);
    assert_int_equal(v->n_samples, N + 2);
    assert_int_equal(v->x_writable, 1);
    check_numbers(v->x, SIZE);
    check_numbers((const float *)v->x + SIZE, 2 * FEATURES);
    assert_memory_equal(v->label, labels, sizeof(labels));
    assert_memory_equal(v->label + N, labels, 2 * sizeof(int32_t));
    assert_int_equal(dataset_size(d, PART_TRAIN), N);
    assert_int_equal(dataset_size(d, PART_TEST), 2);
    assert_int_equal(v->n_files, 1);
}

static void test_npz__members_are_named_like_files_in_a_folder(void **state)
{
    check_all(state, ALL("stored.npz"));
    check_all(state, ALL("deflated.npz"));
    check_all(state, ALL("zip64.npz"));
}

static void test_npz__a_single_array_needs_no_name(void **state)
{
    const assay_data *v = check_x(open_view(state, X("single.npz")), ASSAY_F32);
    assert_int_equal(v->x_writable, 1); /* it was inflated for us alone */
    check_x(open_view(state, X("single.npz/data")), ASSAY_F32);
    fixture_refuse(*state, X("stored.npz"), E_RANGE,
        "x: stored.npz: it holds 4 arrays: say which, as in x = \"stored.npz/NAME\"; there is: "
        "x_train, y_train, x_test, y_test");
}

static void test_npz__says_what_is_there(void **state)
{
    fixture_refuse(*state, X("stored.npz/x_tarin"), E_PARSE,
        "x: stored.npz/x_tarin: there is no such array in it; there is: x_train, y_train, x_test");
    fixture_refuse(
        *state, X("f4.npy/x"), E_PARSE, "x: f4.npy/x: there is nothing inside this file");
    fixture_refuse(*state, X("bzip2.npz"), E_UNSUPPORTED, "bzip2.npz: compressed by method 12");
}

static void test_npy__parts_may_have_files_of_their_own(void **state)
{
    const dataset *d = fixture_open(*state,
        X("f4.npy") Y("targets.npy") "validation_x = \"" GOLDEN "f8.npy\"; validation_y = \"" GOLDEN
                                     "targets.npy\"; ");
    assert_int_equal(dataset_size(d, PART_VALIDATION), N);
    check_numbers((const float *)dataset_view(d)->x + SIZE, SIZE);
    check_numbers(dataset_view(d)->targets + 2 * N, 2 * N);
}

static void test_npy__parts_must_fit(void **state)
{
    fixture_refuse(*state, X("f4.npy") "test_x = \"" GOLDEN "deep.npy\";", E_SHAPE,
        "test_x: deep.npy: its samples are of another shape than those of f4.npy");
    fixture_refuse(*state, X("f4.npy") "test_x = \"" GOLDEN "u1.npy\";", E_UNSUPPORTED,
        "test_x: u1.npy: its elements are |u1, and those of f4.npy are <f4");
    fixture_refuse(*state, X("f4.npy") Y("targets.npy") "test_x = \"" GOLDEN "f8.npy\";", E_RANGE,
        "features without targets, where x has some");
    fixture_refuse(*state, X("f4.npy") "test_y = \"" GOLDEN "f8.npy\";", E_RANGE,
        "test_y: targets without features");
    fixture_refuse(*state,
        X("f4.npy") Y("targets.npy") "test_x = \"" GOLDEN "f8.npy\"; test_y = \"" GOLDEN
                                     "flat.npy\";",
        E_SHAPE, "test_y: flat.npy: 1 targets a sample, and targets.npy has 2");
    fixture_refuse(*state, X("deep.npy") Y("deflated.npz/y_test"), E_SHAPE,
        "y: deflated.npz/y_test: 2 targets for 5 samples of deep.npy");
    fixture_refuse(*state, X("f4.npy") Y("deep.npy"), E_SHAPE,
        "y: deep.npy: 5 dimensions where targets, [samples] or [samples, targets], have one or "
        "two");
    fixture_refuse(*state,
        X("f4.npy") Y("deflated.npz/y_test") "test_x = \"" GOLDEN "f4.npy\"; test_y = \"" GOLDEN
                                             "labels_i8.npy\"; split = { validation = 1; };",
        E_SHAPE, "2 targets for 5 samples");
}

/* -- files that are refused -- */

static void test_npy__says_what_it_does_not_read(void **state)
{
    fixture *f = *state;
    fixture_refuse(f, X("big_endian.npy"), E_UNSUPPORTED,
        "x.cfg:2: dataset \"npy\": x: big_endian.npy: its numbers are big-endian (>f4)");
    fixture_refuse(f, X("fortran.npy"), E_UNSUPPORTED, "fortran.npy: it is in Fortran order");
    fixture_refuse(
        f, X("objects.npy"), E_UNSUPPORTED, "objects.npy: its elements are Python objects (|O)");
    fixture_refuse(f, X("half.npy"), E_UNSUPPORTED, "half.npy: elements of type '<f2': convert");
    fixture_refuse(f, X("record.npy"), E_UNSUPPORTED, "record.npy: its elements are structures");
    fixture_refuse(
        f, X("absent.npy"), E_IO, "x: absent.npy: cannot be opened: No such file or directory: /");
    fixture_refuse(f, "type = \"npy\"; x = \"$\";", E_IO, "not a file: /");
}

/* An NPY 1.0 file of that header text and `n_data` bytes of data. */
static void write_npy(fixture *f, const char *header, size_t n_data)
{
    unsigned char out[400] = "\x93NUMPY\x01";
    const size_t n = strlen(header);
    out[8] = (unsigned char)n;
    memcpy(out + 10, header, n);
    fixture_write_bytes(f, "t.npy", out, 10 + n + n_data);
}

#define T "type = \"npy\"; x = \"$/t.npy\";"

static void test_npy__header_is_a_dict_of_three_keys(void **state)
{
    static const struct {
        const char *header, *message;
    } refused[] = {
        { "{'descr': '<f4', 'fortran_order': False, }\n", "shape is missing" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}", "expected a newline" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)} x\n", "more than the dict" },
        { "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 1)}\n", "expected , or }" },
        { "{'descr': '<f4', 'descr': '<f4', 'shape': (2, 1)}\n", "a key given twice" },
        { "{'type': '<f4', 'fortran_order': False, 'shape': (2, 1)}\n", "a key other than" },
        { "{'descr': <f4, 'fortran_order': False, 'shape': (2, 1)}\n", "the type in quotes" },
        { "{'descr': '<f4, }\n", "the type in quotes" },
        { "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 1)}\n", "expected True or False" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': [2, 1]}\n", "expected ( of the" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2 1)}\n", "expected , or ) in" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 1)}\n", "expected a size" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2)}\n", "in a shape of one" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 99999999999999999999)}\n",
            "larger than any file" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 1)}\n",
            "the file ends before its last value" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 0)}\n", "a dimension of size 0" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 1)}\n",
            "the file ends before its last value" },
        { "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1)}\n",
            "has bytes after its last value" },
        { "{'descr': '<f4'; }\n", "expected , or }" },
        { "['descr']\n", "expected {" },
        { "{", "expected a key in quotes" },
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        write_npy(*state, refused[i].header, 8);
        fixture_refuse(*state, T, E_PARSE, refused[i].message);
        fixture_refuse(*state, T, E_PARSE, "x.cfg:2: dataset \"npy\": x: t.npy: ");
    }
    write_npy(*state, "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 2)}\n", 8);
    fixture_refuse(*state, T, E_UNSUPPORTED, "t.npy: more than 5 dimensions, samples included");
    write_npy(*state, "{ \"shape\":(2L,1,) ,'fortran_order':False,'descr':'<f4' }\n", 8);
    assert_int_equal(open_view(state, T)->n_samples, 2);
}

/* A golden file with `n` bytes of it left and byte `place` changed. */
static void spoil(fixture *f, const char *path, size_t place, int byte, size_t cut)
{
    char *bytes = NULL;
    size_t n = 0;
    if (file_read(path, &bytes, &n, &f->err) != OK) fail_msg("%s", f->err.text);
    assert_true(place < n && cut < n);
    bytes[place] = (char)byte;
    fixture_write_bytes(f, "t.npy", bytes, n - cut);
    free(bytes);
}

static void test_npy__damaged_files_are_refused(void **state)
{
    fixture *f = *state;
    spoil(f, GOLDEN "f4.npy", 1, 'n', 0);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: not an NPY file: it does not begin with \\x93NUMPY");
    spoil(f, GOLDEN "f4.npy", 6, 4, 0);
    fixture_refuse(f, T, E_UNSUPPORTED, "x: t.npy: NPY version 4.0");
    spoil(f, GOLDEN "f4.npy", 9, 1, 0);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: ends within its header");
    spoil(f, GOLDEN "version2.npy", 11, 255, 0);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: ends within its header");
    spoil(f, GOLDEN "f4.npy", 0, 0x93, 3);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: the file ends before its last value");
    spoil(f, GOLDEN "f4.npy", 0, 0x93, 187);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: not an NPY file");
    fixture_write_bytes(f, "t.npy", "", 0);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: the file is empty");
    spoil(f, GOLDEN "b1.npy", 130, 2, 0);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: the truth value of element 2 is 2");
    spoil(f, GOLDEN "f8.npy", 128 + 7, 0x7e, 0);
    fixture_refuse(f, T, E_PARSE, "of sample 0 is too large for float32");
    spoil(f, GOLDEN "flat.npy", 128 + 7, 0x7f, 0);
    fixture_refuse(f, "type = \"npy\"; x = \"" GOLDEN "f4.npy\"; y = \"$/t.npy\";", E_PARSE,
        "y: t.npy: target 0 of sample 1 is nan");
}

static void test_npz__damaged_archives_are_refused(void **state)
{
    fixture *f = *state;
    const size_t end = 257 - 22; /* of single.npz */
    spoil(f, GOLDEN "single.npz", 0, 'P', 1);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: a damaged NPZ archive: no end record");
    spoil(f, GOLDEN "single.npz", end + 16, 250, 0);
    fixture_refuse(f, T, E_PARSE, "its directory lies outside of it");
    spoil(f, GOLDEN "single.npz", end + 10, 2, 0);
    fixture_refuse(f, T, E_PARSE, "its directory is no directory");
    spoil(f, GOLDEN "single.npz", end + 10, 0, 0);
    fixture_refuse(f, T, E_PARSE, "its directory has more than its entries");
    spoil(f, GOLDEN "single.npz", end + 4, 1, 0);
    fixture_refuse(f, T, E_UNSUPPORTED, "several volumes");
    spoil(f, GOLDEN "single.npz", 30, 'e', 0);
    fixture_refuse(f, T, E_PARSE, "a member is not where its directory says");
    spoil(f, GOLDEN "single.npz", 28, 255, 0);
    fixture_refuse(f, T, E_PARSE, "a member reaches beyond its end");
    spoil(f, GOLDEN "single.npz", 100, 0x55, 0);
    fixture_refuse(f, T, E_PARSE, "x: t.npy: a damaged NPZ archive: ");
    spoil(f, GOLDEN "stored.npz", 30 + 11 + 20 + 150, 0x55, 0);
    fixture_refuse(f, "type = \"npy\"; x = \"$/t.npy/x_train\";", E_PARSE,
        "x: t.npy/x_train: a damaged NPZ archive: the checksum of a member is wrong");
    spoil(f, GOLDEN "zip64.npz", 1032 - 22 - 20, 0, 0);
    fixture_refuse(f, "type = \"npy\"; x = \"$/t.npy/x_train\";", E_PARSE, "end record of zip64");
    spoil(f, GOLDEN "zip64.npz", 1032 - 22 - 20 - 56, 0, 0);
    fixture_refuse(f, "type = \"npy\"; x = \"$/t.npy/x_train\";", E_PARSE, "end record of zip64");
    fixture_write_bytes(f, "t.npy", "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
    fixture_refuse(f, T, E_PARSE, "a damaged NPZ archive: there is nothing in it");
}

static void test_npz__encrypted_and_overpromising_members_are_refused(void **state)
{
    fixture *f = *state;
    const size_t entry = 257 - 22 - 46 - 8; /* of single.npz: its name is data.npy */
    spoil(f, GOLDEN "single.npz", entry + 8, 1, 0);
    fixture_refuse(f, T, E_UNSUPPORTED, "x: t.npy: it is encrypted");
    spoil(f, GOLDEN "single.npz", entry + 27, 0x40, 0); /* a GiB */
    fixture_refuse(f, T, E_PARSE, "claims more bytes than it can hold");
    spoil(f, GOLDEN "single.npz", entry + 24, 189, 0); /* one more */
    fixture_refuse(f, T, E_PARSE, "a member cannot be inflated");
    spoil(f, GOLDEN "single.npz", entry + 24, 187, 0); /* one less */
    fixture_refuse(f, T, E_PARSE, "a member cannot be inflated");
    spoil(f, GOLDEN "single.npz", entry + 10, 0, 0); /* "stored" */
    fixture_refuse(f, T, E_PARSE, "a stored member of two sizes");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_npy__float32_is_mapped_and_left_alone),
        TEST(test_npy__versions_2_and_3_are_read),
        TEST(test_npy__float64_becomes_float32),
        TEST(test_npy__bytes_stay_bytes_and_have_a_scale),
        TEST(test_npy__truth_values_are_0_and_1_whatever_the_scale),
        TEST(test_npy__integers_are_tokens_where_there_is_a_vocabulary),
        TEST(test_npy__samples_may_have_four_dimensions),
        TEST(test_npy__floats_are_real_targets),
        TEST(test_npy__task_says_what_targets_are),
        TEST(test_npy__classes_may_be_told),
        TEST(test_npz__members_are_named_like_files_in_a_folder),
        TEST(test_npz__a_single_array_needs_no_name),
        TEST(test_npz__says_what_is_there),
        TEST(test_npy__parts_may_have_files_of_their_own),
        TEST(test_npy__parts_must_fit),
        TEST(test_npy__says_what_it_does_not_read),
        TEST(test_npy__header_is_a_dict_of_three_keys),
        TEST(test_npy__damaged_files_are_refused),
        TEST(test_npz__damaged_archives_are_refused),
        TEST(test_npz__encrypted_and_overpromising_members_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
