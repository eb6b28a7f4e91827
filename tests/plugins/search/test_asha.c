/* What asha stops: verdicts at rungs that can be counted by hand, and what they save. */
#include "search/search.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail

enum { MOST = 8000, MOST_TRIALS = 600 };

typedef struct rig {
    registry *r;
    config *c;
    space s;
    search *at;
    double whole;
    search_entry log[MOST];
    search_trial trials[MOST_TRIALS];
    size_t n_entries, n_trials;
} rig;

static rig *rig_open(const char *strategy, double least, double whole)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = { .seed = 2385, .max_fidelity = whole, .min_fidelity = least };
    rig *g = calloc(1, sizeof *g);
    error err = { 0 };
    assert_non_null(g);
    g->whole = whole;
    space_init(&g->s);
    assert_int_equal(
        space_add_text(&g->s, "a=0.0..1 b=x,y c=1..7?b=x d=1e-4..1:log", NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &g->r, &err), OK);
    assert_int_equal(config_parse("x.cfg", strategy, &g->c, &err), OK);
    const status st = search_new(
        g->r, g->c, value_find(config_root(g->c), "search"), NULL, &g->s, &o, &g->at, &err);
    if (st != OK) print_error("%s\n", err.text);
    assert_int_equal(st, OK);
    return g;
}

static void rig_close(rig *g)
{
    search_free(g->at);
    config_free(g->c);
    registry_free(g->r);
    space_release(&g->s);
    free(g);
}

static const search_trial *rig_ask(rig *g, size_t want)
{
    search_trial *t = &g->trials[g->n_trials];
    search_entry *e = &g->log[g->n_entries++];
    error err = { 0 };
    *e = (search_entry){ .kind = SEARCH_ASKED, .want = want, .trials = t };
    assert_int_equal(search_ask(g->at, want, t, &e->n_trials, &e->is_over, &err), OK);
    assert_int_equal(e->n_trials, want);
    g->n_trials += want;
    return t;
}

static uint64_t rig_tell(rig *g, uint64_t trial, uint64_t state, double v, double fidelity)
{
    search_entry *e = &g->log[g->n_entries++];
    error err = { 0 };
    *e =
        (search_entry){ .kind = SEARCH_TOLD, .result = { trial, state, v, (double)NAN, fidelity } };
    assert_int_equal(search_tell(g->at, &e->result, &e->verdict, &err), OK);
    return e->verdict;
}

/* A level curve, reported at every whole fidelity; where it is stopped, 0: nowhere. */
static int run(rig *g, double v)
{
    const uint64_t trial = rig_ask(g, 1)->number;
    for (int k = 1; k <= (int)g->whole; k++) {
        if (rig_tell(g, trial, ASSAY_TRIAL_REPORTED, v, k) == ASSAY_VERDICT_GO) continue;
        rig_tell(g, trial, ASSAY_TRIAL_PRUNED, v, k);
        return k;
    }
    rig_tell(g, trial, ASSAY_TRIAL_DONE, v, g->whole);
    return 0;
}

/* Rungs at 1, 3, 9 of 27. Of the first five only the best so far goes on; the sixth may be second. */
static void test_asha__lets_one_in_eta_go_on(void **state)
{
    rig *g = rig_open("search = \"asha\";", 1, 27);
    (void)state;
    assert_int_equal(run(g, 2.31), 0);
    assert_int_equal(run(g, 2.47), 1);
    assert_int_equal(run(g, 2.13), 0);
    assert_int_equal(run(g, 2.19), 1); /* second of four */
    assert_int_equal(run(g, 2.23), 1);
    assert_int_equal(run(g, 2.17), 3); /* second of six at 1, and second of three at 3 */
    rig_close(g);
}

static void test_asha__begins_where_it_is_told(void **state)
{
    rig *g = rig_open("search = { type = \"asha\"; skip = 1; eta = 4.0; };", 2, 30);
    (void)state;
    assert_int_equal(run(g, 2.31), 0);
    assert_int_equal(run(g, 2.47), 8);
    rig_close(g);
    g = rig_open("search = \"asha\";", 0, 243); /* 243 / 3^4 */
    assert_int_equal(run(g, 2.31), 0);
    assert_int_equal(run(g, 2.47), 3);
    rig_close(g);
}

/* One report at 10 counts for the rungs 1, 3 and 9. */
static void test_asha__counts_a_late_report_for_all_rungs_before_it(void **state)
{
    rig *g = rig_open("search = \"asha\";", 1, 27);
    (void)state;
    const search_trial *t = rig_ask(g, 3);
    assert_int_equal(rig_tell(g, t[0].number, ASSAY_TRIAL_REPORTED, 2.31, 10), ASSAY_VERDICT_GO);
    assert_int_equal(rig_tell(g, t[1].number, ASSAY_TRIAL_REPORTED, 2.47, 2), ASSAY_VERDICT_STOP);
    assert_int_equal(rig_tell(g, t[2].number, ASSAY_TRIAL_REPORTED, 2.13, 2), ASSAY_VERDICT_GO);
    assert_int_equal(rig_tell(g, t[2].number, ASSAY_TRIAL_REPORTED, 2.35, 9.5), ASSAY_VERDICT_STOP);
    rig_close(g);
}

/* Divergences fill a rung from below; a failure and a lost trial do not count. */
static void test_asha__takes_a_divergence_as_the_worst(void **state)
{
    rig *g = rig_open("search = \"asha\";", 1, 27);
    (void)state;
    assert_int_equal(run(g, 2.13), 0);
    const search_trial *t = rig_ask(g, 6);
    rig_tell(g, t[4].number, ASSAY_TRIAL_FAILED, (double)NAN, 0);
    rig_tell(g, t[5].number, ASSAY_TRIAL_LOST, (double)NAN, 0);
    for (size_t i = 0; i < 4; i++)
        rig_tell(g, t[i].number, ASSAY_TRIAL_DIVERGED, (double)NAN, 0);
    assert_int_equal(run(g, 2.31), 3); /* second of six at 1; at 3 there is the first trial alone */
    assert_int_equal(rig_tell(g, t[5].number, ASSAY_TRIAL_REPORTED, 2.11, 1), ASSAY_VERDICT_GO);
    rig_close(g);
}

static void test_asha__stays_inside_and_replays_its_log(void **state)
{
    rig *a = rig_open("search = \"asha\";", 1, 9), *b = rig_open("search = \"asha\";", 1, 9);
    error err = { 0 };
    (void)state;
    for (int i = 0; i < 50; i++)
        run(a, 2 + 0.37 * sin(7.31 * i));
    const search_trial *t = rig_ask(a, 30);
    for (size_t i = 0; i < 30; i++) {
        double x[4];
        memcpy(x, t[i].x, sizeof x);
        assert_false(space_repair(&a->s, x));
        assert_true(t[i].fidelity == 0);
    }
    for (size_t i = 0; i < a->n_entries; i++) {
        const status st = search_replay(b->at, &a->log[i], &err);
        if (st != OK) print_error("entry %zu: %s\n", i, err.text);
        assert_int_equal(st, OK);
    }
    rig_close(a);
    rig_close(b);
}

/* The rule with nothing kept in order: where a level curve at v ends, seen[k] the n[k] values that have reached rung k. */
static int plain_end(double v, double seen[3][200], size_t n[3])
{
    static const int fidelity[3] = { 1, 3, 9 };
    for (size_t k = 0; k < 3; k++) {
        size_t n_better = 0;
        seen[k][n[k]++] = v;
        for (size_t i = 0; i < n[k]; i++)
            n_better += seen[k][i] < v;
        if (n_better >= (n[k] < 3 ? 1 : n[k] / 3)) return fidelity[k];
    }
    return 0;
}

/* 200 level curves, the best one after 73 others: each ends where the rule says, and the work is below a quarter of the whole. */
static void test_asha__saves_most_of_the_work(void **state)
{
    rig *g = rig_open("search = \"asha\";", 1, 27);
    double seen[3][200];
    size_t n[3] = { 0 };
    int spent = 0, n_whole = 0;
    (void)state;
    for (int i = 0; i < 200; i++) {
        const int rank = ((i + 127) * 73) % 200;
        const int end = run(g, rank + 0.385);
        assert_int_equal(end, plain_end(rank + 0.385, seen, n));
        if (rank == 0) assert_int_equal(end, 0);
        spent += end ? end : 27;
        n_whole += end == 0;
    }
    assert_true(spent < 200 * 27 / 4);
    assert_true(n_whole > 1);
    rig_close(g);
}

static void test_asha__needs_to_know_what_a_whole_trial_costs(void **state)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = { .seed = 3 };
    registry *r;
    config *c;
    search *s = NULL;
    space sp;
    error err = { 0 };
    (void)state;
    space_init(&sp);
    assert_int_equal(space_add_text(&sp, "a=0.0..1", NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &r, &err), OK);
    assert_int_equal(config_parse("x.cfg", "search = \"asha\";", &c, &err), OK);
    assert_int_equal(
        search_new(r, c, value_find(config_root(c), "search"), NULL, &sp, &o, &s, &err),
        E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "max_fidelity"));
    config_free(c);
    registry_free(r);
    space_release(&sp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asha__lets_one_in_eta_go_on),
        cmocka_unit_test(test_asha__begins_where_it_is_told),
        cmocka_unit_test(test_asha__counts_a_late_report_for_all_rungs_before_it),
        cmocka_unit_test(test_asha__takes_a_divergence_as_the_worst),
        cmocka_unit_test(test_asha__stays_inside_and_replays_its_log),
        cmocka_unit_test(test_asha__saves_most_of_the_work),
        cmocka_unit_test(test_asha__needs_to_know_what_a_whole_trial_costs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
