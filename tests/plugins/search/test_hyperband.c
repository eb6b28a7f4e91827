/* The brackets of hyperband: who goes where, what is compared with what, and what it says of them. */
#include "halving_rig.h"

#define STOPS "search = { type = \"hyperband\"; variant = \"stop\"; };"
#define PROMOTES "search = { type = \"hyperband\"; variant = \"promote\"; };"

/* With eta 3 and 20 epochs the brackets have 3, 2, 1 and no rungs, and shares 27 / 4, 9 / 3, 3 / 2 and 1: where (trials + 1) / share is
 * smallest the next one goes. Worked out by hand: 0 0 1 0 0 1 2 0 0 1 3 0 0 0. */
static const double first_parts[14] = { 1, 1, 3, 1, 1, 3, 9, 1, 1, 3, 0, 1, 1, 1 };

static void test_hyperband__begins_trials_in_all_brackets(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 20, 0);
    (void)state;
    for (size_t i = 0; i < 14; i++) {
        const search_trial *t = rig_ask(g, 1);
        assert_int_equal(t->from, ASSAY_NO_TRIAL); /* none has ended */
        assert_true(t->fidelity == first_parts[i]);
    }
    rig_close(g);
    g = rig_open(PROMOTES, 1, 20, 0);
    const search_trial *t = rig_ask(g, 14); /* and at once */
    for (size_t i = 0; i < 14; i++)
        assert_true(t[i].fidelity == first_parts[i]);
    rig_close(g);
}

/* A value counts in its own bracket alone: the third trial is the first at 3 of bracket 1, whatever the others have. */
static void test_hyperband__compares_within_a_bracket(void **state)
{
    rig *g = rig_open(STOPS, 1, 20, 0);
    (void)state;
    const search_trial *t = rig_ask(g, 6);
    assert_int_equal(rig_tell(g, 0, ASSAY_TRIAL_REPORTED, 2.13, 3), ASSAY_VERDICT_GO);
    assert_int_equal(rig_tell(g, 1, ASSAY_TRIAL_REPORTED, 2.17, 1), ASSAY_VERDICT_STOP);
    assert_int_equal(rig_tell(g, 2, ASSAY_TRIAL_REPORTED, 2.91, 2), ASSAY_VERDICT_GO);
    assert_int_equal(rig_tell(g, 2, ASSAY_TRIAL_REPORTED, 2.83, 3), ASSAY_VERDICT_GO);
    assert_int_equal(rig_tell(g, 5, ASSAY_TRIAL_REPORTED, 2.87, 3), ASSAY_VERDICT_STOP);
    assert_true(t[0].fidelity == 0 && t[2].fidelity == 0); /* as far as they are good enough */
    rig_close(g);
}

/* Whole trials of the last bracket are not stopped by anything. */
static void test_hyperband__lets_its_last_bracket_run(void **state)
{
    rig *g = rig_open(STOPS, 1, 20, 0);
    (void)state;
    (void)rig_ask(g, 11);
    assert_int_equal(rig_tell(g, 7, ASSAY_TRIAL_REPORTED, 2.13, 1), ASSAY_VERDICT_GO);
    for (int k = 1; k <= 20; k++)
        assert_int_equal(rig_tell(g, 10, ASSAY_TRIAL_REPORTED, 9.7, k), ASSAY_VERDICT_GO);
    rig_close(g);
}

static void test_hyperband__has_no_more_brackets_than_it_may(void **state)
{
    rig *g = rig_open("search = { type = \"hyperband\"; brackets = 2; skip = 1; };", 1, 20, 0);
    (void)state;
    /* shares 9 / 3 and 3 / 2: 0 0 1 0 0 1, where of equals the first comes first */
    static const double parts[6] = { 3, 3, 9, 3, 3, 9 };
    const search_trial *t = rig_ask(g, 6);
    for (size_t i = 0; i < 6; i++)
        assert_true(t[i].fidelity == parts[i]);
    rig_close(g);
}

/* A continuation goes before new trials whatever bracket it is of, and its rungs are those of its bracket. */
static void test_hyperband__promotes_within_a_bracket(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 20, 0);
    (void)state;
    const search_trial *t = rig_ask(g, 10); /* of bracket 1: 2, 5 and 9 */
    pause_at(g, &t[2], 2.31);
    pause_at(g, &t[5], 2.13);
    pause_at(g, &t[0], 1.71); /* one of one at 1 is none of three */
    pause_at(g, &t[9], 2.47);
    const search_trial *u = rig_ask(g, 1);
    assert_int_equal(u->from, 5);
    assert_true(u->fidelity == 9);
    pause_at(g, u, 1.97);
    assert_int_equal(rig_ask(g, 1)->from, ASSAY_NO_TRIAL);
    rig_close(g);
}

static void test_hyperband__says_which_bracket(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 20, 0);
    char line[160];
    error err = { 0 };
    (void)state;
    const search_trial *t = rig_ask(g, 11);
    pause_at(g, &t[2], 2.31);
    assert_int_equal(search_explain(g->at, 2, line, sizeof line, &err), OK);
    assert_string_equal(line, "new; bracket 2 of 4: 3 (1), 9 (0), whole");
    assert_int_equal(search_explain(g->at, 10, line, sizeof line, &err), OK);
    assert_string_equal(line, "new; bracket 4 of 4: whole");
    rig_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hyperband__begins_trials_in_all_brackets),
        cmocka_unit_test(test_hyperband__compares_within_a_bracket),
        cmocka_unit_test(test_hyperband__lets_its_last_bracket_run),
        cmocka_unit_test(test_hyperband__has_no_more_brackets_than_it_may),
        cmocka_unit_test(test_hyperband__promotes_within_a_bracket),
        cmocka_unit_test(test_hyperband__says_which_bracket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
