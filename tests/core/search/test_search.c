/* The engine that drives strategies: spaces that are refused, proposals, repeats, results, logs and their replay, by the built-in
 * strategies that need no results. */
#include "search/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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

static int setup(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    scene *t = calloc(1, sizeof *t);
    const registry_options o = { .no_environment = true, .dirs = dirs };
    space_init(&t->s);
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

static status begin(scene *t, const char *strategy, const char *written, const search_options *o)
{
    search_free(t->search);
    t->search = NULL;
    config_free(t->c);
    t->c = NULL;
    if (written) {
        space_release(&t->s);
        assert_int_equal(space_add_text(&t->s, written, NULL, &t->err), OK);
    }
    assert_int_equal(config_parse("x.cfg", strategy, &t->c, &t->err), OK);
    const search_options usual = { .seed = 7 };
    return search_new(t->r, t->c, value_find(config_root(t->c), "search"), NULL, &t->s,
        o ? o : &usual, &t->search, &t->err);
}

static void expect(scene *t, status found, status code, const char *part)
{
    assert_int_equal(found, code);
    if (!strstr(t->err.text, part)) print_error("%s\n", t->err.text);
    assert_non_null(strstr(t->err.text, part));
}

static size_t ask(scene *t, uint64_t want, search_trial *out, bool *out_over)
{
    size_t n = 0;
    bool over = false;
    const status st = search_ask(t->search, want, out, &n, &over, &t->err);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
    if (out_over) *out_over = over;
    return n;
}

static const char *const mixed = "type=sgd,adam,rmsprop lr=1e-6..1:log momentum=0..0.99?type=sgd "
                                 "batch=1..256:int:log layers=1..4";

static void test_ask__gives_numbered_points_inside_the_space(void **state)
{
    scene *t = *state;
    search_trial got[40];
    assert_int_equal(begin(t, "search = \"random\";", mixed, NULL), OK);
    assert_int_equal(ask(t, 3, got, NULL), 3);
    assert_int_equal(ask(t, 37, got + 3, NULL), 37);
    for (size_t i = 0; i < 40; i++) {
        double x[5];
        assert_int_equal(got[i].number, i);
        memcpy(x, got[i].x, sizeof x);
        assert_false(space_repair(&t->s, x));
        assert_int_equal(isnan(x[2]), x[0] != 0);
    }
    assert_int_equal(search_count(t->search), 40);
}

static void test_how_asks_are_cut__does_not_matter_to_random(void **state)
{
    scene *t = *state;
    search_trial one[8];
    double x[8][5];
    assert_int_equal(begin(t, "search = \"random\";", mixed, NULL), OK);
    assert_int_equal(ask(t, 8, one, NULL), 8);
    for (size_t i = 0; i < 8; i++)
        memcpy(x[i], one[i].x, sizeof x[i]);
    assert_int_equal(begin(t, "search = \"random\";", NULL, NULL), OK);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(ask(t, 1, one, NULL), 1);
        for (size_t k = 0; k < 5; k++)
            assert_true(one[0].x[k] == x[i][k] || (isnan(one[0].x[k]) && isnan(x[i][k])));
    }
}

static void test_repeats__are_passed_over_in_a_finite_space_then_replicates(void **state)
{
    scene *t = *state;
    search_trial got[60];
    size_t n_first = 0, n_later = 0;
    assert_int_equal(begin(t, "search = \"random\";", "a=x,y,z b=1..5", NULL), OK);
    for (size_t i = 0; i < 60; i++) {
        assert_int_equal(ask(t, 1, got + i, NULL), 1);
        n_first += i < 10 && got[i].replicate == 0;
        n_later += got[i].replicate > 0;
    }
    assert_true(
        n_first == 10); /* 15 points; the chance that 9 tries all repeat is below (9/15)^9 */
    assert_true(n_later >= 45);
    assert_int_equal(search_count(t->search), 60);
}

static void test_tell__knows_trials_states_and_values(void **state)
{
    scene *t = *state;
    search_trial got[6];
    uint64_t verdict, trial_state;
    double best;
    assert_int_equal(begin(t, "search = \"random\";", "a=0.0..1", NULL), OK);
    assert_int_equal(ask(t, 6, got, NULL), 6);
    search_result r = { .trial = 9, .state = ASSAY_TRIAL_DONE, .value = 2.385 };
    expect(t, search_tell(t->search, &r, NULL, &t->err), E_UNKNOWN, "no trial 9");
    r.trial = 1;
    assert_int_equal(search_tell(t->search, &r, &verdict, &t->err), OK);
    expect(t, search_tell(t->search, &r, NULL, &t->err), E_CONFLICT, "ended already: it is done");
    r = (search_result){ .trial = 2, .state = ASSAY_TRIAL_RUNNING };
    expect(t, search_tell(t->search, &r, NULL, &t->err), E_RANGE, "not a state");
    r = (search_result){ .trial = 2, .state = ASSAY_TRIAL_DONE, .value = 1, .fidelity = -1 };
    expect(t, search_tell(t->search, &r, NULL, &t->err), E_RANGE, "fidelity of -1");
    r = (search_result){ .trial = 2, .state = ASSAY_TRIAL_DONE, .value = (double)NAN };
    assert_int_equal(search_tell(t->search, &r, NULL, &t->err), OK);
    assert_non_null(search_trial_find(t->search, 2, &trial_state));
    assert_int_equal(trial_state, ASSAY_TRIAL_DIVERGED);
    r = (search_result){ .trial = 3, .state = ASSAY_TRIAL_LOST };
    assert_int_equal(search_tell(t->search, &r, NULL, &t->err), OK);
    r = (search_result){ .trial = 3, .state = ASSAY_TRIAL_DONE, .value = -0.731 };
    assert_int_equal(search_tell(t->search, &r, NULL, &t->err), OK);
    assert_int_equal(search_best(t->search, &best)->number, 3);
    assert_true(best == -0.731);
}

static void test_spaces__that_a_strategy_cannot_do_are_refused(void **state)
{
    scene *t = *state;
    text many = { 0 };
    for (int i = 0; i < 81; i++)
        text_printf(&many, "x%d=0.0..1 ", i);
    expect(t, begin(t, "search = \"qmc\";", many.s, NULL), E_UNSUPPORTED, "at most 80 dimensions");
    assert_int_equal(
        begin(t, "search = { type = \"qmc\"; sequence = \"halton\"; };", NULL, NULL), OK);
    text_release(&many);
    expect(t,
        begin(t, "search = { type = \"grid\"; points = 9; };",
            "a=0.0..1 b=0.0..1 c=0.0..1 d=0.0..1 e=0.0..1 f=0.0..1 g=0.0..1 h=0.0..1 i=0.0..1 "
            "j=0.0..1 k=0.0..1 l=0.0..1 m=0.0..1 n=0.0..1 o=0.0..1 p=0.0..1 q=0.0..1",
            NULL),
        E_UNSUPPORTED, "x.cfg:1");
    expect(t, begin(t, "search = \"gird\";", "a=0.0..1", NULL), E_UNKNOWN, "grid");
    const search_options o = { .max_fidelity = 1, .min_fidelity = 2 };
    expect(t, begin(t, "search = \"random\";", "a=0.0..1", &o), E_RANGE, "min_fidelity");
}

/* -- logs -- */

enum { N_STEPS = 25 };

/* Some asks and results, each written as a line of the log. */
static void record(scene *t, text *log)
{
    for (uint64_t i = 0; i < N_STEPS; i++) {
        search_trial got[3];
        bool over;
        const uint64_t want = 1 + i % 3;
        const size_t n = ask(t, want, got, &over);
        const search_entry asked = {
            .kind = SEARCH_ASKED, .want = want, .trials = got, .n_trials = n, .is_over = over
        };
        search_entry_to_json(&t->s, &asked, log);
        text_add(log, "\n");
        for (size_t k = 0; k < n; k++) {
            search_entry told = { .kind = SEARCH_TOLD,
                .result = { got[k].number, i % 4 == 3 ? ASSAY_TRIAL_FAILED : ASSAY_TRIAL_DONE,
                    0.1 * (double)i - got[k].x[1], (double)NAN, 0 } };
            assert_int_equal(search_tell(t->search, &told.result, &told.verdict, &t->err), OK);
            search_entry_to_json(&t->s, &told, log);
            text_add(log, "\n");
        }
    }
}

/* Replays each line; *out_lines counts those that went well. */
static status replay(scene *t, const char *log, size_t *out_lines)
{
    status st = OK;
    arena a = { 0 };
    char strings[4000];
    *out_lines = 0;
    for (const char *line = log; *line && st == OK;) {
        const size_t n = strcspn(line, "\n");
        json_in j = { .what = "log", .s = line, .n = n, .strings = strings };
        search_entry e;
        assert_true(n < sizeof strings);
        assert_int_equal(search_entry_from_json(&t->s, &j, &a, &e, &t->err), OK);
        st = search_replay(t->search, &e, &t->err);
        *out_lines += st == OK;
        line += n + 1;
    }
    arena_release(&a);
    return st;
}

static void log_case(void **state, const char *strategy)
{
    scene *t = *state;
    text log = { 0 };
    size_t n_lines;
    search_trial was[1], is[1];
    assert_int_equal(begin(t, strategy, mixed, NULL), OK);
    record(t, &log);
    assert_int_equal(ask(t, 1, was, NULL), 1);
    double x[5];
    memcpy(x, was[0].x, sizeof x);
    assert_int_equal(begin(t, strategy, NULL, NULL), OK);
    const status st = replay(t, log.s, &n_lines);
    if (st != OK) print_error("%s\n", t->err.text);
    assert_int_equal(st, OK);
    assert_int_equal(ask(t, 1, is, NULL), 1);
    for (size_t k = 0; k < 5; k++)
        assert_true(is[0].x[k] == x[k] || (isnan(is[0].x[k]) && isnan(x[k])));
    const search_options other = { .seed = 8 };
    assert_int_equal(begin(t, strategy, NULL, &other), OK);
    expect(t, replay(t, log.s, &n_lines), E_CORRUPT, "disagree at ask 0");
    assert_int_equal(n_lines, 0);
    text_release(&log);
}

static void test_logs__bring_random_back(void **state)
{
    log_case(state, "search = \"random\";");
}

static void test_logs__bring_qmc_back(void **state)
{
    log_case(state, "search = \"qmc\";");
}

static void test_logs__bring_halton_back(void **state)
{
    log_case(state, "search = { type = \"qmc\"; sequence = \"halton\"; };");
}

static void test_logs__bring_grid_back(void **state)
{
    log_case(state, "search = \"grid\";");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        ROW(test_ask__gives_numbered_points_inside_the_space),
        ROW(test_how_asks_are_cut__does_not_matter_to_random),
        ROW(test_repeats__are_passed_over_in_a_finite_space_then_replicates),
        ROW(test_tell__knows_trials_states_and_values),
        ROW(test_spaces__that_a_strategy_cannot_do_are_refused),
        ROW(test_logs__bring_random_back),
        ROW(test_logs__bring_qmc_back),
        ROW(test_logs__bring_halton_back),
        ROW(test_logs__bring_grid_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
