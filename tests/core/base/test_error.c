/* Messages: what is written, what is kept, what is cut. */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail /* the name is ours */

#include <errno.h>
#include <string.h>

static void test_error__fail_writes_and_returns_its_code(void **state)
{
    (void)state;
    error e = { 0 };
    assert_int_equal(fail(&e, E_RANGE, "learning rate %g is outside (0, 1]", 2.385), E_RANGE);
    assert_int_equal(e.code, E_RANGE);
    assert_string_equal(e.text, "learning rate 2.385 is outside (0, 1]");
    assert_int_equal(fail(NULL, E_TYPE, "x"), E_TYPE);
}

static void test_error__fail_at_names_file_and_line_where_known(void **state)
{
    (void)state;
    error e = { 0 };
    const origin line = { "digits.cfg", 11 }, file = { "digits.cfg", 0 }, unknown = { NULL, 7 };
    fail_at(&e, E_UNKNOWN, &line, "unknown key \"%s\"", "beta");
    assert_string_equal(e.text, "digits.cfg:11: unknown key \"beta\"");
    fail_at(&e, E_UNKNOWN, &file, "no model");
    assert_string_equal(e.text, "digits.cfg: no model");
    fail_at(&e, E_UNKNOWN, &unknown, "no model");
    assert_string_equal(e.text, "no model");
    assert_int_equal(fail_at(&e, E_MISSING, NULL, "no model"), E_MISSING);
    assert_string_equal(e.text, "no model");
    assert_int_equal(fail_at(NULL, E_MISSING, &line, "no model"), E_MISSING);
}

static void test_error__where_goes_in_front(void **state)
{
    (void)state;
    error e = { 0 };
    fail(&e, E_SHAPE, "wants 3 columns");
    assert_int_equal(error_where(&e, "layer %d (%s)", 2, "dense"), E_SHAPE);
    assert_string_equal(e.text, "layer 2 (dense): wants 3 columns");
    assert_int_equal(error_where(NULL, "layer"), E_INTERNAL);
}

static void test_error__a_message_is_one_line_and_fits(void **state)
{
    (void)state;
    error e = { 0 };
    fail(&e, E_PLUGIN, "said: %s", "a\nb\tc\x7f");
    assert_string_equal(e.text, "said: a b c ");
    char longer[3 * ERROR_TEXT_BYTES];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    const origin at = { longer, 3 };
    fail(&e, E_PLUGIN, "%s", longer);
    assert_int_equal(strlen(e.text), ERROR_TEXT_BYTES - 1);
    error_where(&e, "%s", longer);
    assert_int_equal(strlen(e.text), ERROR_TEXT_BYTES - 1);
    fail_at(&e, E_PLUGIN, &at, "%s", longer);
    assert_int_equal(strlen(e.text), ERROR_TEXT_BYTES - 1);
}

static void test_error__the_systems_reason_is_named(void **state)
{
    (void)state;
    error e = { 0 };
    assert_int_equal(fail_errno(&e, ENOENT, "a/b.csv", "cannot open"), E_IO);
    assert_string_equal(e.text, "a/b.csv: cannot open: No such file or directory");
    assert_int_equal(fail_errno(&e, ENOMEM, "a/b.csv", "cannot map"), E_NOMEM);
    assert_int_equal(fail_nomem(&e, "weights"), E_NOMEM);
    assert_string_equal(e.text, "weights: out of memory");
}

static void test_error__every_code_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = OK; i <= E_INTERNAL; i++) {
        assert_string_not_equal(status_name((status)i), "no such status");
        for (int j = OK; j < i; j++) {
            assert_string_not_equal(status_name((status)i), status_name((status)j));
        }
    }
    assert_string_equal(status_name((status)(E_INTERNAL + 1)), "no such status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error__fail_writes_and_returns_its_code),
        cmocka_unit_test(test_error__fail_at_names_file_and_line_where_known),
        cmocka_unit_test(test_error__where_goes_in_front),
        cmocka_unit_test(test_error__a_message_is_one_line_and_fits),
        cmocka_unit_test(test_error__the_systems_reason_is_named),
        cmocka_unit_test(test_error__every_code_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
