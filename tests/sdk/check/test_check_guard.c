/* Watched memory: what is written beside an array is found, by a signal or by a look. */
#include "check/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail

#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether writing to that address (or reading, where `reads`) ends a process. */
static bool is_deadly(volatile unsigned char *at, bool reads)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const struct rlimit none = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &none);
        signal(SIGSEGV, SIG_DFL);
        if (reads) {
            _exit(*at == 1 ? 0 : 2);
        }
        *at = 1;
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(pid, &how, 0), pid);
    return WIFSIGNALED(how) && WTERMSIG(how) == SIGSEGV;
}

static const size_t sizes[] = { 4, 28, 4096, 4100, 12288, 65540 };

enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static void test_guard_after__ends_at_a_page_that_cannot_be_touched(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIZES; i++) {
        guarded g;
        error err;
        assert_int_equal(guarded_new(sizes[i], GUARD_AFTER, &g, &err), OK);
        unsigned char *at = g.at;
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(at[k], 0);
        memset(at, 7, sizes[i]);
        assert_true(guarded_is_intact(&g));
        assert_false(is_deadly(at + sizes[i] - 1, false));
        assert_true(is_deadly(at + sizes[i], false));
        assert_true(is_deadly(at + sizes[i], true));
        guarded_free(&g);
    }
}

static void test_guard_before__begins_behind_such_a_page(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SIZES; i++) {
        guarded g;
        error err;
        assert_int_equal(guarded_new(sizes[i], GUARD_BEFORE, &g, &err), OK);
        unsigned char *at = g.at;
        assert_int_equal(at[0], 0);
        assert_int_equal(at[sizes[i] - 1], 0);
        assert_false(is_deadly(at, false));
        assert_true(is_deadly(at - 1, false));
        guarded_free(&g);
    }
}

static void test_known_bytes__tell_of_a_write_on_the_other_side(void **state)
{
    (void)state;
    guarded g;
    error err;
    assert_int_equal(guarded_new(28, GUARD_AFTER, &g, &err), OK);
    ((unsigned char *)g.at)[-1] = 0;
    assert_false(guarded_is_intact(&g));
    guarded_free(&g);
    assert_int_equal(guarded_new(28, GUARD_BEFORE, &g, &err), OK);
    assert_true(guarded_is_intact(&g));
    ((unsigned char *)g.at)[28] = 0;
    assert_false(guarded_is_intact(&g));
    guarded_free(&g);
}

static void test_nothing__has_an_address_that_cannot_be_read(void **state)
{
    (void)state;
    guarded g;
    error err;
    for (int side = GUARD_AFTER; side <= GUARD_BEFORE; side++) {
        assert_int_equal(guarded_new(0, (guard_side)side, &g, &err), OK);
        assert_non_null(g.at);
        assert_true(guarded_is_intact(&g));
        assert_true(side == GUARD_BEFORE || is_deadly(g.at, true));
        guarded_free(&g);
    }
    assert_int_equal(guarded_new(SIZE_MAX - 100, GUARD_AFTER, &g, &err), E_NOMEM);
}

static void test_lock__forbids_writing_alone(void **state)
{
    (void)state;
    guarded g;
    error err;
    assert_int_equal(guarded_new(100, GUARD_AFTER, &g, &err), OK);
    guarded_lock(&g);
    assert_true(is_deadly(g.at, false));
    assert_false(is_deadly(g.at, true));
    guarded_unlock(&g);
    assert_false(is_deadly(g.at, false));
    guarded_free(&g);
}

static void test_snapshot__names_the_first_byte_and_puts_back(void **state)
{
    (void)state;
    unsigned char bytes[9] = { 3, 1, 4, 1, 5, 9, 2, 6, 5 };
    snapshot s;
    error err;
    size_t at = 99;
    assert_int_equal(snapshot_take(bytes, sizeof bytes, &s, &err), OK);
    assert_true(snapshot_is_same(&s, &at));
    bytes[4] = 0;
    bytes[7] = 0;
    assert_false(snapshot_is_same(&s, &at));
    assert_int_equal(at, 4);
    snapshot_restore(&s);
    assert_true(snapshot_is_same(&s, NULL));
    assert_int_equal(bytes[4], 5);
    snapshot_free(&s);
    assert_int_equal(snapshot_take(NULL, 0, &s, &err), OK);
    assert_true(snapshot_is_same(&s, NULL));
    snapshot_free(&s);
}

static void test_bits__differ_where_values_do_not(void **state)
{
    (void)state;
    const float a[4] = { 2.385F, -0.731F, 0.0F, NAN }, b[4] = { 2.385F, -0.731F, -0.0F, NAN };
    assert_int_equal(bits_differ(a, a, 4), 4);
    assert_int_equal(bits_differ(a, b, 4), 2);
    assert_int_equal(bits_differ(a, b, 2), 2);
    assert_true(bits_hash(a, 4, 0) == bits_hash(a, 4, 0));
    assert_true(bits_hash(a, 4, 0) != bits_hash(b, 4, 0));
    assert_true(bits_hash(a, 4, 0) != bits_hash(a, 4, 1));
}

static void test_finite__finds_the_first_that_is_not(void **state)
{
    (void)state;
    float x[4] = { 2.385F, -0.731F, -INFINITY, NAN };
    size_t at = 99;
    assert_false(floats_are_finite(x, 4, &at));
    assert_int_equal(at, 2);
    assert_true(floats_are_finite(x, 2, &at));
    assert_false(floats_are_finite(x + 3, 1, NULL));
}

static void test_float_mode__is_compared_and_put_back(void **state)
{
    (void)state;
    const float_mode before = float_mode_get();
    assert_null(float_mode_change(&before));
    fesetround(FE_DOWNWARD);
    assert_string_equal(float_mode_change(&before), "the rounding mode");
    float_mode_set(&before);
    assert_null(float_mode_change(&before));
    volatile float x = 2.385F;
    x = x / 3.0F; /* raises "inexact", which is no change of the mode */
    assert_null(float_mode_change(&before));
}

static void test_describe__names_what_an_address_is_beside_of(void **state)
{
    (void)state;
    guarded after, before;
    error err;
    char said[200];
    assert_int_equal(guarded_new(28, GUARD_AFTER, &after, &err), OK);
    assert_int_equal(guarded_new(28, GUARD_BEFORE, &before, &err), OK);
    char *end = (char *)after.at + 28, *begin = before.at;
    assert_false(guard_describe(end, said, sizeof said));
    guarded_name(&after, "the %s of %s", "gradient", "in.weight");
    guarded_name(&before, "saved[%d]", 1);
    assert_true(guard_describe(end, said, sizeof said));
    assert_string_equal(said, "just past the end of the gradient of in.weight (28 bytes)");
    assert_true(guard_describe(end + 12, said, sizeof said));
    assert_string_equal(said, "12 bytes past the end of the gradient of in.weight (28 bytes)");
    assert_true(guard_describe(begin - 4, said, sizeof said));
    assert_string_equal(said, "4 bytes before the beginning of saved[1]");
    assert_true(guard_describe(begin + 8, said, sizeof said));
    assert_string_equal(said, "byte 8 of saved[1], which it may only read");
    guarded_free(&before);
    assert_false(guard_describe(begin - 4, said, sizeof said));
    guarded_free(&after);
    assert_false(guard_describe(end, said, sizeof said));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe__names_what_an_address_is_beside_of),
        cmocka_unit_test(test_guard_after__ends_at_a_page_that_cannot_be_touched),
        cmocka_unit_test(test_guard_before__begins_behind_such_a_page),
        cmocka_unit_test(test_known_bytes__tell_of_a_write_on_the_other_side),
        cmocka_unit_test(test_nothing__has_an_address_that_cannot_be_read),
        cmocka_unit_test(test_lock__forbids_writing_alone),
        cmocka_unit_test(test_snapshot__names_the_first_byte_and_puts_back),
        cmocka_unit_test(test_bits__differ_where_values_do_not),
        cmocka_unit_test(test_finite__finds_the_first_that_is_not),
        cmocka_unit_test(test_float_mode__is_compared_and_put_back),
    };
    return cmocka_run_group_tests_name("check_guard", tests, NULL, NULL);
}
