/* safetensors: files made by struct and json are read, ours are read back by a second reader, and whatever is wrong with a
 * file is said in one line that names it. */
#include "model/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h> /* last: its macro `fail` takes the name of ours */

#define GOLDEN TEST_SOURCE_DIR "/tests/golden/"

static char folder[256], file[300];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/test_safetensors_XXXXXX");
    if (!mkdtemp(folder)) return -1;
    snprintf(file, sizeof file, "%s/x.safetensors", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(file);
    return rmdir(folder);
}

static void write_bytes(const void *data, size_t n)
{
    unlink(file); /* emptying a file and closing it makes some file systems sync */
    FILE *f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* A file of this length field, header and `n_data` bytes of data. */
static void write_file(uint64_t length, const char *header, size_t n_header, size_t n_data)
{
    char bytes[4096];
    assert_true(8 + n_header + n_data <= sizeof bytes);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, n_header);
    memset(bytes + 8 + n_header, 7, n_data);
    write_bytes(bytes, 8 + n_header + n_data);
}

static safetensors *open_file(const char *path)
{
    safetensors *s = NULL;
    error err = { 0 };
    if (safetensors_open(path, &s, &err) != OK) fail_msg("%s", err.text);
    return s;
}

/* Opening fails with this code and exactly "path: message". */
static void assert_refused(status code, const char *message)
{
    safetensors *s = NULL;
    error err = { 0 };
    char expected[ERROR_TEXT_BYTES + 300];
    snprintf(expected, sizeof expected, "%s: %s", file, message);
    const status st = safetensors_open(file, &s, &err);
    if (st == OK) {
        safetensors_close(s);
        fail_msg("opened, expected: %s", message);
    }
    assert_string_equal(err.text, expected);
    assert_string_equal(status_name(st), status_name(code));
    assert_int_equal(err.code, code);
    assert_null(s);
}

static void refused(const char *header, size_t n_data, status code, const char *message)
{
    write_file(strlen(header), header, strlen(header), n_data);
    assert_refused(code, message);
}

static const array *get(const safetensors *s, const char *name, const char *dtype, size_t n_dims)
{
    const array *a = safetensors_find(s, name);
    assert_non_null(a);
    assert_string_equal(a->name, name);
    assert_string_equal(a->dtype_name, dtype);
    assert_int_equal(a->n_dims, n_dims);
    return a;
}

static void test_open__reads_every_dtype_of_a_file_made_by_python(void **state)
{
    (void)state;
    safetensors *s = open_file(GOLDEN "safetensors_mixed.safetensors");
    const array *a = get(s, "fc1.weight", "F32", 2);
    const float weight[] = { 0.5f, -1.25f, 3.5f, 7.75f, -0.125f, 9.0f };
    assert_int_equal(a->dim[0], 2);
    assert_int_equal(a->dim[1], 3);
    assert_int_equal(a->n, 6);
    assert_memory_equal(a->data, weight, sizeof weight);
    const double big[] = { 2.385, -0.731 };
    assert_memory_equal(get(s, "big", "F64", 1)->data, big, sizeof big);
    const int64_t offsets[] = { -5, 7, -(INT64_C(1) << 62) };
    assert_memory_equal(get(s, "offsets", "I64", 1)->data, offsets, sizeof offsets);
    const int32_t labels[] = { -17, INT32_MAX };
    assert_memory_equal(get(s, "labels", "I32", 2)->data, labels, sizeof labels);
    const uint64_t steps = UINT64_MAX - 2;
    a = get(s, "steps", "U64", 0);
    assert_int_equal(a->n, 1);
    assert_memory_equal(a->data, &steps, sizeof steps);
    assert_memory_equal(get(s, "bytes", "U8", 1)->data, "\3\1\4\1\5", 5);
    a = get(s, "empty", "F32", 2);
    assert_int_equal(a->n, 0);
    assert_int_equal(a->bytes, 0);
    safetensors_close(s);
}

static void test_open__lists_dtypes_it_only_knows_the_size_of(void **state)
{
    (void)state;
    safetensors *s = open_file(GOLDEN "safetensors_mixed.safetensors");
    const struct {
        const char *name, *dtype;
        size_t n_dims, bytes;
    } others[] = { { "half", "F16", 1, 6 }, { "brain", "BF16", 1, 2 }, { "mask", "BOOL", 2, 2 } };
    for (size_t i = 0; i < 3; i++) {
        const array *a = get(s, others[i].name, others[i].dtype, others[i].n_dims);
        assert_int_equal(a->dtype, ARRAY_OTHER);
        assert_int_equal(a->bytes, others[i].bytes);
    }
    safetensors_close(s);
}

static void test_open__decodes_escapes_in_names_and_metadata(void **state)
{
    (void)state;
    safetensors *s = open_file(GOLDEN "safetensors_mixed.safetensors");
    const float x = 4.75f;
    const array *a = get(s, "caf\xC3\xA9 \xF0\x9F\x98\x80 \"x\"\n", "F32", 1);
    assert_memory_equal(a->data, &x, sizeof x);
    assert_string_equal(safetensors_metadata(s, "format"), "pt");
    assert_string_equal(safetensors_metadata(s, "note"), "tab\there, slash/ and \xE2\x82\xAC");
    assert_null(safetensors_metadata(s, "missing"));
    safetensors_close(s);

    const char header[] = "{\"\\u0041\\/\\\\\\b\\f\\r\\uD83D\\uDE00\":"
                          "{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]}}";
    write_file(sizeof header - 1, header, sizeof header - 1, 1);
    s = open_file(file);
    assert_non_null(safetensors_find(s, "A/\\\b\f\r\xF0\x9F\x98\x80"));
    safetensors_close(s);
}

static void test_open__hands_out_tensors_by_rising_name(void **state)
{
    (void)state;
    safetensors *s = open_file(GOLDEN "safetensors_mixed.safetensors");
    assert_int_equal(safetensors_count(s), 11);
    for (size_t i = 1; i < safetensors_count(s); i++) {
        assert_true(strcmp(safetensors_at(s, i - 1)->name, safetensors_at(s, i)->name) < 0);
        assert_ptr_equal(safetensors_find(s, safetensors_at(s, i)->name), safetensors_at(s, i));
    }
    assert_null(safetensors_at(s, 11));
    assert_null(safetensors_find(s, "fc1.weigh"));
    safetensors_close(s);
}

static void test_open__aligns_what_an_early_writer_left_unaligned(void **state)
{
    (void)state;
    safetensors *s = open_file(GOLDEN "safetensors_unaligned.safetensors");
    const void *data = NULL;
    error err = { 0 };
    assert_int_equal(safetensors_get(s, "w", ARRAY_F32, 2, &data, &err), OK);
    const float *w = data;
    assert_int_equal((uintptr_t)data % sizeof *w, 0);
    assert_true(w[0] == 1.5f && w[1] == -2.75f);
    assert_int_equal(safetensors_get(s, "d", ARRAY_F64, 1, &data, &err), OK);
    const double *d = data;
    assert_int_equal((uintptr_t)data % sizeof *d, 0);
    assert_true(d[0] == 6.125);
    safetensors_close(s);
}

static void test_open__takes_no_tensors_and_spaces_at_the_end(void **state)
{
    (void)state;
    write_file(2, "{}", 2, 0);
    safetensors *s = open_file(file);
    assert_int_equal(safetensors_count(s), 0);
    assert_null(safetensors_find(s, "x"));
    assert_null(safetensors_metadata(s, "x"));
    safetensors_close(s);
    const char header[] = "{ \"__metadata__\"\t:\n{}\r} ";
    write_file(sizeof header - 1, header, sizeof header - 1, 0);
    safetensors_close(open_file(file));
}

static void test_open__does_not_multiply_large_dimensions_of_an_empty_tensor(void **state)
{
    (void)state;
    const char header[] = "{\"a\":{\"dtype\":\"F64\",\"shape\":[18446744073709551615,"
                          "18446744073709551615,0],\"data_offsets\":[0,0]}}";
    write_file(sizeof header - 1, header, sizeof header - 1, 0);
    safetensors *s = open_file(file);
    assert_int_equal(safetensors_find(s, "a")->n, 0);
    safetensors_close(s);
}

static void test_open__names_a_file_that_is_not_there(void **state)
{
    (void)state;
    unlink(file);
    assert_refused(E_IO, "cannot open: No such file or directory");
    error err = { 0 };
    safetensors *s = NULL;
    assert_int_equal(safetensors_open(folder, &s, &err), E_IO);
}

static void test_open__refuses_a_file_too_short_for_its_header(void **state)
{
    (void)state;
    write_bytes("", 0);
    assert_refused(E_CORRUPT, "got 0 bytes, expected at least 8 for the header's length");
    write_bytes("\2\0\0", 3);
    assert_refused(E_CORRUPT, "got 3 bytes, expected at least 8 for the header's length");
    write_file(3, "{}", 2, 0);
    assert_refused(E_CORRUPT, "header length is 3, but only 2 bytes follow: the file was cut off");
    write_file(100000000, "{}", 2, 0);
    assert_refused(
        E_CORRUPT, "header length is 100000000, but only 2 bytes follow: the file was cut off");
    write_file(100000001, "{}", 2, 0);
    assert_refused(E_CORRUPT,
        "header length is 100000001, expected at most 100000000: not a safetensors file?");
    write_file(UINT64_MAX, "{}", 2, 0);
    assert_refused(E_CORRUPT,
        "header length is 18446744073709551615, expected at most 100000000: not a safetensors "
        "file?");
}

static void test_open__refuses_a_header_that_does_not_begin_with_a_brace(void **state)
{
    (void)state;
    write_file(0, "", 0, 0);
    assert_refused(E_PARSE, "header of 0 bytes does not begin with \"{\"");
    refused(" {}", 0, E_PARSE, "header of 3 bytes does not begin with \"{\"");
    refused("[]", 0, E_PARSE, "header of 2 bytes does not begin with \"{\"");
}

#define ENTRY(name, rest) "{\"" name "\":{" rest "}}"
#define A_U8 "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}"

static void test_open__refuses_what_is_not_json(void **state)
{
    (void)state;
    refused("{", 0, E_PARSE, "header ends, expected a string");
    refused("{\"a\"", 0, E_PARSE, "header ends, expected \":\"");
    refused("{\"a", 0, E_PARSE, "header ends, expected the end of a string");
    refused("{\"a\":", 0, E_PARSE, "header ends, expected an object");
    refused("{} x", 0, E_PARSE, "header byte 3: got \"x\", expected nothing but spaces behind it");
    refused("{}\n", 0, E_PARSE, "header byte 2: got \"?\", expected nothing but spaces behind it");
    refused("{" A_U8 ",}", 1, E_PARSE, "header byte 53: got \"}\", expected a string");
    refused(
        "{" A_U8 " " A_U8 "}", 1, E_PARSE, "header byte 53: got \"\"\", expected \",\" or \"}\"");
    refused("{\"a\" 1}", 0, E_PARSE, "header byte 5: got \"1\", expected \":\"");
    refused("{'a':1}", 0, E_PARSE, "header byte 1: got \"'\", expected a string");
    refused("{\"a\":null}", 0, E_PARSE, "header byte 5: got \"n\", expected an object");
    refused("{\"a\":{\"dtype\":7}}", 0, E_PARSE, "header byte 14: got \"7\", expected a string");
}

static void test_open__refuses_strings_that_are_not_text(void **state)
{
    (void)state;
    refused("{\"a\xFF\":{}}", 0, E_PARSE, "header byte 3: got \"?\", expected UTF-8");
    refused("{\"\xC0\xAF\":{}}", 0, E_PARSE, "header byte 2: got \"?\", expected UTF-8");
    refused("{\"\xED\xA0\x80\":{}}", 0, E_PARSE, "header byte 2: got \"?\", expected UTF-8");
    refused("{\"a\nb\":{}}", 0, E_PARSE,
        "header byte 3: got \"?\", expected no bare control character in a string");
    refused("{\"\\x41\":{}}", 0, E_PARSE,
        "header byte 3: got \"x\", expected one of \" \\ / b f n r t u after a backslash");
    refused("{\"\\u12G4\":{}}", 0, E_PARSE,
        "header byte 6: got \"G\", expected four hexadecimal digits after \\u");
    refused("{\"\\u0000\":{}}", 0, E_PARSE, "header byte 2: got a NUL in a string, expected text");
    refused("{\"\\uD83D\":{}}", 0, E_PARSE, "header byte 2: got a lone surrogate, expected a pair");
    refused("{\"\\uDE00\\uD83D\":{}}", 0, E_PARSE,
        "header byte 2: got a lone surrogate, expected a pair");
    refused("{\"\\uD83D\\u0041\":{}}", 0, E_PARSE,
        "header byte 2: got a lone surrogate, expected a pair");
}

static void test_open__refuses_numbers_that_are_not_whole(void **state)
{
    (void)state;
    refused(ENTRY("a", "\"shape\":[-1]"), 0, E_PARSE,
        "header byte 15: got \"-\", expected a whole number, not negative");
    refused(ENTRY("a", "\"shape\":[1.5]"), 0, E_PARSE,
        "header byte 16: got \".\", expected \",\" or \"]\"");
    refused(ENTRY("a", "\"shape\":[1e3]"), 0, E_PARSE,
        "header byte 16: got \"e\", expected \",\" or \"]\"");
    refused(ENTRY("a", "\"shape\":[007]"), 0, E_PARSE,
        "header byte 15: got a leading 0, expected a whole number");
    refused(ENTRY("a", "\"shape\":[18446744073709551616]"), 0, E_PARSE,
        "header byte 15: got a number above 2^64 - 1");
    refused(ENTRY("a", "\"shape\":[1,]"), 0, E_PARSE,
        "header byte 17: got \"]\", expected a whole number, not negative");
    refused(ENTRY("a", "\"shape\":[[1]]"), 0, E_PARSE,
        "header byte 15: got \"[\", expected a whole number, not negative");
}

static void test_open__is_not_impressed_by_deep_nesting(void **state)
{
    (void)state;
    char header[2000] = "{\"a\":";
    memset(header + 5, '[', sizeof header - 5);
    write_file(sizeof header, header, sizeof header, 0);
    assert_refused(E_PARSE, "header byte 5: got \"[\", expected an object");
    memset(header, '{', sizeof header);
    write_file(sizeof header, header, sizeof header, 0);
    assert_refused(E_PARSE, "header byte 1: got \"{\", expected a string");
}

static void test_open__refuses_incomplete_and_foreign_entries(void **state)
{
    (void)state;
    refused(ENTRY("a", "\"shape\":[1],\"data_offsets\":[0,1]"), 1, E_PARSE,
        "tensor \"a\": key \"dtype\" is missing");
    refused(ENTRY("a", "\"dtype\":\"U8\",\"data_offsets\":[0,1]"), 1, E_PARSE,
        "tensor \"a\": key \"shape\" is missing");
    refused(ENTRY("a", "\"dtype\":\"U8\",\"shape\":[1]"), 1, E_PARSE,
        "tensor \"a\": key \"data_offsets\" is missing");
    refused(ENTRY("a", "\"dtype\":\"U8\",\"strides\":[1]"), 1, E_PARSE,
        "tensor \"a\": unknown key \"strides\", expected \"dtype\", \"shape\" and "
        "\"data_offsets\"");
    refused(ENTRY("a", "\"dtype\":\"U8\",\"dtype\":\"U8\""), 1, E_PARSE,
        "tensor \"a\": key \"dtype\" appears twice");
    refused(ENTRY("a", "\"data_offsets\":[0]"), 1, E_PARSE,
        "tensor \"a\": data_offsets has fewer than two numbers");
    refused(ENTRY("a", "\"data_offsets\":[0,1,2]"), 1, E_PARSE,
        "tensor \"a\": data_offsets has more than two numbers");
}

static void test_open__refuses_what_it_does_not_support_by_name(void **state)
{
    (void)state;
    refused(ENTRY("a", "\"dtype\":\"F8_E4M3\""), 1, E_UNSUPPORTED,
        "tensor \"a\": dtype \"F8_E4M3\" is not supported, expected one of BOOL U8 I8 I16 U16 F16 "
        "BF16 I32 U32 F32 F64 I64 U64");
    refused(ENTRY("a", "\"dtype\":\"f32\""), 1, E_UNSUPPORTED,
        "tensor \"a\": dtype \"f32\" is not supported, expected one of BOOL U8 I8 I16 U16 F16 "
        "BF16 I32 U32 F32 F64 I64 U64");
    refused(ENTRY("a", "\"shape\":[1,1,1,1,1,1,1,1,1]"), 1, E_UNSUPPORTED,
        "tensor \"a\": more than 8 dimensions are not supported");
}

static void test_open__refuses_names_and_keys_that_appear_twice(void **state)
{
    (void)state;
    refused("{" A_U8 ",\"\\u0061\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2,
        E_CORRUPT, "tensor \"a\" appears twice, expected unique names");
    refused("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, E_CORRUPT,
        "metadata key \"k\" appears twice, expected unique keys");
    refused("{\"__metadata__\":{},\"__metadata__\":{}}", 0, E_CORRUPT,
        "key \"__metadata__\" appears twice");
    refused(
        "{\"__metadata__\":{\"k\":1}}", 0, E_PARSE, "header byte 21: got \"1\", expected a string");
}

static void test_open__refuses_ranges_that_do_not_fit_type_and_shape(void **state)
{
    (void)state;
    refused(ENTRY("a", "\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]"), 8, E_CORRUPT,
        "tensor \"a\": data_offsets hold 8 bytes, expected 12 for its F32 and shape");
    refused(ENTRY("a", "\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,1]"), 1, E_CORRUPT,
        "tensor \"a\": data_offsets hold 1 bytes, expected 0 for its U8 and shape");
    refused(ENTRY("a", "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]"), 1, E_CORRUPT,
        "tensor \"a\": data_offsets [1, 0] end before they begin");
    refused(
        ENTRY("a",
            "\"dtype\":\"U8\",\"shape\":[4294967296,4294967297],\"data_offsets\":[0,4294967296]"),
        1, E_CORRUPT, "tensor \"a\": its shape has more elements than memory could hold");
    refused(ENTRY("a", "\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]"),
        0, E_CORRUPT, "tensor \"a\": its shape has more elements than memory could hold");
}

#define U8_ENTRY(name, n, begin, end) \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" n "],\"data_offsets\":[" begin "," end "]}"

static void test_open__refuses_overlap_holes_and_a_wrong_end(void **state)
{
    (void)state;
    refused("{" U8_ENTRY("b", "3", "2", "5") "," U8_ENTRY("a", "3", "0", "3") "}", 5, E_CORRUPT,
        "tensor \"b\": begins at byte 2 of the data, inside another that ends at 3");
    refused("{" U8_ENTRY("a", "3", "0", "3") "," U8_ENTRY("b", "3", "0", "3") "}", 3, E_CORRUPT,
        "tensor \"b\": begins at byte 0 of the data, inside another that ends at 3");
    refused("{" U8_ENTRY("a", "4", "0", "4") "," U8_ENTRY("z", "0", "2", "2") "}", 4, E_CORRUPT,
        "tensor \"z\": begins at byte 2 of the data, inside another that ends at 4");
    refused("{" U8_ENTRY("a", "3", "0", "3") "," U8_ENTRY("b", "3", "4", "7") "}", 7, E_CORRUPT,
        "tensor \"b\": begins at byte 4 of the data, a hole after 3");
    refused("{" U8_ENTRY("a", "3", "1", "4") "}", 4, E_CORRUPT,
        "tensor \"a\": begins at byte 1 of the data, a hole after 0");
    refused("{" U8_ENTRY("a", "3", "0", "3") "}", 2, E_CORRUPT,
        "got 2 bytes of data, expected 3: the file was cut off");
    refused("{" U8_ENTRY("a", "3", "0", "3") "}", 4, E_CORRUPT,
        "got 4 bytes of data, expected 3: something was appended");
    refused("{" U8_ENTRY("a", "3", "18446744073709551613", "18446744073709551616") "}", 4, E_PARSE,
        "header byte 68: got a number above 2^64 - 1");
    refused("{" U8_ENTRY("a", "3", "18446744073709551612", "18446744073709551615") "}", 4,
        E_CORRUPT, "tensor \"a\": begins at byte 18446744073709551612 of the data, a hole after 0");
}

static void test_open__shortens_a_long_name_to_one_line(void **state)
{
    (void)state;
    char header[600] = "{\"x\\n";
    memset(header + 5, 'y', 500);
    strcpy(header + 505, "\":{}}");
    char message[200] = "tensor \"x?";
    memset(message + 10, 'y', 91);
    strcpy(message + 101, "...\": key \"dtype\" is missing");
    write_file(strlen(header), header, strlen(header), 0);
    assert_refused(E_PARSE, message);
}

static const float weight[] = { 2.385f, -0.731f, 0.0625f, 1e-30f, -7.5f, 3.25f };
static const double moment[] = { 0.1, -2.5 };
static const uint64_t counter[] = { UINT64_MAX - 4 };
static const int32_t label[] = { -3, 70000, 5 };
static const int64_t place[] = { -1, 1 };
static const unsigned char byte[] = { 9, 8, 7 };
static const unsigned char half[] = { 0, 0x3E, 0x80, 0xC0 };

static const array content[] = {
    { .name = "fc1.weight", .dtype = ARRAY_F32, .n_dims = 2, .dim = { 3, 2 }, .data = weight },
    { .name = "a byte", .dtype = ARRAY_U8, .n_dims = 1, .dim = { 3 }, .data = byte },
    { .name = "moment", .dtype = ARRAY_F64, .n_dims = 1, .dim = { 2 }, .data = moment },
    { .name = "counter \xE2\x82\xAC \"q\"\n", .dtype = ARRAY_U64, .data = counter },
    { .name = "label", .dtype = ARRAY_I32, .n_dims = 3, .dim = { 1, 3, 1 }, .data = label },
    { .name = "place", .dtype = ARRAY_I64, .n_dims = 1, .dim = { 2 }, .data = place },
    { .name = "none", .dtype = ARRAY_F32, .n_dims = 2, .dim = { 0, 5 } },
    { .name = "half",
        .dtype = ARRAY_OTHER,
        .dtype_name = "F16",
        .n_dims = 1,
        .dim = { 2 },
        .data = half },
};

static const array_note notes[] = {
    { "step", "42" },
    { "config", "lr = 0.5;\n# \"caf\xC3\xA9\"" },
};

enum { N_CONTENT = sizeof content / sizeof content[0], N_NOTES = 2 };

static void write_content(void)
{
    error err = { 0 };
    if (safetensors_write(file, content, N_CONTENT, notes, N_NOTES, &err) != OK) {
        fail_msg("%s", err.text);
    }
}

/* Whether `s` holds all of `content` and `notes`. */
static bool holds_content(const safetensors *s)
{
    if (safetensors_count(s) != N_CONTENT) return false;
    for (size_t i = 0; i < N_CONTENT; i++) {
        const array *expected = &content[i], *a = safetensors_find(s, expected->name);
        if (!a || a->dtype != expected->dtype || a->n_dims != expected->n_dims) return false;
        if (memcmp(a->dim, expected->dim, sizeof a->dim) != 0) return false;
        if (a->bytes && memcmp(a->data, expected->data, a->bytes) != 0) return false;
    }
    for (size_t i = 0; i < N_NOTES; i++) {
        const char *value = safetensors_metadata(s, notes[i].key);
        if (!value || strcmp(value, notes[i].value) != 0) return false;
    }
    return true;
}

static void test_write__is_read_back_equal_and_aligned(void **state)
{
    (void)state;
    write_content();
    safetensors *s = open_file(file);
    assert_true(holds_content(s));
    assert_int_equal(strlen(safetensors_metadata(s, "checksum")), 32);
    const unsigned char *base = NULL;
    for (size_t i = 0; i < N_CONTENT; i++) {
        const array *a = safetensors_at(s, i);
        if (a->n > 0) assert_int_equal((uintptr_t)a->data % (a->bytes / a->n), 0);
        if (strcmp(a->name, "counter \xE2\x82\xAC \"q\"\n") == 0) base = a->data;
    }
    assert_int_equal((uintptr_t)base % 8, 0); /* F64, I64, U64 come first, by name */
    safetensors_close(s);
}

static void test_write_bytes__are_those_of_the_file(void **state)
{
    (void)state;
    char *expected = NULL;
    size_t n = 0, n_asked = 0, n_written = 0;
    error err = { 0 };
    safetensors *s = NULL;
    write_content();
    assert_int_equal(file_read(file, &expected, &n, &err), OK);
    assert_int_equal(
        safetensors_write_bytes(NULL, 0, content, N_CONTENT, notes, 2, &n_asked, &err), OK);
    assert_int_equal(n_asked, n);
    char *bytes = malloc(n);
    assert_non_null(bytes);
    assert_int_equal(
        safetensors_write_bytes(bytes, n - 1, content, N_CONTENT, notes, 2, &n_written, &err),
        E_RANGE);
    assert_int_equal(
        safetensors_write_bytes(bytes, n, content, N_CONTENT, notes, 2, &n_written, &err), OK);
    assert_int_equal(n_written, n);
    assert_memory_equal(bytes, expected, n);
    assert_int_equal(safetensors_open_bytes("a name", bytes, n, &s, &err), OK);
    assert_true(holds_content(s));
    safetensors_close(s);
    bytes[n - 1] ^= 1;
    assert_int_equal(safetensors_open_bytes("a name", bytes, n, &s, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "a name: checksum"));
    assert_int_equal(safetensors_open_bytes("a name", bytes, n - 1, &s, &err), E_CORRUPT);
    free(bytes);
    free(expected);
}

static void test_write__does_not_depend_on_the_order_of_its_arguments(void **state)
{
    (void)state;
    char *first = NULL, *second = NULL;
    size_t n_first = 0, n_second = 0;
    error err = { 0 };
    array turned[N_CONTENT];
    const array_note turned_notes[] = { notes[1], notes[0] };
    for (size_t i = 0; i < N_CONTENT; i++)
        turned[i] = content[N_CONTENT - 1 - i];
    write_content();
    assert_int_equal(file_read(file, &first, &n_first, &err), OK);
    assert_int_equal(safetensors_write(file, turned, N_CONTENT, turned_notes, 2, &err), OK);
    assert_int_equal(file_read(file, &second, &n_second, &err), OK);
    assert_int_equal(n_first, n_second);
    assert_memory_equal(first, second, n_first);
    free(first);
    free(second);
}

static void test_write__is_understood_by_a_second_strict_reader(void **state)
{
    (void)state;
    if (access("/usr/bin/python3", X_OK) != 0) {
        print_message("skipped: there is no /usr/bin/python3\n");
        skip();
    }
    static const char expected[] =
        "note \"config\" \"lr = 0.5;\\n# \\\"caf\\u00e9\\\"\"\n"
        "note \"step\" \"42\"\n"
        "tensor \"a byte\" U8 [3] (9, 8, 7)\n"
        "tensor \"counter \\u20ac \\\"q\\\"\\n\" U64 [] (18446744073709551611,)\n"
        "tensor \"fc1.weight\" F32 [3, 2] (2.384999990463257, -0.7310000061988831, 0.0625, "
        "1.0000000031710769e-30, -7.5, 3.25)\n"
        "tensor \"half\" F16 [2] 003e80c0\n"
        "tensor \"label\" I32 [1, 3, 1] (-3, 70000, 5)\n"
        "tensor \"moment\" F64 [2] (0.1, -2.5)\n"
        "tensor \"none\" F32 [0, 5] ()\n"
        "tensor \"place\" I64 [2] (-1, 1)\n";
    char command[1024], printed[2 * sizeof expected] = "";
    write_content();
    snprintf(command, sizeof command, "/usr/bin/python3 '%ssafetensors_read.py' '%s' 2>&1", GOLDEN,
        file);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    const size_t n = fread(printed, 1, sizeof printed - 1, pipe);
    printed[n] = '\0';
    const int code = pclose(pipe);
    assert_string_equal(printed, expected);
    assert_int_equal(code, 0);
}

static void test_write__takes_no_arrays_and_no_notes(void **state)
{
    (void)state;
    error err = { 0 };
    assert_int_equal(safetensors_write(file, NULL, 0, NULL, 0, &err), OK);
    safetensors *s = open_file(file);
    assert_int_equal(safetensors_count(s), 0);
    safetensors_close(s);
}

/* The one thing a changed byte may do and go unnoticed: turn the key "checksum" into another, which takes nothing away but
 * the check. */
static void test_open__notices_any_changed_byte_of_a_file_with_checksum(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t n = 0, n_refused = 0, n_without_checksum = 0;
    error err = { 0 };
    write_content();
    assert_int_equal(file_read(file, &bytes, &n, &err), OK);
    for (size_t i = 0; i < 8 * n; i++) {
        const char mask = (char)(1 << i % 8);
        safetensors *s = NULL;
        bytes[i / 8] = (char)(bytes[i / 8] ^ mask);
        write_bytes(bytes, n);
        bytes[i / 8] = (char)(bytes[i / 8] ^ mask);
        if (safetensors_open(file, &s, &err) != OK) {
            n_refused++;
            continue;
        }
        if (!holds_content(s)) fail_msg("bit %zu of byte %zu changed unnoticed", i % 8, i / 8);
        n_without_checksum += safetensors_metadata(s, "checksum") == NULL;
        assert_null(safetensors_metadata(s, "checksum"));
        safetensors_close(s);
    }
    assert_int_equal(n_refused + n_without_checksum, 8 * n);
    assert_true(n_without_checksum <= 8 * strlen("checksum"));
    free(bytes);
}

static void test_open__says_so_when_the_checksum_does_not_fit(void **state)
{
    (void)state;
    char *bytes = NULL, message[200];
    size_t n = 0;
    error err = { 0 };
    write_content();
    safetensors *s = open_file(file);
    char written[33];
    snprintf(written, sizeof written, "%s", safetensors_metadata(s, "checksum"));
    safetensors_close(s);
    assert_int_equal(file_read(file, &bytes, &n, &err), OK);
    bytes[n - 1] ^= 1;
    write_bytes(bytes, n);
    free(bytes);
    assert_int_equal(safetensors_open(file, &s, &err), E_CORRUPT);
    snprintf(message, sizeof message, ", expected \"%s\": the file was damaged or edited", written);
    assert_non_null(strstr(err.text, ": checksum of the content is "));
    assert_non_null(strstr(err.text, message));

    refused("{\"__metadata__\":{\"checksum\":\"\"}}", 0, E_CORRUPT,
        "checksum of the content is e5189a9599e3f86205ea23ef06e28b2d, expected \"\": the file was "
        "damaged or edited");
}

static void test_open__refuses_a_file_cut_at_any_place(void **state)
{
    (void)state;
    char *bytes = NULL;
    size_t n = 0;
    error err = { 0 };
    write_content();
    assert_int_equal(file_read(file, &bytes, &n, &err), OK);
    for (size_t i = 0; i < n; i++) {
        safetensors *s = NULL;
        write_bytes(bytes, i);
        const status st = safetensors_open(file, &s, &err);
        if (st != E_CORRUPT) fail_msg("cut at %zu of %zu: %s", i, n, status_name(st));
    }
    free(bytes);
}

static void write_refused(const array *a, size_t n, const array_note *extra, size_t n_extra,
    status code, const char *message)
{
    error err = { 0 };
    char expected[ERROR_TEXT_BYTES];
    snprintf(expected, sizeof expected, "%s: %s", file, message);
    unlink(file);
    assert_int_equal(safetensors_write(file, a, n, extra, n_extra, &err), code);
    assert_string_equal(err.text, expected);
    assert_false(file_exists(file));
}

static void test_write__refuses_what_could_not_be_read_back(void **state)
{
    (void)state;
    const array good = content[0];
    array bad[2] = { good, good };
    write_refused(
        bad, 2, NULL, 0, E_CONFLICT, "tensor \"fc1.weight\" appears twice, expected unique names");
    bad[0].name = "__metadata__";
    write_refused(bad, 1, NULL, 0, E_CONFLICT, "a tensor may not be named \"__metadata__\"");
    bad[0].name = "a\xFF";
    write_refused(bad, 1, NULL, 0, E_RANGE, "the name \"a?\" is not UTF-8");
    bad[0] = good;
    bad[0].dtype = ARRAY_OTHER;
    bad[0].dtype_name = "F4";
    write_refused(
        bad, 1, NULL, 0, E_UNSUPPORTED, "tensor \"fc1.weight\": dtype \"F4\" is not supported");
    bad[0].dtype_name = NULL;
    write_refused(
        bad, 1, NULL, 0, E_UNSUPPORTED, "tensor \"fc1.weight\": dtype \"\" is not supported");
    bad[0] = good;
    bad[0].n_dims = 9;
    write_refused(bad, 1, NULL, 0, E_UNSUPPORTED,
        "tensor \"fc1.weight\": got 9 dimensions, expected at most 8");
    bad[0] = good;
    bad[0].dim[0] = SIZE_MAX;
    write_refused(bad, 1, NULL, 0, E_RANGE,
        "tensor \"fc1.weight\": its shape has more elements than memory could hold");
    bad[0] = good;
    bad[0].n = 5;
    bad[0].bytes = 20;
    write_refused(bad, 1, NULL, 0, E_SHAPE,
        "tensor \"fc1.weight\": got 5 elements in 20 bytes, expected 6 in 24 for its F32 and "
        "shape");
    bad[0] = good;
    bad[0].data = NULL;
    write_refused(bad, 1, NULL, 0, E_MISSING, "tensor \"fc1.weight\": has no data");
}

static void test_write__refuses_notes_that_could_not_be_read_back(void **state)
{
    (void)state;
    const array_note twice[] = { { "k", "1" }, { "k", "2" } }, taken[] = { { "checksum", "1" } };
    const array_note bytes[] = { { "k", "\xC3" } };
    write_refused(
        NULL, 0, twice, 2, E_CONFLICT, "metadata key \"k\" appears twice, expected unique keys");
    write_refused(
        NULL, 0, taken, 1, E_CONFLICT, "the metadata key \"checksum\" belongs to the writer");
    write_refused(NULL, 0, bytes, 1, E_RANGE, "the metadata value \"?\" is not UTF-8");
}

static void test_write__leaves_the_old_file_when_it_cannot_write(void **state)
{
    (void)state;
    error err = { 0 };
    char nowhere[400];
    snprintf(nowhere, sizeof nowhere, "%s/not/there.safetensors", folder);
    assert_int_equal(safetensors_write(nowhere, content, N_CONTENT, NULL, 0, &err), E_IO);
    array bad = content[0];
    bad.dim[7] = 3; /* beyond n_dims: of no account */
    bad.data = NULL;
    write_content();
    assert_int_equal(safetensors_write(file, &bad, 1, NULL, 0, &err), E_MISSING);
    safetensors *s = open_file(file);
    assert_true(holds_content(s));
    safetensors_close(s);
}

static void test_get__checks_name_type_and_size(void **state)
{
    (void)state;
    error err = { 0 };
    char expected[ERROR_TEXT_BYTES];
    const void *data = NULL;
    write_content();
    safetensors *s = open_file(file);
    assert_int_equal(safetensors_get(s, "fc1.weight", ARRAY_F32, 6, &data, &err), OK);
    assert_memory_equal(data, weight, sizeof weight);
    data = NULL;
    assert_int_equal(safetensors_get(s, "fc2.weight", ARRAY_F32, 6, &data, &err), E_MISSING);
    snprintf(expected, sizeof expected, "%s: no tensor \"fc2.weight\" among its 8", file);
    assert_string_equal(err.text, expected);
    assert_int_equal(safetensors_get(s, "fc1.weight", ARRAY_F32, 7, &data, &err), E_SHAPE);
    assert_int_equal(safetensors_get(s, "fc1.weight", ARRAY_F64, 6, &data, &err), E_SHAPE);
    snprintf(expected, sizeof expected,
        "%s: tensor \"fc1.weight\": got F32 with 6 elements, expected F64 with 6", file);
    assert_string_equal(err.text, expected);
    assert_null(data);
    safetensors_close(s);
    safetensors_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open__reads_every_dtype_of_a_file_made_by_python),
        cmocka_unit_test(test_open__lists_dtypes_it_only_knows_the_size_of),
        cmocka_unit_test(test_open__decodes_escapes_in_names_and_metadata),
        cmocka_unit_test(test_open__hands_out_tensors_by_rising_name),
        cmocka_unit_test(test_open__aligns_what_an_early_writer_left_unaligned),
        cmocka_unit_test(test_open__takes_no_tensors_and_spaces_at_the_end),
        cmocka_unit_test(test_open__does_not_multiply_large_dimensions_of_an_empty_tensor),
        cmocka_unit_test(test_open__names_a_file_that_is_not_there),
        cmocka_unit_test(test_open__refuses_a_file_too_short_for_its_header),
        cmocka_unit_test(test_open__refuses_a_header_that_does_not_begin_with_a_brace),
        cmocka_unit_test(test_open__refuses_what_is_not_json),
        cmocka_unit_test(test_open__refuses_strings_that_are_not_text),
        cmocka_unit_test(test_open__refuses_numbers_that_are_not_whole),
        cmocka_unit_test(test_open__is_not_impressed_by_deep_nesting),
        cmocka_unit_test(test_open__refuses_incomplete_and_foreign_entries),
        cmocka_unit_test(test_open__refuses_what_it_does_not_support_by_name),
        cmocka_unit_test(test_open__refuses_names_and_keys_that_appear_twice),
        cmocka_unit_test(test_open__refuses_ranges_that_do_not_fit_type_and_shape),
        cmocka_unit_test(test_open__refuses_overlap_holes_and_a_wrong_end),
        cmocka_unit_test(test_open__shortens_a_long_name_to_one_line),
        cmocka_unit_test(test_write__is_read_back_equal_and_aligned),
        cmocka_unit_test(test_write__does_not_depend_on_the_order_of_its_arguments),
        cmocka_unit_test(test_write__is_understood_by_a_second_strict_reader),
        cmocka_unit_test(test_write__takes_no_arrays_and_no_notes),
        cmocka_unit_test(test_open__notices_any_changed_byte_of_a_file_with_checksum),
        cmocka_unit_test(test_open__says_so_when_the_checksum_does_not_fit),
        cmocka_unit_test(test_open__refuses_a_file_cut_at_any_place),
        cmocka_unit_test(test_write__refuses_what_could_not_be_read_back),
        cmocka_unit_test(test_write__refuses_notes_that_could_not_be_read_back),
        cmocka_unit_test(test_write__leaves_the_old_file_when_it_cannot_write),
        cmocka_unit_test(test_write_bytes__are_those_of_the_file),
        cmocka_unit_test(test_get__checks_name_type_and_size),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
