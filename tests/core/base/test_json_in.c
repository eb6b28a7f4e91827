/* The JSON reader: numbers, what the writer makes of those that JSON has not, values passed over, and what is refused. */
#include "base/json.h"
#include "base/json_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 512 };

static char strings[MOST];

static json_in reader(const char *s)
{
    assert_true(strlen(s) <= MOST);
    return (json_in){ .what = "line", .s = s, .n = strlen(s), .strings = strings };
}

static status real_of(const char *s, double *out, error *err)
{
    json_in j = reader(s);
    status st = json_in_real(&j, out, err);
    return st == OK ? json_in_end(&j, err) : st;
}

static void test_real__reads_every_form_of_number(void **state)
{
    static const struct {
        const char *s;
        double v;
    } rows[] = { { "0", 0 }, { "-0.0", -0.0 }, { "  17", 17 }, { "-2.385", -2.385 },
        { "7.31e-300", 7.31e-300 }, { "1E+3", 1000 }, { "4e2 ", 400 }, { "\"inf\"", INFINITY },
        { "\"-inf\"", -INFINITY } };
    error err;
    double v;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(real_of(rows[i].s, &v, &err), OK);
        assert_memory_equal(&v, &rows[i].v, sizeof v);
    }
    assert_int_equal(real_of("\"nan\"", &v, &err), OK);
    assert_true(isnan(v));
}

static void test_real__reads_what_the_writer_wrote(void **state)
{
    static const double values[] = { 0.1, -1.0 / 3, 5e-324, 1.7976931348623157e308, 123456789012.5,
        INFINITY };
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        text t = { 0 };
        json w;
        error err;
        double v;
        json_init(&w, &t);
        json_real(&w, values[i]);
        assert_int_equal(real_of(t.s, &v, &err), OK);
        assert_memory_equal(&v, &values[i], sizeof v);
        text_release(&t);
    }
}

static void test_real__refuses_what_is_no_number(void **state)
{
    static const char *const rows[][2] = { { "", "line ends, expected a digit" },
        { "-", "line ends, expected a digit" }, { "01", "nothing but spaces" },
        { "1.", "expected a digit" }, { ".5", "expected a digit" }, { "1e", "expected a digit" },
        { "+1", "expected a digit" }, { "0x10", "nothing but spaces" },
        { "nan", "got \"n\", expected a digit" }, { "\"NaN\"", "got \"NaN\", expected a number" },
        { "\"\"", "expected a number" },
        { "1111111111222222222233333333334444444444555555555566666666667777",
            "more than 63 characters" } };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        error err = { 0 };
        double v;
        assert_int_equal(real_of(rows[i][0], &v, &err), E_PARSE);
        if (!strstr(err.text, rows[i][1])) {
            print_error("%s: %s\n", rows[i][0], err.text);
            _fail(__FILE__, __LINE__);
        }
    }
}

static status skip_all(const char *s, error *err)
{
    json_in j = reader(s);
    status st = json_in_skip(&j, err);
    return st == OK ? json_in_end(&j, err) : st;
}

static void test_skip__passes_over_any_value(void **state)
{
    static const char *const rows[] = { "null", "true", " false ", "-1.5e3", "\"a\\u00e9\\n\"",
        "[]", "{}", "[1, [2, {\"a\": [null]}], \"x\"]",
        "{\"a\": {\"b\": [1.0, \"nan\"]}, \"c\": true}" };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        error err = { 0 };
        if (skip_all(rows[i], &err) != OK) {
            print_error("%s: %s\n", rows[i], err.text);
            _fail(__FILE__, __LINE__);
        }
    }
}

static void test_skip__is_strict(void **state)
{
    static const char *const rows[] = { "", "nul", "tru e", "[1,]", "[1 2]", "{\"a\"}", "{a: 1}",
        "{\"a\": 1,}", "\"a", "\"\\x\"", "[", "'a'", "[01]", "1 2" };
    char deep[81];
    error err;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (skip_all(rows[i], &err) != E_PARSE) {
            print_error("%s was taken\n", rows[i]);
            _fail(__FILE__, __LINE__);
        }
    }
    memset(deep, '[', 40);
    memset(deep + 40, ']', 40);
    deep[80] = '\0';
    assert_int_equal(skip_all(deep, &err), E_PARSE);
    assert_non_null(strstr(err.text, "nested deeper than 32"));
    assert_int_equal(skip_all(deep + 8, &err), E_PARSE); /* unbalanced */
    deep[40 + 32] = '\0';
    assert_int_equal(skip_all(deep + 8, &err), OK); /* 32 of each */
}

static void test_peek__looks_and_does_not_move(void **state)
{
    json_in j = reader("  [ 7");
    error err;
    (void)state;
    assert_int_equal(json_in_peek(&j), '[');
    assert_int_equal(json_in_open(&j, '[', &err), OK);
    assert_int_equal(json_in_peek(&j), '7');
    double v;
    assert_int_equal(json_in_real(&j, &v, &err), OK);
    assert_int_equal(json_in_peek(&j), '\0');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real__reads_every_form_of_number),
        cmocka_unit_test(test_real__reads_what_the_writer_wrote),
        cmocka_unit_test(test_real__refuses_what_is_no_number),
        cmocka_unit_test(test_skip__passes_over_any_value),
        cmocka_unit_test(test_skip__is_strict),
        cmocka_unit_test(test_peek__looks_and_does_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
