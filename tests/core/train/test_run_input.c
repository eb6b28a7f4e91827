/* What a run keeps of its model's input: written, read again, missing, of another version, damaged. */
#include "train/run_input.h"

#include "base/file.h"
#include "support/plugin_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[64];

static const char *const ugly[] = { "\n", "\t", "\"", "\\", "\\x0a", " ", "\xc3\xa9",
    "\xf0\x9f\x8e\xb5", "\x7f", "\x01", "<eos>", "a word, quoted" };
enum { N_UGLY = sizeof ugly / sizeof ugly[0] };

static assay_data text_view(void)
{
    return (assay_data){ .x_shape = { 1, { 1 } },
        .x_dtype = ASSAY_I32,
        .vocabulary = N_UGLY,
        .token_names = ugly,
        .token_separator = " ",
        .target = ASSAY_TARGET_CLASS,
        .n_classes = N_UGLY,
        .n_targets = 1 };
}

static const char *in_dir(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void put(const char *name, const char *content)
{
    error err;
    assert_int_equal(file_write_atomic(in_dir(name), content, strlen(content), &err), OK);
}

static void write_view(const assay_data *v)
{
    error err;
    (void)unlink(in_dir("vocabulary.json"));
    if (run_input_write(dir, v, &err) != OK) GIVE_UP("%s", err.text);
}

static void test_input__of_tokens_is_read_as_it_was_written(void **state)
{
    error err;
    arena a = { 0 };
    run_input in;
    const assay_data v = text_view();
    (void)state;
    write_view(&v);
    if (run_input_read(dir, &a, &in, &err) != OK) GIVE_UP("%s", err.text);
    assert_int_equal(in.dtype, ASSAY_I32);
    assert_true(assay_shape_equal(&in.shape, &v.x_shape));
    assert_int_equal(in.vocabulary, N_UGLY);
    assert_int_equal(in.target, ASSAY_TARGET_CLASS);
    assert_int_equal(in.n_targets, N_UGLY);
    assert_string_equal(in.separator, " ");
    for (size_t i = 0; i < N_UGLY; i++) {
        assert_string_equal(in.tokens[i], ugly[i]);
    }
    arena_release(&a);
}

static void test_input__of_frames_has_no_tokens(void **state)
{
    error err;
    arena a = { 0 };
    run_input in;
    const assay_data v = { .x_shape = { 2, { 11, 8 } },
        .x_dtype = ASSAY_U8,
        .target = ASSAY_TARGET_BINARY,
        .n_targets = 88 };
    (void)state;
    write_view(&v);
    put("vocabulary.json", "[\"of another\"]"); /* not looked at */
    if (run_input_read(dir, &a, &in, &err) != OK) GIVE_UP("%s", err.text);
    assert_int_equal(in.dtype, ASSAY_F32);
    assert_true(assay_shape_equal(&in.shape, &v.x_shape));
    assert_int_equal(in.target, ASSAY_TARGET_BINARY);
    assert_int_equal(in.n_targets, 88);
    assert_string_equal(in.separator, "");
    assert_null(in.tokens);
    arena_release(&a);
}

static void refuse(status st, const char *message)
{
    error err = { 0 };
    arena a = { 0 };
    run_input in;
    const status got = run_input_read(dir, &a, &in, &err);
    arena_release(&a);
    if (got != st || !strstr(err.text, message)) {
        GIVE_UP("expected %s: %s\n     got %s: %s", status_name(st), message, status_name(got),
            err.text);
    }
}

static void test_old_run__is_told_what_writes_it(void **state)
{
    char expected[256];
    (void)state;
    (void)unlink(in_dir("input.json"));
    snprintf(expected, sizeof expected,
        "%s/input.json: no such file; the run is older than it, and assay train --resume %s writes "
        "it",
        dir, dir);
    refuse(E_MISSING, expected);
}

#define HEAD "{\"dtype\": \"i32\", \"shape\": [1], \"vocabulary\": "
static void test_damage__is_named_with_its_file(void **state)
{
    static const struct {
        const char *input, *vocabulary;
        status st;
        const char *message;
    } cases[] = {
        { "", NULL, E_PARSE, "input.json: input.json ends, expected an object" },
        { "[]", NULL, E_PARSE, "expected an object" },
        { "{}", NULL, E_CORRUPT, "input.json: it gives no shape that a model could read" },
        { "{\"shape\": 7}", NULL, E_PARSE, "expected an array" },
        { "{\"shape\": [0]}", NULL, E_CORRUPT, "no shape" },
        { "{\"shape\": [4294967296, 4294967296]}", NULL, E_CORRUPT, "no shape" },
        { "{\"shape\": [65536, 65537]}", NULL, E_CORRUPT, "no shape" },
        { "{\"shape\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", NULL, E_RANGE, "more than" },
        { "{\"shape\": [-1]}", NULL, E_PARSE, "whole number" },
        { "{\"shape\": [1], \"dtype\": \"i64\"}", NULL, E_CORRUPT,
            "\"dtype\" is \"i64\", which means nothing here" },
        { "{\"shape\": [1], \"dtype\": 32}", NULL, E_PARSE, "expected a string" },
        { "{\"shape\": [1], \"target\": \"colour\"}", NULL, E_CORRUPT, "\"target\" is \"colour\"" },
        { "{\"shape\": [1], \"separator\": null}", NULL, E_PARSE, "expected a string" },
        { HEAD "0}", NULL, E_CORRUPT, "a vocabulary of 0 tokens" },
        { HEAD "2147483648}", NULL, E_CORRUPT, "a vocabulary of 2147483648 tokens: expected 1 to" },
        { HEAD "99999999999999999999}", NULL, E_PARSE, "above 2^64 - 1" },
        { HEAD "2147483647}", "[\"a\", \"b\"]", E_CORRUPT,
            "vocabulary.json: it cannot hold the 2147483647 tokens of input.json" },
        { HEAD "3}", "[\"a\", \"bcdefgh\"]", E_CORRUPT,
            "there are 2 tokens where input.json has 3" },
        { HEAD "2}", "[\"a\", \"b\", \"c\"]", E_CORRUPT, "more than the 2 tokens of input.json" },
        { HEAD "2}", "[\"a\", 17]", E_PARSE, "expected a string" },
        { HEAD "2}", "{\"a\": \"b\"}", E_PARSE, "expected an array" },
        { HEAD "2}", "[\"a\", \"\xff\xfe\"]", E_PARSE, "UTF-8" },
        { HEAD "2}", "[\"a\", \"\\ud800\"]", E_PARSE, "surrogate" },
        { HEAD "2}", "[\"a\", \"b\"] x", E_PARSE, "nothing but spaces behind it" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)unlink(in_dir("vocabulary.json"));
        put("input.json", cases[i].input);
        if (cases[i].vocabulary) put("vocabulary.json", cases[i].vocabulary);
        refuse(cases[i].st, cases[i].message);
    }
}

/* A newer one may say more. */
static void test_unknown_keys__are_passed_over(void **state)
{
    error err;
    arena a = { 0 };
    run_input in;
    (void)state;
    (void)unlink(in_dir("vocabulary.json"));
    put("input.json", "{\"next\": {\"a\": [1, null]}, \"shape\": [3, 5], \"targets\": 4}\n");
    if (run_input_read(dir, &a, &in, &err) != OK) GIVE_UP("%s", err.text);
    assert_int_equal(assay_shape_size(&in.shape), 15);
    assert_int_equal(in.n_targets, 4);
    arena_release(&a);
}

/* Bytes changed, cut and doubled at places drawn from the seed: refused or read, never more. */
static void test_fuzz__survives_damage(void **state)
{
    static const char *const names[] = { "input.json", "vocabulary.json" };
    const char *asked = getenv("ASSAY_TEST_SEED");
    const unsigned seed = asked ? (unsigned)strtoul(asked, NULL, 10) : 20;
    const assay_data v = text_view();
    size_t n_read = 0, n_refused = 0;
    (void)state;
    print_message("ASSAY_TEST_SEED=%u\n", seed);
    srand(seed);
    for (int round = 0; round < 3000; round++) {
        char *content;
        size_t n;
        error err = { 0 };
        arena a = { 0 };
        run_input in;
        write_view(&v);
        const char *path = in_dir(names[round % 2]);
        assert_int_equal(file_read(path, &content, &n, &err), OK);
        for (int k = rand() % 4; k >= 0; k--) {
            content[(size_t)rand() % n] =
                (char)(rand() % 3 ? "\"\\[]{},:0919eux "[rand() % 16] : rand());
        }
        if (rand() % 4 == 0) n = (size_t)rand() % n;
        assert_int_equal(file_write_atomic(path, content, n, &err), OK);
        const status st = run_input_read(dir, &a, &in, &err);
        if (st == OK) {
            assert_true(assay_shape_size(&in.shape) > 0);
            for (uint64_t i = 0; in.tokens && i < in.vocabulary; i++) {
                assert_true(strlen(in.tokens[i]) < 200);
            }
            n_read++;
        } else {
            assert_true(strstr(err.text, ".json") != NULL);
            n_refused++;
        }
        arena_release(&a);
        free(content);
    }
    assert_true(n_read > 100 && n_refused > 500);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "%s/assay-input-XXXXXX",
        access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_folder(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_input__of_tokens_is_read_as_it_was_written),
        cmocka_unit_test(test_input__of_frames_has_no_tokens),
        cmocka_unit_test(test_old_run__is_told_what_writes_it),
        cmocka_unit_test(test_damage__is_named_with_its_file),
        cmocka_unit_test(test_unknown_keys__are_passed_over),
        cmocka_unit_test(test_fuzz__survives_damage),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
