/* The pruner median, on curves whose verdicts are known. */
#include "pruner_rig.h"

static void test_median__stops_a_bad_curve_and_not_a_good_one(void **state)
{
    rig *g = rig_open("\"median\"");
    (void)state;
    run_five(g);
    assert_int_equal(run(g, 2.71, 0.031), 1);
    assert_int_equal(run(g, 2.13, 0.031), 0);
    assert_int_equal(run(g, 2.31, 0.031), 0); /* the median itself is not worse */
    rig_close(g);
}

/* Means over k reports of the five are first - 0.0155 (k - 1), the median one 2.31 - 0.0155 (k - 1). A level curve at 2.1999 is above
 * that from 0.0155 (k - 1) > 0.1101 on, which is k = 9. */
static void test_median__compares_its_best_with_means(void **state)
{
    rig *g = rig_open("\"median\"");
    (void)state;
    run_five(g);
    assert_int_equal(run(g, 2.1999, 0), 9);
    rig_close(g);
}

static void test_median__waits_for_trials_and_for_the_warm_up(void **state)
{
    rig *g = rig_open("{ type = \"median\"; min_trials = 6; warm_up = 7.0; }");
    (void)state;
    run_five(g);
    assert_int_equal(run(g, 9.7, 0.031), 0); /* as the sixth one */
    assert_int_equal(run(g, 9.9, 0.031), 7);
    rig_close(g);
}

static void test_median__counts_no_trial_that_is_not_done(void **state)
{
    rig *g = rig_open("{ type = \"median\"; min_trials = 1; }");
    (void)state;
    const uint64_t under_way = rig_ask(g), broken = rig_ask(g), diverged = rig_ask(g);
    rig_tell(g, under_way, ASSAY_TRIAL_REPORTED, 0.1, 1);
    rig_tell(g, broken, ASSAY_TRIAL_REPORTED, 0.1, 1);
    rig_tell(g, broken, ASSAY_TRIAL_FAILED, (double)NAN, 1);
    rig_tell(g, diverged, ASSAY_TRIAL_REPORTED, 0.1, 1);
    rig_tell(g, diverged, ASSAY_TRIAL_REPORTED, (double)NAN, 2);
    assert_int_equal(run(g, 2.7, 0.01), 0);
    assert_int_equal(run(g, 2.9, 0.01), 1);
    rig_close(g);
}

/* After LOST the trial begins again: what it reports then takes the place of what it had. */
static void test_median__forgets_what_a_lost_trial_said(void **state)
{
    rig *g = rig_open("{ type = \"median\"; min_trials = 1; }");
    (void)state;
    assert_int_equal(run(g, 2.31, 0.031), 0);
    const uint64_t trial = rig_ask(g);
    assert_int_equal(rig_tell(g, trial, ASSAY_TRIAL_REPORTED, 1.3, 1), ASSAY_VERDICT_GO);
    rig_tell(g, trial, ASSAY_TRIAL_LOST, (double)NAN, 1);
    assert_int_equal(rig_tell(g, trial, ASSAY_TRIAL_REPORTED, 2.9, 1), ASSAY_VERDICT_STOP);
    rig_close(g);
}

static void test_median__replays_its_log(void **state)
{
    (void)state;
    expect_replay("\"median\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_median__stops_a_bad_curve_and_not_a_good_one),
        cmocka_unit_test(test_median__compares_its_best_with_means),
        cmocka_unit_test(test_median__waits_for_trials_and_for_the_warm_up),
        cmocka_unit_test(test_median__counts_no_trial_that_is_not_done),
        cmocka_unit_test(test_median__forgets_what_a_lost_trial_said),
        cmocka_unit_test(test_median__replays_its_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
