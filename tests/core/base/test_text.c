/* Text: growth, reals that come back in any locale, suggestions, patterns, numbers for people. */
#include "base/json.h"
#include "base/rng.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_text__grows_and_stays_terminated(void **state)
{
    (void)state;
    text t;
    text_init(&t);
    for (int i = 0; i < 1000; i++) {
        text_add(&t, "ab");
        text_printf(&t, "%03d", i);
        text_add_bytes(&t, "xyz", 1);
        assert_int_equal(t.n, 6 * (size_t)(i + 1));
        assert_int_equal(strlen(t.s), t.n);
    }
    assert_memory_equal(t.s + 6 * 731, "ab731x", 6);
    assert_int_equal(text_check(&t, NULL), OK);
    text_clear(&t);
    assert_string_equal(t.s, "");
    text_add(&t, "");
    assert_int_equal(t.n, 0);
    text_release(&t);
    assert_null(t.s);
    text_add(&t, "");
    assert_string_equal(t.s, "");
    text_release(&t);
}

static void test_text__a_failed_addition_is_remembered(void **state)
{
    (void)state;
    text t = { 0 };
    error e = { 0 };
    text_add(&t, "kept");
    text_add_bytes(&t, "x", SIZE_MAX / 2); /* refused before it is read */
    text_add(&t, "not added");
    assert_string_equal(t.s, "kept");
    assert_int_equal(text_check(&t, &e), E_NOMEM);
    text_release(&t);
}

static void assert_real(double v, const char *expected)
{
    text t = { 0 };
    text_add_real(&t, v);
    assert_string_equal(t.s, expected);
    text_release(&t);
}

static void assert_comes_back(double v)
{
    text t = { 0 };
    text_add_real(&t, v);
    const char *end;
    const double back = text_to_real(t.s, &end);
    assert_int_equal(*end, '\0');
    assert_memory_equal(&back, &v, sizeof v);
    assert_non_null(strpbrk(t.s, ".e"));
    assert_null(strchr(t.s, ','));
    text_release(&t);
}

/* What printf and strtod find. */
static void assert_shortest(double v)
{
    text t = { 0 };
    char expected[48];
    text_add_real(&t, v);
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(expected, sizeof expected - 2, "%.*g", precision, v);
        const double back = strtod(expected, NULL);
        if (memcmp(&back, &v, sizeof v) == 0) break;
    }
    if (!strpbrk(expected, ".e")) strcat(expected, ".0");
    assert_string_equal(t.s, expected);
    text_release(&t);
}

/* Of every magnitude, full and short, and next to powers of ten and two and to halves. */
static void test_text__reals_are_as_short_as_they_can_be(void **state)
{
    (void)state;
    setlocale(LC_ALL, "C");
    const rng r = rng_make(31, "shortest");
    for (uint64_t i = 0; i < 120000; i++) {
        uint32_t words[3];
        rng_u32(r, i, 0, words, 3);
        const double mantissa = 1 + (words[0] + words[1] * 0x1p-32) * 0x1p-32;
        const int digits = (int)(words[2] % 18), exponent = (int)(words[2] >> 8) % 61 - 40;
        const double full = ldexp(mantissa, (int)(words[2] >> 16) % 160 - 100);
        assert_shortest(i % 2 ? -full : full);
        const double place = pow(10, digits);
        assert_shortest(floor(mantissa * place) / place * pow(10, exponent));
        assert_shortest((floor(mantissa * 1e15) + 0.5) * pow(10, exponent));
    }
    for (int k = -45; k <= 25; k++) {
        const double ten = strtod((char[8]){ '1', 'e', k < 0 ? '-' : '+', (char)('0' + abs(k) / 10),
                                      (char)('0' + abs(k) % 10) },
            NULL);
        const double near[] = { ten, nextafter(ten, 0), nextafter(ten, INFINITY), ldexp(1, k),
            nextafter(ldexp(1, k), 0), nextafter(ldexp(1, k), INFINITY), 9.5 * ten, 0.5 * ten };
        for (size_t i = 0; i < sizeof near / sizeof near[0]; i++) {
            assert_shortest(near[i]);
        }
    }
}

static void check_reals(void)
{
    assert_real(0.1, "0.1");
    assert_real(1.0, "1.0");
    assert_real(-3.0, "-3.0");
    assert_real(0.00194, "0.00194");
    assert_real(0.002 * 0.97, "0.0019399999999999999"); /* another number: the one below it */
    assert_real(1e300, "1e+300");
    assert_real(0.1 + 0.2, "0.30000000000000004");
    assert_real((double)NAN, "nan");
    assert_real((double)INFINITY, "inf");
    assert_real(-(double)INFINITY, "-inf");
    static const double edges[] = { 0.0, -0.0, DBL_MIN, DBL_MAX, DBL_TRUE_MIN, DBL_EPSILON,
        1.0 / 3.0, 123456789012345678.0, 5e-324, 2.2250738585072011e-308 };
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        assert_comes_back(edges[i]);
    const rng r = rng_make(29, "reals");
    for (uint64_t i = 0; i < 20000; i++) {
        uint64_t bits;
        double v;
        uint32_t words[2];
        rng_u32(r, i, 0, words, 2);
        bits = (uint64_t)words[1] << 32 | words[0];
        memcpy(&v, &bits, sizeof v);
        if (isfinite(v)) assert_comes_back(v);
    }
    const char *end;
    assert_true(fabs(text_to_real(" -2.385e1,7", &end) + 23.85) < 1e-12);
    assert_string_equal(end, ",7");
    const char *none = "x1";
    assert_true(fabs(text_to_real(none, &end)) < 1e-300);
    assert_ptr_equal(end, none);
    assert_true(text_to_real("inf", NULL) > DBL_MAX);
}

static void test_text__reals_come_back(void **state)
{
    (void)state;
    check_reals();
}

static void test_text__reals_come_back_under_a_comma_locale(void **state)
{
    (void)state;
    static const char *const names[] = { "de_DE.utf8", "de_DE.UTF-8", "de_DE", "fr_FR.utf8",
        "fr_FR.UTF-8", "es_ES.utf8", "pt_BR.utf8", "ru_RU.utf8", "nl_NL.utf8" };
    bool is_set = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && !is_set; i++) {
        is_set = setlocale(LC_ALL, names[i]) && strcmp(localeconv()->decimal_point, ",") == 0;
    }
    if (!is_set) {
        setlocale(LC_ALL, "C");
        print_message("skipped: no locale with a decimal comma is installed\n");
        skip();
    }
    check_reals();
    setlocale(LC_ALL, "C");
}

static void test_text__the_nearest_name_is_found(void **state)
{
    (void)state;
    static const char *const names[] = { "lr", "beta1", "beta2", "epsilon", "weight_decay" };
    const size_t n = sizeof names / sizeof names[0];
    assert_string_equal(text_nearest("beta", names, n), "beta1"); /* the first of two as near */
    assert_string_equal(text_nearest("epsilno", names, n), "epsilon");
    assert_string_equal(text_nearest("weigth_decya", names, n), "weight_decay");
    assert_string_equal(text_nearest("beta2", names, n), "beta2");
    assert_string_equal(text_nearest("rl", names, n), "lr");
    assert_null(text_nearest("momentum", names, n));
    assert_null(text_nearest("", names, n));
    assert_null(text_nearest("beta", names, 0));
    char longer[200];
    memset(longer, 'b', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_null(text_nearest(longer, names, n));
    const char *const only_long[] = { longer };
    assert_null(text_nearest("beta", only_long, 1));
}

static void test_text__patterns_match_like_a_shells(void **state)
{
    (void)state;
    assert_true(text_matches("*.weight", "dense1.weight"));
    assert_true(text_matches("dense?.*", "dense1.weight"));
    assert_true(text_matches("*", ""));
    assert_true(text_matches("a*b*c", "aXbXbYc"));
    assert_true(text_matches("**a", "aa"));
    assert_true(text_matches("", ""));
    assert_false(text_matches("", "a"));
    assert_false(text_matches("?", ""));
    assert_false(text_matches("*.weight", "dense1.weights"));
    assert_false(text_matches("a*b*c", "aXbXbY"));
    assert_false(text_matches("dense", "dens"));
}

static void test_text__numbers_for_people(void **state)
{
    (void)state;
    char s[32];
    static const struct {
        void (*write)(char out[32], double v);
        double v;
        const char *expected;
    } cases[] = {
        { text_count, 0, "0" },
        { text_count, 999, "999" },
        { text_count, 2.5, "2.5" },
        { text_count, 1234, "1.2k" },
        { text_count, 999960, "1.0M" },
        { text_count, 3400000, "3.4M" },
        { text_count, -1234, "-1.2k" },
        { text_bytes, 512, "512 B" },
        { text_bytes, 12.3 * 1024 * 1024, "12.3 MiB" },
        { text_duration, 0.0123, "12ms" },
        { text_duration, 12.34, "12.3s" },
        { text_duration, 14.0, "14s" },
        { text_duration, 13.98, "14.0s" },
        { text_duration, 59.97, "1m 00s" },
        { text_duration, 83, "1m 23s" },
        { text_duration, 7500, "2h 05m" },
        { text_duration, 277200, "3d 05h" },
        { text_duration, -1, "?" },
        { text_count, (double)INFINITY, "?" },
        { text_bytes, (double)NAN, "?" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cases[i].write(s, cases[i].v);
        assert_string_equal(s, cases[i].expected);
    }
    text_count(s, DBL_MAX); /* longer than the room: cut, not overrun */
    assert_int_equal(strlen(s), 31);
}

static void test_json__nests_and_separates(void **state)
{
    (void)state;
    text t = { 0 };
    json j;
    json_init(&j, &t);
    json_begin_object(&j);
    json_key_string(&j, "name", "digits");
    json_key(&j, "shape");
    json_begin_array(&j);
    json_int(&j, -64);
    json_real(&j, 0.5);
    json_begin_object(&j);
    json_end_object(&j);
    json_end_array(&j);
    json_key_real(&j, "loss", (double)NAN);
    json_key_real(&j, "bound", -(double)INFINITY);
    json_key_bool(&j, "best", true);
    json_key_int(&j, "large", INT64_MIN);
    json_key_string(&j, "none", NULL);
    json_end_object(&j);
    assert_string_equal(t.s,
        "{\"name\": \"digits\", \"shape\": [-64, 0.5, {}], \"loss\": \"nan\", \"bound\": \"-inf\", "
        "\"best\": true, \"large\": -9223372036854775808, \"none\": null}");
    text_release(&t);
}

static void test_json__arrays_of_reals_are_their_reals(void **state)
{
    (void)state;
    double values[40] = { 0 };
    values[3] = -0.0;
    values[5] = 2.385;
    values[17] = NAN;
    values[39] = -7;
    for (size_t n = 0; n <= 40; n++) {
        text one = { 0 }, all = { 0 };
        json j;
        json_init(&j, &one);
        json_begin_array(&j);
        for (size_t i = 0; i < n; i++) {
            json_real(&j, values[i]);
        }
        json_end_array(&j);
        json_init(&j, &all);
        json_reals(&j, values, n);
        assert_string_equal(all.s, one.s);
        text_release(&one);
        text_release(&all);
    }
}

static void test_json__strings_are_escaped_and_always_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "a\"b\\c\n\t\r\x01\x7f", "\"a\\\"b\\\\c\\n\\t\\r\\u0001\\u007f\"" },
        { "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
            "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"" },
        { "\xff", "\"\\ufffd\"" },
        { "\xc3", "\"\\ufffd\"" }, /* cut short */
        { "\xe2\x82", "\"\\ufffd\\ufffd\"" }, /* cut short */
        { "\xf0\x9f\x98", "\"\\ufffd\\ufffd\\ufffd\"" }, /* cut short */
        { "\xc0\xaf", "\"\\ufffd\\ufffd\"" }, /* too long a form */
        { "\xe0\x80\xaf", "\"\\ufffd\\ufffd\\ufffd\"" }, /* too long a form */
        { "\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\"" }, /* a surrogate */
        { "\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\"" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text t = { 0 };
        json j;
        json_init(&j, &t);
        json_string(&j, cases[i].in);
        assert_string_equal(t.s, cases[i].out);
        text_release(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text__grows_and_stays_terminated),
        cmocka_unit_test(test_text__a_failed_addition_is_remembered),
        cmocka_unit_test(test_text__reals_come_back),
        cmocka_unit_test(test_text__reals_are_as_short_as_they_can_be),
        cmocka_unit_test(test_text__reals_come_back_under_a_comma_locale),
        cmocka_unit_test(test_text__the_nearest_name_is_found),
        cmocka_unit_test(test_text__patterns_match_like_a_shells),
        cmocka_unit_test(test_text__numbers_for_people),
        cmocka_unit_test(test_json__nests_and_separates),
        cmocka_unit_test(test_json__arrays_of_reals_are_their_reals),
        cmocka_unit_test(test_json__strings_are_escaped_and_always_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
