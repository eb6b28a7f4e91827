/* Successive halving that pauses and promotes: proposals on sequences that can be followed by hand, and what it says of them. */
#include "halving_rig.h"

#define PROMOTES "search = { type = \"asha\"; variant = \"promote\"; };"

/* A new trial that is paused at the first rung with value v. */
static uint64_t begin(rig *g, double v)
{
    const search_trial *t = rig_ask(g, 1);
    assert_int_equal(t->from, ASSAY_NO_TRIAL);
    assert_true(t->fidelity == 1);
    pause_at(g, t, v);
    return t->number;
}

static const search_trial *expect_from(rig *g, uint64_t from, double fidelity)
{
    const search_trial *t = rig_ask(g, 1);
    assert_int_equal(t->from, from);
    assert_true(t->fidelity == fidelity);
    for (size_t i = 0; i < g->s.n; i++) {
        const double was = g->trials[from].x[i];
        assert_true(t->x[i] == was || (isnan(t->x[i]) && isnan(was)));
    }
    return t;
}

/* Rungs at 1, 3 and 9 of 27. One of three goes on to 3; with nine at 1 three have, of which one goes on to 9. */
static void test_promote__continues_the_best_third_of_a_rung(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 27, 0);
    (void)state;
    begin(g, 2.31);
    const uint64_t best = begin(g, 2.13);
    begin(g, 2.47);
    const search_trial *t = expect_from(g, best, 3); /* one of three */
    pause_at(g, t, 1.97);
    const uint64_t first_at_3 = t->number;
    begin(g, 2.29);
    begin(g, 2.27);
    const uint64_t second = begin(g, 2.19);
    t = expect_from(g, second, 3); /* of six two, and the first has gone */
    pause_at(g, t, 1.99);
    begin(g, 2.41);
    begin(g, 2.43);
    const uint64_t third = begin(g, 2.11);
    t = expect_from(g, third, 3);
    pause_at(g, t, 2.03);
    t = expect_from(g, first_at_3, 9); /* one of three at 3: 1.97 */
    pause_at(g, t, 1.71);
    begin(g, 2.53);
    rig_close(g);
}

/* With eta 3 and 9 epochs the rungs are 1 and 3; what goes on from 3 runs to the end and is DONE. */
static void test_promote__runs_the_last_part_to_the_end(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 9, 0);
    (void)state;
    const search_trial *t;
    uint64_t at_3[3];
    for (size_t k = 0; k < 3; k++) {
        begin(g, 2.91);
        begin(g, 2.93);
        const uint64_t good = begin(g, 2.13 - 0.01 * (double)k);
        t = expect_from(g, good, 3);
        pause_at(g, t, 1.93 - 0.01 * (double)k);
        at_3[k] = t->number;
    }
    t = expect_from(g, at_3[2], 0);
    assert_int_equal(rig_tell(g, t->number, ASSAY_TRIAL_REPORTED, 1.6, 5), ASSAY_VERDICT_GO);
    rig_tell(g, t->number, ASSAY_TRIAL_DONE, 1.37, 9);
    double v;
    assert_int_equal(search_best(g->at, &v)->number, t->number);
    assert_true(v == 1.37);
    begin(g, 2.95);
    rig_close(g);
}

/* Several at once: continuations first, none of them twice, then new ones. */
static void test_promote__gives_each_once_to_an_ask_of_several(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 27, 0);
    (void)state;
    const search_trial *t = rig_ask(g, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(t[i].from, ASSAY_NO_TRIAL);
        pause_at(
            g, &t[i], 2.31 + 0.07 * (double)((i * 5) % 6)); /* 0, 5, 4, 3, 2, 1 sevenths above */
    }
    const search_trial *u = rig_ask(g, 4);
    assert_int_equal(u[0].from, 0);
    assert_int_equal(u[1].from, 5);
    assert_int_equal(u[2].from, ASSAY_NO_TRIAL);
    assert_int_equal(u[3].from, ASSAY_NO_TRIAL);
    assert_true(u[0].fidelity == 3 && u[2].fidelity == 1);
    /* under way: nobody continues them again */
    const search_trial *w = rig_ask(g, 2);
    assert_int_equal(w[0].from, ASSAY_NO_TRIAL);
    assert_int_equal(w[1].from, ASSAY_NO_TRIAL);
    rig_close(g);
}

/* Divergences count in a rung and are never continued; failures do not count; a lost trial goes on as if nothing had been. */
static void test_promote__knows_what_cannot_be_continued(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 27, 0);
    (void)state;
    const search_trial *t = rig_ask(g, 7);
    for (size_t i = 0; i < 3; i++)
        rig_tell(g, t[i].number, ASSAY_TRIAL_FAILED, (double)NAN, 0);
    rig_tell(g, t[3].number, ASSAY_TRIAL_DIVERGED, (double)NAN, 1);
    rig_tell(g, t[4].number, ASSAY_TRIAL_LOST, (double)NAN, 0);
    pause_at(g, &t[5], 2.31);
    assert_int_equal(rig_ask(g, 1)->from, ASSAY_NO_TRIAL); /* two have reached 1 */
    pause_at(g, &t[4], 2.17);
    const search_trial *u = expect_from(g, t[4].number, 3);
    rig_tell(g, u->number, ASSAY_TRIAL_FAILED, (double)NAN, 0);
    assert_int_equal(
        rig_ask(g, 1)->from, ASSAY_NO_TRIAL); /* its line is over, and its place used */
    pause_at(g, &t[6], 2.23);
    begin(g, 2.41);
    begin(g, 2.43);
    u = expect_from(g, t[6].number, 3); /* of six the best two: 2.17, which is over, and 2.23 */
    rig_tell(g, u->number, ASSAY_TRIAL_DIVERGED, (double)NAN, 2);
    begin(g, 2.47);
    rig_close(g);
}

/* The rule with nothing kept in order, on 300 trials one after the other; every continuation must be the one that it says. */
static void test_promote__does_what_the_rule_says(void **state)
{
    static double seen[MOST_TRIALS][3]; // by first trial and rung; 0: not there
    static int n_rungs[MOST_TRIALS];
    static uint64_t first[MOST_TRIALS], last[MOST_TRIALS];
    rig *g = rig_open(PROMOTES, 1, 27, 0);
    size_t n_new = 0, n_whole = 0;
    (void)state;
    memset(n_rungs, 0, sizeof n_rungs);
    for (uint64_t k = 0; k < 300; k++) {
        uint64_t expected = ASSAY_NO_TRIAL;
        for (int r = 2; r >= 0 && expected == ASSAY_NO_TRIAL; r--) {
            size_t n = 0;
            for (uint64_t i = 0; i < k; i++)
                n += first[i] == i && n_rungs[i] > r;
            double best = (double)INFINITY;
            for (uint64_t i = 0; i < k; i++) {
                size_t n_better = 0;
                if (first[i] != i || n_rungs[i] != r + 1 || seen[i][r] >= best) continue;
                for (uint64_t j = 0; j < k; j++)
                    n_better += first[j] == j && n_rungs[j] > r && seen[j][r] < seen[i][r];
                if (n_better >= n / 3) continue;
                best = seen[i][r];
                expected = i;
            }
        }
        const search_trial *t = rig_ask(g, 1);
        assert_int_equal(t->number, k);
        if (expected == ASSAY_NO_TRIAL) {
            assert_int_equal(t->from, ASSAY_NO_TRIAL);
            expected = k;
            n_new++;
        } else {
            assert_int_equal(t->from, last[expected]);
        }
        first[k] = expected;
        last[expected] = k;
        const int r = n_rungs[expected]++;
        const double v = 3 - 0.31 * r + sin(12.9898 * (double)expected + 0.3 * r);
        if (r == 3) {
            rig_tell(g, k, ASSAY_TRIAL_DONE, v, 27);
            n_whole++;
        } else {
            seen[expected][r] = v;
            pause_at(g, t, v);
        }
    }
    assert_in_range(n_new, 185,
        215); /* of 300 proposals 1 / (1 + 1/3 + 1/9 + 1/27) are new, and a few more are promoted */
    assert_true(n_whole >= 5);
    rig_close(g);
}

/* A budget of so many proposals is the host's: to the last of them every ask is answered. */
static void test_promote__answers_to_the_end_of_its_budget(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 27, 40);
    (void)state;
    for (int i = 0; i < 40; i++) {
        const search_trial *t = rig_ask(g, 1);
        if (t->fidelity > 0)
            pause_at(g, t, 2 + 0.37 * sin(7.31 * i));
        else
            rig_tell(g, t->number, ASSAY_TRIAL_DONE, 1.5, 27);
    }
    assert_int_equal(search_count(g->at), 40);
    rig_close(g);
}

static void play(rig *g, int n)
{
    for (int i = 0; i < n; i++) {
        const size_t want = 1 + (size_t)i % 4;
        const search_trial *t = rig_ask(g, want);
        for (size_t k = want; k-- > 0;) {
            const double v = 2 + 0.37 * sin(7.31 * (double)t[k].number);
            const uint64_t turn = t[k].number % 11;
            if (turn == 3)
                rig_tell(g, t[k].number, ASSAY_TRIAL_FAILED, (double)NAN, 0);
            else if (turn == 7)
                rig_tell(g, t[k].number, ASSAY_TRIAL_DIVERGED, (double)NAN, 0);
            else if (t[k].fidelity > 0)
                pause_at(g, &t[k], v);
            else
                rig_tell(g, t[k].number, ASSAY_TRIAL_DONE, v, g->whole);
        }
    }
}

static void expect_same_after_replay(const char *strategy)
{
    rig *a = rig_open(strategy, 1, 27, 0), *b = rig_open(strategy, 1, 27, 0);
    play(a, 60);
    expect_replay(a, b);
    play(a, 10);
    rig_close(a);
    rig_close(b);
}

static void test_promote__replays_its_log(void **state)
{
    (void)state;
    expect_same_after_replay(PROMOTES);
    expect_same_after_replay("search = { type = \"hyperband\"; variant = \"promote\"; };");
    expect_same_after_replay("search = { type = \"hyperband\"; variant = \"stop\"; };");
}

static void test_promote__says_why(void **state)
{
    rig *g = rig_open(PROMOTES, 1, 27, 0);
    char line[160];
    error err = { 0 };
    (void)state;
    const uint64_t good = begin(g, 2.13);
    begin(g, 2.31);
    begin(g, 2.47);
    const search_trial *t = expect_from(g, good, 3);
    assert_int_equal(search_explain(g->at, good, line, sizeof line, &err), OK);
    assert_string_equal(line, "new; bracket 1 of 1: 1 (3), 3 (0), 9 (0), whole");
    assert_int_equal(search_explain(g->at, t->number, line, sizeof line, &err), OK);
    assert_string_equal(
        line, "continues 0, number 1 of 3 at 1; bracket 1 of 1: 1 (3), 3 (0), 9 (0), whole");
    assert_int_equal(search_explain(g->at, t->number, line, 12, &err), OK);
    assert_string_equal(line, "continues 0");
    rig_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_promote__continues_the_best_third_of_a_rung),
        cmocka_unit_test(test_promote__runs_the_last_part_to_the_end),
        cmocka_unit_test(test_promote__gives_each_once_to_an_ask_of_several),
        cmocka_unit_test(test_promote__knows_what_cannot_be_continued),
        cmocka_unit_test(test_promote__does_what_the_rule_says),
        cmocka_unit_test(test_promote__answers_to_the_end_of_its_budget),
        cmocka_unit_test(test_promote__replays_its_log),
        cmocka_unit_test(test_promote__says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
