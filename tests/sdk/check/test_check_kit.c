/* Reports, the table of tests, and reports on their way between processes. */
#include "check/runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#undef fail

#include <math.h>
#include <string.h>

static void test_report__keeps_the_first_of_the_worst(void **state)
{
    (void)state;
    check_report r = { 0 };
    check_skip(&r, "skipped %d", 1);
    assert_int_equal(r.outcome, CHECK_SKIPPED);
    check_warn(&r, "warned %d", 1);
    check_warn(&r, "warned %d", 2);
    check_skip(&r, "skipped %d", 2);
    assert_string_equal(r.message, "warned 1");
    check_fail(&r, "failed %d", 1);
    check_fail(&r, "failed %d", 2);
    check_warn(&r, "warned %d", 3);
    assert_int_equal(r.outcome, CHECK_FAILED);
    assert_string_equal(r.message, "failed 1");
}

static void test_report__drops_figures_that_it_has_no_room_for(void **state)
{
    (void)state;
    check_report r = { 0 };
    for (int i = 0; i < CHECK_MAX_FIGURES + 3; i++)
        check_measure(&r, "time", 0.5 * i, "ns");
    assert_int_equal(r.n_figures, CHECK_MAX_FIGURES);
    assert_float_equal(r.figure[CHECK_MAX_FIGURES - 1].value, 0.5 * (CHECK_MAX_FIGURES - 1), 0);
}

static void test_tests__have_names_docs_and_places_of_their_own(void **state)
{
    (void)state;
    assert_true(check_count() >= 15);
    for (size_t i = 0; i < check_count(); i++) {
        const check_test *t = check_get(i);
        assert_non_null(t->run);
        assert_true(t->doc && strlen(t->doc) > 10 && !strchr(t->doc, '\n'));
        assert_int_equal(strspn(t->name, "abcdefghijklmnopqrstuvwxyz0123456789_"), strlen(t->name));
        assert_ptr_equal(check_find(t->name), t); /* so no two have one name */
        assert_true(!t->kind || strncmp(t->name, t->kind, strlen(t->kind)) == 0);
    }
    assert_null(check_get(check_count()));
    assert_null(check_find("no_such_test"));
}

static void test_loading__comes_first_and_begins_with_loads(void **state)
{
    (void)state;
    assert_string_equal(check_get(0)->name, "loads");
    bool is_over = false;
    for (size_t i = 0; i < check_count(); i++) {
        const bool is_of_loading = check_is_of_loading(check_get(i));
        assert_false(is_over && is_of_loading);
        is_over = is_over || !is_of_loading;
    }
    assert_true(is_over);
}

static void test_speed__is_a_matter_of_the_name(void **state)
{
    (void)state;
    assert_true(check_is_speed(&(check_test){ .name = "layer_speed" }));
    assert_false(check_is_speed(&(check_test){ .name = "_speed" }));
    assert_false(check_is_speed(&(check_test){ .name = "layer_speeds" }));
    assert_true(check_applies(&(check_test){ .kind = "layer" }, "layer"));
    assert_false(check_applies(&(check_test){ .kind = "layer" }, "loss"));
    assert_true(check_applies(&(check_test){ .kind = NULL }, "loss"));
}

/* -- JSON -- */

static status read_back(const char *line, arena *a, check_report *out)
{
    error err = { 0 };
    return check_report_from_json(line, strlen(line), a, out, &err);
}

static void test_json__reads_back_what_it_wrote(void **state)
{
    (void)state;
    arena a = { 0 };
    text t = { 0 };
    check_report r = { 0 }, back;
    check_measure(&r, "update", 2.385, "ns per parameter");
    check_measure(&r, "odd \"name\"\n", NAN, "");
    check_fail(&r, "a line\nand \"another\" \xc3\xa4");
    check_report_to_json(&r, &t);
    assert_int_equal(t.s[t.n - 1], '\n');
    assert_ptr_equal(strchr(t.s, '\n'), t.s + t.n - 1);
    assert_int_equal(read_back(t.s, &a, &back), OK);
    assert_int_equal(back.outcome, CHECK_FAILED);
    assert_string_equal(back.message, r.message);
    assert_int_equal(back.n_figures, 2);
    assert_string_equal(back.figure[0].name, "update");
    assert_string_equal(back.figure[0].unit, "ns per parameter");
    assert_true(back.figure[0].value == 2.385);
    assert_string_equal(back.figure[1].name, "odd \"name\"\n");
    assert_true(isnan(back.figure[1].value));
    text_release(&t);
    arena_release(&a);
}

static void test_json__that_is_cut_or_wrong_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "{", "{\"outcome\": 4}", "{\"outcome\": \"failed\"}",
        "{\"outcome\": 1} x", "{\"message\": 3}", "{\"figures\": [{\"value\": \"x\"}]}",
        "{\"outcome\": 1, \"figures\": [" };
    arena a = { 0 };
    check_report r = { 0 };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_not_equal(read_back(wrong[i], &a, &r), OK);
    arena_release(&a);
}

static void test_runner__that_cannot_start_a_process_says_so(void **state)
{
    (void)state;
    arena a = { 0 };
    error err = { 0 };
    check_result result;
    const check_job job = {
        .test = check_get(0), .word = "adam", .kind = "optimizer", .id = "adam"
    };
    const runner_options o = { .program = "/no/such/program", .time_limit_s = 5, .n_processes = 1 };
    assert_int_equal(runner_run(&job, 1, &o, &a, &result, &err), E_IO);
    assert_non_null(strstr(err.text, "/no/such/program: a test cannot be started"));
    arena_release(&a);
}

static size_t n_done;

static void count_done(void *self, size_t i_job, const check_result *r)
{
    (void)self;
    (void)i_job;
    (void)r;
    n_done++;
}

static void test_runner__judges_a_program_that_reports_nothing(void **state)
{
    (void)state;
    arena a = { 0 };
    error err = { 0 };
    check_result results[3];
    const check_job jobs[3] = {
        { .test = check_get(0), .word = "adam", .kind = "optimizer", .id = "adam" },
        { .test = check_get(1), .word = "adam", .kind = "optimizer", .id = "adam" },
        { .test = check_get(0), .word = "sgd", .kind = "optimizer", .id = "sgd" },
    };
    const runner_options o = {
        .program = "/bin/false", .time_limit_s = 5, .n_processes = 2, .done = count_done
    };
    assert_int_equal(runner_run(jobs, 3, &o, &a, results, &err), OK);
    assert_int_equal(n_done, 2);
    assert_int_equal(results[0].end, CHECK_EXITED);
    assert_string_equal(
        results[0].report.message, "the process ended with code 1 and without a report");
    assert_int_equal(results[1].end, CHECK_NOT_RUN); /* since `loads` has failed */
    assert_string_equal(check_result_name(&results[1]), "not run");
    assert_int_equal(results[2].end, CHECK_EXITED);
    assert_string_equal(check_result_name(&results[2]), "exited");
    arena_release(&a);
}

static void test_messages__are_tidy(void **state)
{
    (void)state;
    check_report r = { 0 };
    check_fail(&r, "with %s: settings:1: w is %s in %d updates, in each of %d settings (with %s)",
        "decay = 0.0001;", "-nan", 1, 1, "lr = 0.1; decay = 1;) ");
    assert_string_equal(r.message,
        "with decay = 0.0001: w is nan in 1 update, in the only settings (with lr = 0.1; decay = "
        "1) )");
    check_report other = { 0 };
    check_warn(&other, "in %d updates, under any of %d settings", 11, 21);
    assert_string_equal(other.message, "in 11 updates, under any of 21 settings");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages__are_tidy),
        cmocka_unit_test(test_report__keeps_the_first_of_the_worst),
        cmocka_unit_test(test_report__drops_figures_that_it_has_no_room_for),
        cmocka_unit_test(test_tests__have_names_docs_and_places_of_their_own),
        cmocka_unit_test(test_loading__comes_first_and_begins_with_loads),
        cmocka_unit_test(test_speed__is_a_matter_of_the_name),
        cmocka_unit_test(test_json__reads_back_what_it_wrote),
        cmocka_unit_test(test_json__that_is_cut_or_wrong_is_refused),
        cmocka_unit_test(test_runner__that_cannot_start_a_process_says_so),
        cmocka_unit_test(test_runner__judges_a_program_that_reports_nothing),
    };
    return cmocka_run_group_tests_name("check_kit", tests, NULL, NULL);
}
