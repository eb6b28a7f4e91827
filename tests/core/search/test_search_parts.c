/* The engine with a strategy that proposes parts of trials: refusals, continuing, verdicts, replay. */
#include "search/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail

typedef struct scene {
    space s;
    config *c;
    registry *r;
    search *search;
    error err;
} scene;

static status begin(scene *t, const char *written, double max_fidelity)
{
    const search_options o = { .seed = 7, .max_fidelity = max_fidelity };
    search_free(t->search);
    t->search = NULL;
    space_release(&t->s);
    config_free(t->c);
    assert_int_equal(config_parse("x.cfg", "search = \"halves\";", &t->c, &t->err), OK);
    assert_int_equal(space_add_text(&t->s, written, NULL, &t->err), OK);
    return search_new(
        t->r, t->c, value_find(config_root(t->c), "search"), NULL, &t->s, &o, &t->search, &t->err);
}

static int setup(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/tests/plugins", NULL };
    const registry_options o = { .no_environment = true, .dirs = dirs };
    scene *t = calloc(1, sizeof *t);
    assert_int_equal(registry_new(&o, &t->r, &t->err), OK);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    scene *t = *state;
    search_free(t->search);
    registry_free(t->r);
    config_free(t->c);
    space_release(&t->s);
    free(t);
    return 0;
}

static void expect(scene *t, status found, status code, const char *part)
{
    assert_int_equal(found, code);
    if (!strstr(t->err.text, part)) print_error("%s\n", t->err.text);
    assert_non_null(strstr(t->err.text, part));
}

static size_t ask(scene *t, search_trial *out)
{
    size_t n = 0;
    bool over;
    assert_int_equal(search_ask(t->search, 1, out, &n, &over, &t->err), OK);
    return n;
}

static uint64_t tell(scene *t, uint64_t trial, uint64_t state, double v, double fidelity)
{
    uint64_t verdict = 99;
    const search_result r = { trial, state, v, (double)NAN, fidelity };
    assert_int_equal(search_tell(t->search, &r, &verdict, &t->err), OK);
    return verdict;
}

static void test_spaces__are_refused_by_the_name_of_the_dimension(void **state)
{
    scene *t = *state;
    expect(t, begin(t, "lr=0.5..2.5 cell=a,b", 9), E_UNSUPPORTED,
        "does not handle choices, and the space has one: cell");
    expect(t, begin(t, "lr=0.5..2.5", 0), E_UNSUPPORTED, "give max_fidelity");
}

static void test_parts__are_paused_and_continued(void **state)
{
    scene *t = *state;
    search_trial a, b;
    uint64_t last;
    assert_int_equal(begin(t, "lr=0.5..2.5 x=-1.0..1", 9), OK);
    assert_int_equal(ask(t, &a), 1);
    assert_true(a.fidelity == 3 && a.from == ASSAY_NO_TRIAL);
    assert_int_equal(ask(t, &b), 0); /* it waits */
    (void)tell(t, 0, ASSAY_TRIAL_PAUSED, 0.731, 3);
    assert_int_equal(ask(t, &b), 1);
    assert_true(b.number == 1 && b.from == 0 && b.fidelity == 9 && b.replicate == 0);
    assert_true(b.x[0] == a.x[0] && b.x[1] == a.x[1]);
    (void)tell(t, 1, ASSAY_TRIAL_DONE, 0.25, 0);
    assert_non_null(search_trial_find(t->search, 0, &last));
    assert_int_equal(last, ASSAY_TRIAL_PAUSED);
    const search_result again = { 0, ASSAY_TRIAL_DONE, 1, (double)NAN, 0 };
    expect(t, search_tell(t->search, &again, NULL, &t->err), E_CONFLICT, "it is paused");
}

static void test_reports__get_verdicts(void **state)
{
    scene *t = *state;
    search_trial a;
    assert_int_equal(begin(t, "lr=0.5..2.5", 9), OK);
    assert_int_equal(ask(t, &a), 1);
    assert_int_equal(tell(t, 0, ASSAY_TRIAL_REPORTED, 0.5, 1), ASSAY_VERDICT_GO);
    assert_int_equal(tell(t, 0, ASSAY_TRIAL_REPORTED, 1.5, 2), ASSAY_VERDICT_PAUSE);
    assert_int_equal(tell(t, 0, ASSAY_TRIAL_REPORTED, 2.5, 2), ASSAY_VERDICT_STOP);
    assert_int_equal(tell(t, 0, ASSAY_TRIAL_REPORTED, (double)NAN, 3), ASSAY_VERDICT_STOP);
    const search_result late = { 0, ASSAY_TRIAL_DONE, 1, (double)NAN, 0 };
    expect(t, search_tell(t->search, &late, NULL, &t->err), E_CONFLICT, "it is diverged");
}

static void test_replay__checks_verdicts(void **state)
{
    scene *t = *state;
    search_trial a;
    assert_int_equal(begin(t, "lr=0.5..2.5", 9), OK);
    assert_int_equal(ask(t, &a), 1);
    search_entry e = { .kind = SEARCH_TOLD,
        .result = { 0, ASSAY_TRIAL_REPORTED, 1.5, (double)NAN, 1 },
        .verdict = ASSAY_VERDICT_GO };
    expect(t, search_replay(t->search, &e, &t->err), E_CORRUPT, "report of trial 0");
    e.verdict = ASSAY_VERDICT_PAUSE;
    assert_int_equal(search_replay(t->search, &e, &t->err), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        ROW(test_spaces__are_refused_by_the_name_of_the_dimension),
        ROW(test_parts__are_paused_and_continued),
        ROW(test_reports__get_verdicts),
        ROW(test_replay__checks_verdicts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
