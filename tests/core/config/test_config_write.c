/* Writing: what it looks like, and that it reads back equal. */
#include "config/config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static config *parse(const char *written)
{
    config *c = NULL;
    error err = { 0 };
    if (config_parse("t.cfg", written, &c, &err) != OK) fail_msg("%s\n%s", err.text, written);
    return c;
}

static void expect_written(const config *c, const char *expected)
{
    text t;
    error err = { 0 };
    text_init(&t);
    assert_int_equal(config_to_text(c, &t, &err), OK);
    assert_string_equal(t.s ? t.s : "", expected);
    text_release(&t);
}

static void expect_round_trip(const config *c)
{
    text first, second;
    error err = { 0 };
    text_init(&first);
    text_init(&second);
    assert_int_equal(config_to_text(c, &first, &err), OK);
    config *again = parse(first.s ? first.s : "");
    assert_true(value_equal(config_root(c), config_root(again)));
    assert_int_equal(config_to_text(again, &second, &err), OK);
    assert_string_equal(first.s ? first.s : "", second.s ? second.s : "");
    config_free(again);
    text_release(&first);
    text_release(&second);
}

static value *add(config *c, const char *name, value_kind kind)
{
    value *v = value_add(c, config_root(c), name);
    assert_non_null(v);
    v->kind = kind;
    return v;
}

static void test_config_write__keeps_short_things_on_one_line(void **state)
{
    (void)state;
    config *c = parse("a=1;b=[1,2.5,\"x\"];g={};l=();n={x={y=(true,);};};big=0xFFFFFFFF;");
    expect_written(c,
        "a = 1;\n"
        "b = ( 1, 2.5, \"x\" );\n"
        "g = { };\n"
        "l = ( );\n"
        "n = { x = { y = ( true ); }; };\n"
        "big = 4294967295L;\n");
    expect_round_trip(c);
    config_free(c);
}

static void test_config_write__breaks_what_is_longer_than_a_line(void **state)
{
    (void)state;
    config *c =
        parse("model = ( { type = \"dense\"; units = 64; init = { type = \"he_normal\"; }; }, "
              "{ type = \"relu\"; }, { type = \"dense\"; units = 10; } );\n"
              "data = { type = \"csv\"; file = \"data/digits.csv\"; target = \"digit\"; "
              "split = { seed = 0; validation = 0.15; }; names = ( \"a-long-column-name\", "
              "\"another-long-column-name\", \"a-third-long-column-name\", 4, 5, 6.5 ); };");
    expect_written(c,
        "model = (\n"
        "    { type = \"dense\"; units = 64; init = { type = \"he_normal\"; }; },\n"
        "    { type = \"relu\"; },\n"
        "    { type = \"dense\"; units = 10; }\n"
        ");\n"
        "data = {\n"
        "    type = \"csv\";\n"
        "    file = \"data/digits.csv\";\n"
        "    target = \"digit\";\n"
        "    split = { seed = 0; validation = 0.15; };\n"
        "    names = (\n"
        "        \"a-long-column-name\", \"another-long-column-name\", "
        "\"a-third-long-column-name\", 4, 5, 6.5\n"
        "    );\n"
        "};\n");
    expect_round_trip(c);
    config_free(c);
}

static void test_config_write__stays_within_a_hundred_columns(void **state)
{
    (void)state;
    config *c = parse("");
    value *list = add(c, "numbers", VALUE_LIST);
    for (int i = 0; i < 500; i++) {
        value *v = value_add(c, list, NULL);
        assert_non_null(v);
        v->kind = VALUE_REAL;
        v->as.real = 1.0 / (3.0 + i);
    }
    for (size_t n = 60; n < 110; n++) { /* around the limit */
        char name[16], *s = arena_alloc(config_arena(c), n + 1);
        assert_non_null(s);
        memset(s, 'x', n);
        snprintf(name, sizeof(name), "g%zu", n);
        value *v = value_add(c, add(c, name, VALUE_LIST), NULL);
        assert_non_null(v);
        v->kind = VALUE_STRING;
        v->as.string = s;
    }
    text t;
    error err = { 0 };
    text_init(&t);
    assert_int_equal(config_to_text(c, &t, &err), OK);
    size_t longest = 0;
    for (const char *line = t.s; *line; line += strcspn(line, "\n") + 1) {
        size_t n = strcspn(line, "\n");
        bool is_one_word = line[strspn(line, " ")] == '"'; /* cannot be broken */
        if (!is_one_word && n > longest) longest = n;
    }
    assert_true(longest <= 100);
    assert_true(longest >= 95);
    text_release(&t);
    expect_round_trip(c);
    config_free(c);
}

static const double reals[] = { DBL_MAX, -DBL_MAX, DBL_MIN, DBL_EPSILON, 5e-324, -5e-324,
    2.2250738585072011e-308, 0.1, 1.0 / 3.0, 0.0, -0.0, 1.0, 100.0, 1e15, 1e16, 1e17, 1e22, 1e300,
    9007199254740993.0, 2.385, -0.731, 3.4028234663852886e38, 123456789.125, HUGE_VAL, -HUGE_VAL };

static void test_config_write__every_real_reads_back_to_the_same_bits(void **state)
{
    (void)state;
    config *c = parse("");
    size_t n = sizeof(reals) / sizeof(*reals);
    char name[16];
    for (size_t i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "r%zu", i);
        add(c, name, VALUE_REAL)->as.real = reals[i];
    }
    add(c, "nan", VALUE_REAL)->as.real = nan("");
    expect_round_trip(c);
    text t;
    error err = { 0 };
    text_init(&t);
    assert_int_equal(config_to_text(c, &t, &err), OK);
    config *again = parse(t.s);
    for (size_t i = 0; i < n; i++) {
        double back = 0;
        assert_int_equal(value_to_real(config_root(again)->item[i], &back, &err), OK);
        assert_memory_equal(&back, &reals[i], sizeof(back));
    }
    double back = 0;
    assert_int_equal(value_to_real(value_find(config_root(again), "nan"), &back, &err), OK);
    assert_true(isnan(back));
    config_free(again);
    text_release(&t);
    config_free(c);
}

static void test_config_write__every_integer_reads_back(void **state)
{
    (void)state;
    static const int64_t integers[] = { 0, -1, INT32_MAX, INT32_MIN, (int64_t)INT32_MAX + 1,
        (int64_t)INT32_MIN - 1, INT64_C(9007199254740993), INT64_MAX, INT64_MIN };
    config *c = parse("");
    char name[16];
    for (size_t i = 0; i < sizeof(integers) / sizeof(*integers); i++) {
        snprintf(name, sizeof(name), "i%zu", i);
        add(c, name, VALUE_INT)->as.integer = integers[i];
    }
    expect_round_trip(c);
    expect_written(c,
        "i0 = 0;\ni1 = -1;\ni2 = 2147483647;\ni3 = -2147483648;\n"
        "i4 = 2147483648L;\ni5 = -2147483649L;\ni6 = 9007199254740993L;\n"
        "i7 = 9223372036854775807L;\ni8 = -9223372036854775808L;\n");
    config_free(c);
}

static void test_config_write__every_string_reads_back(void **state)
{
    (void)state;
    static const char *const strings[] = { "", "a \"quoted\" word", "two\nlines\r\n", "\ttab\f",
        "back\\slash\\n \\x41 \\", "gr\xC3\xBC\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80",
        "\x01\x02\x1F\x7F"
        "41",
        "# no // comment /* here */", "@include \"x\"", "}; ) ] =", "\xFF not UTF-8" };
    config *c = parse("");
    value *list = add(c, "strings", VALUE_LIST);
    for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++) {
        value *v = value_add(c, list, NULL);
        assert_non_null(v);
        v->kind = VALUE_STRING;
        v->as.string = strings[i];
    }
    char every[256];
    for (int i = 1; i < 256; i++)
        every[i - 1] = (char)(i < 128 ? i : i - 256);
    every[255] = '\0';
    add(c, "every", VALUE_STRING)->as.string = every;
    expect_round_trip(c);
    config_free(c);
}

static void test_config_write__does_not_depend_on_the_locale(void **state)
{
    (void)state;
    static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "de_DE" };
    bool is_set = false;
    for (size_t i = 0; i < 4 && !is_set; i++)
        is_set = setlocale(LC_ALL, names[i]) != NULL;
    if (!is_set) {
        print_message("no locale with a decimal comma is installed\n");
        skip();
    }
    config *c = parse("r = 2.385; s = 1e-3;");
    expect_written(c, "r = 2.385;\ns = 0.001;\n");
    expect_round_trip(c);
    config_free(c);
    setlocale(LC_ALL, "C");
}

static void test_config_write__an_empty_config_is_empty(void **state)
{
    (void)state;
    config *c = parse("");
    expect_written(c, "");
    expect_round_trip(c);
    config_free(c);
}

static void test_config_write__adds_to_what_is_there(void **state)
{
    (void)state;
    config *c = parse("a = 1;");
    text t;
    error err = { 0 };
    text_init(&t);
    text_add(&t, "# resolved\n");
    assert_int_equal(config_to_text(c, &t, &err), OK);
    assert_string_equal(t.s, "# resolved\na = 1;\n");
    text_release(&t);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_write__keeps_short_things_on_one_line),
        cmocka_unit_test(test_config_write__breaks_what_is_longer_than_a_line),
        cmocka_unit_test(test_config_write__stays_within_a_hundred_columns),
        cmocka_unit_test(test_config_write__every_real_reads_back_to_the_same_bits),
        cmocka_unit_test(test_config_write__every_integer_reads_back),
        cmocka_unit_test(test_config_write__every_string_reads_back),
        cmocka_unit_test(test_config_write__does_not_depend_on_the_locale),
        cmocka_unit_test(test_config_write__an_empty_config_is_empty),
        cmocka_unit_test(test_config_write__adds_to_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
