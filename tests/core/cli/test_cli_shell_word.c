/* Commands that the program shows: a shell that is given one does the same again. */
#include "core/cli/process.h"

static void test_build__shows_a_command_that_a_shell_takes_back(void **state)
{
    (void)state;
    said s = assay("plugin", "new", "loss", "half", "--quiet");
    assert_code(&s, 0);
    forget(&s);
    assert_int_equal(rename("half/half.c", "half/it's $half.c"), 0);
    s = assay("plugin", "build", "half/it's $half.c", "-o", "half.so", "-v");
    assert_code(&s, 0);
    assert_non_null(strstr(s.err, "'half/it'\\''s $half.c'"));
    assert_null(strstr(s.err, "'half.so'"));
    assert_int_equal(unlink("half.so"), 0);
    assert_int_equal(system(s.err), 0);
    assert_int_equal(access("half.so", R_OK), 0);
    forget(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_build__shows_a_command_that_a_shell_takes_back),
    };
    return cmocka_run_group_tests(tests, enter_scratch, leave_scratch);
}
