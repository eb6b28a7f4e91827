/* MAT-files of piano-rolls become text; damaged ones become an error with a message, never a crash: the sanitizers watch.
 *
 * The golden files and what they hold: tests/golden/generate_mat.py. */
#include "base/file.h"
#include "fetch/pianoroll.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h> /* last: it makes a macro of `fail` */

#define GOLDEN TEST_SOURCE_DIR "/tests/golden/mat/"

static const char *const expected[PIANOROLL_PARTS] = {
    "39,43,87 - 0\n2,3,5,7\n11 11,13\n",
    "17 - 19,23\n18 - 20,24\n19 - 21,25\n20 - 22,26\n21 - 23,27\n22 - 24,28\n23 - 25,29\n",
    "- - 87\n",
};

/* The n-th allocation of ours from now on fails; below 0: none does. zlib's own are its business. */
static long fails_in = -1;
void *__real_malloc(size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return fails_in >= 0 && fails_in-- == 0 ? NULL : __real_malloc(n);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails_in >= 0 && fails_in-- == 0 ? NULL : __real_realloc(p, n);
}

typedef struct bytes {
    char *data;
    size_t n;
} bytes;

static bytes load(const char *name)
{
    char path[512];
    bytes b;
    error err;
    snprintf(path, sizeof path, GOLDEN "%s", name);
    assert_int_equal(file_read(path, &b.data, &b.n, &err), OK);
    return b;
}

/* Reads a copy of exactly that size, so that a step beyond its end is seen. */
static status read_copy(const char *data, size_t n, text part[PIANOROLL_PARTS], error *err)
{
    char *copy = __real_malloc(n ? n : 1);
    memcpy(copy, data, n);
    memset(part, 0, PIANOROLL_PARTS * sizeof *part);
    const status st = pianoroll_read(copy, n, part, err);
    free(copy);
    return st;
}

static void forget(text part[PIANOROLL_PARTS])
{
    for (size_t i = 0; i < PIANOROLL_PARTS; i++) {
        text_release(&part[i]);
    }
}

static void expect_golden(const char *name)
{
    text part[PIANOROLL_PARTS];
    error err = { .text = "" };
    bytes b = load(name);
    if (read_copy(b.data, b.n, part, &err) != OK) fail_msg("%s: %s", name, err.text);
    for (size_t i = 0; i < PIANOROLL_PARTS; i++) {
        assert_string_equal(part[i].s, expected[i]);
    }
    forget(part);
    free(b.data);
}

static void test_every_type_of_number__is_read(void **state)
{
    (void)state;
    expect_golden("plain.mat");
}

static void test_compressed_variables__are_read_in_any_order(void **state)
{
    (void)state;
    expect_golden("packed.mat");
}

static void test_conversion__writes_the_three_parts(void **state)
{
    char dir[] = "/tmp/assay-mat-XXXXXX", prefix[64], path[96], command[96];
    error err;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(prefix, sizeof prefix, "%s/songs", dir);
    assert_int_equal(pianoroll_convert(GOLDEN "packed.mat", prefix, &err), OK);
    for (size_t i = 0; i < PIANOROLL_PARTS; i++) {
        char *got;
        size_t n;
        snprintf(path, sizeof path, "%s.%s.txt", prefix, pianoroll_part(i));
        assert_int_equal(file_read(path, &got, &n, &err), OK);
        assert_string_equal(got, expected[i]);
        free(got);
    }
    assert_int_equal(pianoroll_convert("/nonexistent.mat", prefix, &err), E_IO);
    assert_int_equal(pianoroll_convert(GOLDEN "../generate_mat.py", prefix, &err), E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "generate_mat.py: no MAT-file of level 5"));
    snprintf(command, sizeof command, "rm -r '%s'", dir);
    assert_int_equal(system(command), 0);
}

/* The golden file with the first occurrence of `from` overwritten, after the variable's name `after`. */
static void expect_refusal(
    const char *after, const void *from, const void *to, size_t n, status code, const char *message)
{
    text part[PIANOROLL_PARTS];
    error err = { .text = "" };
    bytes b = load("plain.mat");
    const size_t n_after = strlen(after);
    size_t at = 0;
    while (n_after && memcmp(b.data + at, after, n_after) != 0) {
        assert_true(++at + n_after < b.n);
    }
    while (memcmp(b.data + at, from, n) != 0) {
        assert_true(++at + n < b.n);
    }
    memcpy(b.data + at, to, n);
    const status st = read_copy(b.data, b.n, part, &err);
    if (st != code || strcmp(err.text, message) != 0) {
        fail_msg("%s: \"%s\", expected %s: \"%s\"", status_name(st), err.text, status_name(code),
            message);
    }
    forget(part);
    free(b.data);
}

static void test_what_is_no_pianoroll__is_refused_with_its_place(void **state)
{
    static const int32_t shape[] = { 3, 88 }, narrow[] = { 6, 44 }, long_one[] = { 4, 88 },
                         negative[] = { -3, 88 }, pieces[] = { 1, 3 }, none[] = { 1, 0 },
                         more[] = { 1, 4 };
    static const double one = 1, two = 2;
    (void)state;
    expect_refusal("", "traindata", "traincata", 9, E_MISSING, "there is no variable traindata");
    expect_refusal("", "validdata", "traindata", 9, E_CONFLICT, "traindata is there twice");
    expect_refusal("traindata", shape, narrow, 8, E_SHAPE,
        "traindata: piece 0: a matrix of 6 x 44, expected frames x 88 keys");
    expect_refusal("traindata", shape, long_one, 8, E_CORRUPT,
        "traindata: piece 0: a damaged MAT-file: an array has more or fewer numbers than its "
        "dimensions say");
    expect_refusal("traindata", shape, negative, 8, E_CORRUPT,
        "traindata: piece 0: a damaged MAT-file: an array has a negative dimension");
    expect_refusal("traindata", &one, &two, 8, E_RANGE,
        "traindata: piece 0: frame 2, key 0: 2, expected 0 or 1");
    expect_refusal("", pieces, none, 8, E_SHAPE, "traindata: no pieces");
    expect_refusal("", pieces, more, 8, E_CORRUPT,
        "traindata: piece 3: a damaged MAT-file: it ends where an element should begin");
    expect_refusal("", "\1\0\0\0\0\0\0\0\5\0\0\0", "\2\0\0\0\0\0\0\0\5\0\0\0", 12, E_TYPE,
        "traindata: expected a cell array of pieces");
    expect_refusal("traindata", "\6\0\0\0\0\0\0\0\5", "\6\x8\0\0\0\0\0\0\5", 9, E_TYPE,
        "traindata: piece 0: no matrix of real numbers");
}

static void test_what_is_no_mat_file__is_refused(void **state)
{
    text part[PIANOROLL_PARTS];
    error err;
    (void)state;
    bytes b = load("plain.mat");
    assert_int_equal(read_copy(b.data, 127, part, &err), E_CORRUPT);
    assert_string_equal(err.text, "no MAT-file: 127 bytes, its header alone has 128");
    memcpy(b.data + 124, "\1\0MI", 4);
    assert_int_equal(read_copy(b.data, b.n, part, &err), E_UNSUPPORTED);
    assert_string_equal(err.text, "a big-endian MAT-file; expected a little-endian one");
    memcpy(b.data + 124, "\0\2IM", 4);
    assert_int_equal(read_copy(b.data, b.n, part, &err), E_UNSUPPORTED);
    assert_string_equal(
        err.text, "no MAT-file of level 5 (version bytes 00 02 49 4d, expected 00 01 49 4d)");
    free(b.data);
}

/* Either it is read, or the error says something. */
static bool survives(const char *data, size_t n)
{
    text part[PIANOROLL_PARTS];
    error err = { .text = "" };
    const status st = read_copy(data, n, part, &err);
    forget(part);
    if (st != OK && (err.code != st || !err.text[0])) fail_msg("no message with %d", (int)st);
    return st == OK;
}

static void test_a_file_cut_anywhere__is_an_error(void **state)
{
    static const char *const names[] = { "plain.mat", "packed.mat" };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        bytes b = load(names[i]);
        for (size_t n = 0; n < b.n; n++) {
            /* The last bytes of padding may be absent. */
            if (survives(b.data, n) && n + 8 <= b.n) fail_msg("%s: %zu bytes", names[i], n);
        }
        free(b.data);
    }
}

static void test_a_damaged_file__is_survived(void **state)
{
    static const unsigned char flips[] = { 0xff, 0x01, 0x02, 0x80 };
    size_t n_refused = 0;
    (void)state;
    bytes plain = load("plain.mat"), packed = load("packed.mat");
    for (size_t i = 0; i < plain.n; i++) {
        plain.data[i] ^= (char)0x81;
        n_refused += !survives(plain.data, plain.n);
        plain.data[i] ^= (char)0x81;
    }
    for (size_t i = 0; i < packed.n; i++) {
        for (size_t k = 0; k < sizeof flips; k++) {
            packed.data[i] = (char)(packed.data[i] ^ flips[k]);
            n_refused += !survives(packed.data, packed.n);
            packed.data[i] = (char)(packed.data[i] ^ flips[k]);
        }
    }
    assert_true(n_refused > packed.n); /* the damage reaches what is read */
    free(plain.data);
    free(packed.data);
}

static void test_every_allocation__may_fail(void **state)
{
    long n_failed = 0;
    (void)state;
    bytes b = load("packed.mat");
    for (long i = 0;; i++) {
        text part[PIANOROLL_PARTS];
        error err = { .text = "" };
        fails_in = i;
        const status st = read_copy(b.data, b.n, part, &err);
        const bool is_over = fails_in >= 0;
        fails_in = -1;
        forget(part);
        if (is_over) {
            assert_int_equal(st, OK);
            break;
        }
        assert_int_equal(st, E_NOMEM);
        n_failed++;
    }
    assert_true(n_failed >= 6); /* a variable inflated, and a text grown, for each part */
    free(b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_of_number__is_read),
        cmocka_unit_test(test_compressed_variables__are_read_in_any_order),
        cmocka_unit_test(test_conversion__writes_the_three_parts),
        cmocka_unit_test(test_what_is_no_pianoroll__is_refused_with_its_place),
        cmocka_unit_test(test_what_is_no_mat_file__is_refused),
        cmocka_unit_test(test_a_file_cut_anywhere__is_an_error),
        cmocka_unit_test(test_a_damaged_file__is_survived),
        cmocka_unit_test(test_every_allocation__may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
