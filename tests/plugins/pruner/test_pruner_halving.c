/* The pruners asha and hyperband: verdicts that can be counted by hand. */
#include "pruner_rig.h"

/* Rungs at 1, 3, 9 of 20. Of the first ones only the best so far goes on; the sixth may be second. */
static void test_asha__lets_one_in_eta_go_on(void **state)
{
    rig *g = rig_open("\"asha\"");
    (void)state;
    assert_int_equal(run(g, 2.31, 0), 0);
    assert_int_equal(run(g, 2.47, 0), 1);
    assert_int_equal(run(g, 2.13, 0), 0);
    assert_int_equal(run(g, 2.19, 0), 1); /* second of four */
    assert_int_equal(run(g, 2.23, 0), 1);
    assert_int_equal(run(g, 2.17, 0), 3); /* second of six at 1, and second of three at 3 */
    rig_close(g);
}

static void test_asha__leaves_out_rungs_and_takes_another_eta(void **state)
{
    rig *g = rig_open("{ type = \"asha\"; skip = 1; eta = 4.0; }");
    (void)state;
    assert_int_equal(run(g, 2.31, 0), 0);
    assert_int_equal(run(g, 2.47, 0), 4);
    assert_int_equal(run(g, 2.71, 0.2), 0); /* 2.11 at 4: what it was before does not count */
    rig_close(g);
}

/* Divergences fill a rung from below; a failure and a lost trial do not count. */
static void test_asha__takes_a_divergence_as_the_worst(void **state)
{
    rig *g = rig_open("\"asha\"");
    (void)state;
    assert_int_equal(run(g, 2.13, 0), 0);
    for (int i = 0; i < 4; i++)
        rig_tell(g, rig_ask(g), ASSAY_TRIAL_DIVERGED, (double)NAN, 0);
    rig_tell(g, rig_ask(g), ASSAY_TRIAL_FAILED, (double)NAN, 0);
    const uint64_t lost = rig_ask(g);
    rig_tell(g, lost, ASSAY_TRIAL_LOST, (double)NAN, 0);
    assert_int_equal(
        run(g, 2.31, 0), 3); /* second of six at 1; at 3 there is the first trial alone */
    assert_int_equal(rig_tell(g, lost, ASSAY_TRIAL_REPORTED, 2.11, 1), ASSAY_VERDICT_GO);
    rig_close(g);
}

/* A trial that was lost after a rung reports it again: it is in the rung once, with its first value. */
static void test_asha__counts_a_lost_trial_once(void **state)
{
    rig *g = rig_open("\"asha\"");
    (void)state;
    const uint64_t trial = rig_ask(g);
    assert_int_equal(rig_tell(g, trial, ASSAY_TRIAL_REPORTED, 2.13, 1), ASSAY_VERDICT_GO);
    rig_tell(g, trial, ASSAY_TRIAL_LOST, (double)NAN, 1);
    assert_int_equal(rig_tell(g, trial, ASSAY_TRIAL_REPORTED, 2.61, 1), ASSAY_VERDICT_GO);
    assert_int_equal(run(g, 2.31, 0), 1); /* second of two: the other one has 2.13 */
    assert_int_equal(
        run(g, 2.29, 0), 1); /* second of three; of four with both values of the lost one */
    rig_close(g);
}

/* A fresh one that is told the log of another goes on like it. */
static void expect_same_after_replay(const char *pruner)
{
    rig *a = rig_open(pruner), *b = rig_open(pruner);
    error err = { 0 };
    for (int i = 0; i < 15; i++)
        (void)run(a, 2 + 0.37 * sin(7.31 * i), 0.011);
    for (size_t i = 0; i < a->n_entries; i++) {
        const status st = search_replay(b->at, &a->log[i], &err);
        if (st != OK) print_error("entry %zu: %s\n", i, err.text);
        assert_int_equal(st, OK);
    }
    for (int i = 0; i < 6; i++)
        assert_int_equal(run(a, 1.9 + 0.07 * i, 0), run(b, 1.9 + 0.07 * i, 0));
    rig_close(a);
    rig_close(b);
}

static void test_asha__replays_its_log(void **state)
{
    (void)state;
    expect_same_after_replay("\"asha\"");
}

/* With eta 3 and 20 epochs the brackets have 3, 2, 1 and no rungs, and shares 27 / 4, 9 / 3, 3 / 2 and 1: where (trials + 1) / share is
 * smallest the next one goes. The order is worked out by hand. Each trial is worse than all before it, so that it ends at its
 * bracket's first rung, unless it is the first there or the bracket has none. */
static void test_hyperband__deals_trials_out_by_share(void **state)
{
    static const size_t order[14] = { 0, 0, 1, 0, 0, 1, 2, 0, 0, 1, 3, 0, 0, 0 };
    static const int first_rung[4] = { 1, 3, 9, 0 };
    rig *g = rig_open("\"hyperband\"");
    int seen[4] = { 0 };
    (void)state;
    for (size_t i = 0; i < 14; i++) {
        const int is_first = seen[order[i]]++ == 0;
        assert_int_equal(run(g, 2.31 + 0.07 * (double)i, 0), is_first ? 0 : first_rung[order[i]]);
    }
    rig_close(g);
}

static void test_hyperband__has_no_more_brackets_than_it_may(void **state)
{
    rig *g = rig_open("{ type = \"hyperband\"; brackets = 1; }");
    (void)state;
    assert_int_equal(run(g, 2.31, 0), 0);
    for (int i = 0; i < 12; i++)
        assert_int_equal(run(g, 2.47 + 0.01 * i, 0), 1);
    rig_close(g);
}

static void test_hyperband__replays_its_log(void **state)
{
    (void)state;
    expect_same_after_replay("\"hyperband\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asha__lets_one_in_eta_go_on),
        cmocka_unit_test(test_asha__leaves_out_rungs_and_takes_another_eta),
        cmocka_unit_test(test_asha__takes_a_divergence_as_the_worst),
        cmocka_unit_test(test_asha__counts_a_lost_trial_once),
        cmocka_unit_test(test_asha__replays_its_log),
        cmocka_unit_test(test_hyperband__deals_trials_out_by_share),
        cmocka_unit_test(test_hyperband__has_no_more_brackets_than_it_may),
        cmocka_unit_test(test_hyperband__replays_its_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
