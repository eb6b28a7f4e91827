/* What asha stops, where it stops for good: verdicts at rungs that can be counted by hand, and what they save. */
#include "halving_rig.h"

#define STOPS "search = { type = \"asha\"; variant = \"stop\"; };"

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
    rig *g = rig_open(STOPS, 1, 27, 0);
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
    rig *g = rig_open(
        "search = { type = \"asha\"; variant = \"stop\"; skip = 1; eta = 4.0; };", 2, 30, 0);
    (void)state;
    assert_int_equal(run(g, 2.31), 0);
    assert_int_equal(run(g, 2.47), 8);
    rig_close(g);
    g = rig_open(STOPS, 0, 243, 0); /* 243 / 3^4 */
    assert_int_equal(run(g, 2.31), 0);
    assert_int_equal(run(g, 2.47), 3);
    rig_close(g);
}

/* One report at 10 counts for the rungs 1, 3 and 9. */
static void test_asha__counts_a_late_report_for_all_rungs_before_it(void **state)
{
    rig *g = rig_open(STOPS, 1, 27, 0);
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
    rig *g = rig_open(STOPS, 1, 27, 0);
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
    rig *a = rig_open(STOPS, 1, 9, 0), *b = rig_open(STOPS, 1, 9, 0);
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
    expect_replay(a, b);
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
    rig *g = rig_open(STOPS, 1, 27, 0);
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
