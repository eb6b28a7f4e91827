/* Strategies inside of asha and hyperband: what may be one, what it is told, and that points get better by it. */
#include "halving_rig.h"

/* The value of a point after so many epochs: it falls with them, to what a, c and d say. */
static double curve(const double *x, double epochs)
{
    const double a = x[0] - 0.31, d = log10(x[3]) + 1.7;
    const double at_end = 0.2 + a * a + 0.2 * d * d + (x[1] == 0 ? 0.03 * fabs(x[2] - 5) : 0.3);
    return at_end + 2 / (1 + epochs);
}

/* `n` proposals in asks of `want`, results in the other order, some without any. */
static void play(rig *g, size_t n, size_t want)
{
    while (g->n_trials < n) {
        const search_trial *t = rig_ask(g, want);
        for (size_t k = want; k-- > 0;) {
            const uint64_t turn = t[k].number % 13;
            const double part = t[k].fidelity > 0 ? t[k].fidelity : g->whole;
            if (turn == 5)
                rig_tell(g, t[k].number, ASSAY_TRIAL_FAILED, (double)NAN, 0);
            else if (turn == 9)
                rig_tell(g, t[k].number, ASSAY_TRIAL_DIVERGED, (double)NAN, 0);
            else if (t[k].fidelity > 0)
                pause_at(g, &t[k], curve(t[k].x, part));
            else
                rig_tell(g, t[k].number, ASSAY_TRIAL_DONE, curve(t[k].x, part), part);
        }
    }
}

static int by_size(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The median of what the new points among the last 60 of 160 proposals would reach in the end. */
static double median_with(const char *strategy)
{
    rig *g = rig_open(strategy, 1, 27, 0);
    double end[60];
    size_t n = 0;
    play(g, 160, 1);
    for (size_t i = 100; i < 160; i++) {
        if (g->trials[i].from == ASSAY_NO_TRIAL) end[n++] = curve(g->trials[i].x, g->whole);
    }
    rig_close(g);
    assert_true(n > 20);
    qsort(end, n, sizeof end[0], by_size);
    return end[n / 2];
}

/* What random points reach has a deviation of 0.330, the median of some 40 of them one of 0.065; the bound is three of these below. */
static void test_sampler__finds_better_points_than_chance(void **state)
{
    static const char *const samplers[] = {
        "search = { type = \"asha\"; sampler = \"tpe\"; fidelity = \"rank\"; };",
        "search = { type = \"asha\"; sampler = \"tpe\"; };",
        "search = { type = \"asha\"; sampler = \"gp\"; };",
        "search = { type = \"hyperband\"; sampler = \"gp\"; };",
    };
    const double by_chance = median_with("search = \"asha\";");
    (void)state;
    for (size_t i = 0; i < sizeof samplers / sizeof samplers[0]; i++) {
        const double median = median_with(samplers[i]);
        if (!(median < by_chance - 0.2)) print_error("%s: %g\n", samplers[i], median);
        assert_true(median < by_chance - 0.2);
    }
}

static void expect_same_after_replay(const char *strategy)
{
    rig *a = rig_open(strategy, 1, 27, 0), *b = rig_open(strategy, 1, 27, 0);
    play(a, 50, 3);
    play(a, 60, 1);
    expect_replay(a, b);
    rig_close(a);
    rig_close(b);
}

static void test_sampler__replays_with_what_it_holds(void **state)
{
    (void)state;
    expect_same_after_replay(
        "search = { type = \"asha\"; sampler = \"tpe\"; fidelity = \"rank\"; };");
    expect_same_after_replay(
        "search = { type = \"asha\"; sampler = \"tpe\"; variant = \"stop\"; };");
    expect_same_after_replay("search = { type = \"asha\"; sampler = \"gp\"; };");
    expect_same_after_replay(
        "search = { type = \"hyperband\"; sampler = { type = \"tpe\"; n_startup = 4; }; };");
}

/* qmc's points depend on their numbers alone: by rank the inner one counts new trials, so that continuations leave no gaps. */
static void test_sampler__numbers_new_trials_without_gaps(void **state)
{
    rig *a = rig_open(
        "search = { type = \"asha\"; sampler = \"qmc\"; startup = 0; fidelity = \"rank\"; };", 1,
        27, 0);
    rig *b = rig_open(
        "search = { type = \"asha\"; sampler = \"qmc\"; startup = 0; fidelity = \"rank\"; };", 1,
        27, 0);
    size_t n_new = 0;
    (void)state;
    play(a, 90, 1);
    const search_trial *t = rig_ask(b, 90); /* all of them are new: no results */
    for (size_t i = 0; i < 90; i++) {
        if (a->trials[i].from != ASSAY_NO_TRIAL) continue;
        for (size_t k = 0; k < a->s.n; k++) {
            const double x = a->trials[i].x[k], y = t[n_new].x[k];
            assert_true(x == y || (isnan(x) && isnan(y)));
        }
        n_new++;
    }
    assert_in_range(n_new, 50, 85);
    rig_close(a);
    rig_close(b);
}

static void test_sampler__begins_with_random_points(void **state)
{
    rig *a = rig_open("search = \"asha\";", 1, 27, 0);
    rig *b = rig_open("search = { type = \"asha\"; sampler = \"qmc\"; startup = 5; };", 1, 27, 0);
    (void)state;
    for (size_t i = 0; i < 9; i++) {
        const double x = rig_ask(a, 1)->x[0], y = rig_ask(b, 1)->x[0];
        assert_true((x == y) == (i < 5));
    }
    rig_close(a);
    rig_close(b);
}

static void expect_refused(const char *strategy, const char *words)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = { .seed = 3, .max_fidelity = 27, .min_fidelity = 1 };
    registry *r;
    config *c;
    search *s = NULL;
    space sp;
    error err = { 0 };
    space_init(&sp);
    assert_int_equal(space_add_text(&sp, "a=0.0..1 b=x,y c=1..7?b=x", NULL, &err), OK);
    assert_int_equal(registry_new(&ro, &r, &err), OK);
    assert_int_equal(config_parse("x.cfg", strategy, &c, &err), OK);
    assert_int_equal(
        search_new(r, c, value_find(config_root(c), "search"), NULL, &sp, &o, &s, &err),
        E_UNSUPPORTED);
    if (!strstr(err.text, words)) print_error("%s\n", err.text);
    assert_non_null(strstr(err.text, words));
    assert_non_null(strstr(err.text, "sampler"));
    config_free(c);
    registry_free(r);
    space_release(&sp);
}

static void test_sampler__refuses_what_cannot_be_one(void **state)
{
    (void)state;
    expect_refused("search = { type = \"asha\"; sampler = \"grid\"; };", "it ends by itself");
    expect_refused("search = { type = \"hyperband\"; sampler = \"asha\"; };",
        "it runs parts of trials itself");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampler__finds_better_points_than_chance),
        cmocka_unit_test(test_sampler__replays_with_what_it_holds),
        cmocka_unit_test(test_sampler__numbers_new_trials_without_gaps),
        cmocka_unit_test(test_sampler__begins_with_random_points),
        cmocka_unit_test(test_sampler__refuses_what_cannot_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
