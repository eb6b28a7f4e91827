/* What tpe proposes: inside of every kind of space, the same again from seed and log, and better than random points. */
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

enum { MOST = 128, MOST_DIMENSIONS = 16 };

static const char *const mixed_space =
    "opt=sgd,adam,rmsprop lr=1e-6..1.0:log mom=0.0..0.99?opt=sgd "
    "beta=1e-4..0.5:log?opt=adam,rmsprop "
    "batch=1..256:log cell=p,q layers=1..4 width=16,32,64 step=0.0..0.99:step=0.33:real one=5..5 "
    "deep=x,y?opt=sgd deeper=-3.5..2.1?deep=y";

/* -- functions to minimise -- */

static double branin(const double *x)
{
    const double pi = 3.14159265358979323846;
    const double a = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
    return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10 - 0.39788735772973816;
}

static double hartmann6(const double *x)
{
    static const double alpha[4] = { 1, 1.2, 3, 3.2 };
    static const double a[4][6] = { { 10, 3, 17, 3.5, 1.7, 8 }, { 0.05, 10, 17, 0.1, 8, 14 },
        { 3, 3.5, 1.7, 10, 17, 8 }, { 17, 8, 0.05, 10, 0.1, 14 } };
    static const double p[4][6] = { { 1312, 1696, 5569, 124, 8283, 5886 },
        { 2329, 4135, 8307, 3736, 1004, 9991 }, { 2348, 1451, 3522, 2883, 3047, 6650 },
        { 4047, 8828, 8732, 5743, 1091, 381 } };
    double f = 3.322368011415515;
    for (size_t i = 0; i < 4; i++) {
        double sum = 0;
        for (size_t k = 0; k < 6; k++)
            sum += a[i][k] * (x[k] - p[i][k] * 1e-4) * (x[k] - p[i][k] * 1e-4);
        f -= alpha[i] * exp(-sum);
    }
    return f;
}

/* Of the mixed space; rising away from adam, lr 1e-3 and layers 2. */
static double mixed(const double *x)
{
    const double lr = log10(x[1]) + 3;
    return (x[0] == 1 ? 0 : 0.7) + lr * lr + 0.3 * fabs(x[6] - 2) + 0.1 * x[5];
}

/* -- a search at work -- */

typedef struct rig {
    registry *r;
    config *c;
    space s;
    search *at;
    search_entry log[4 * MOST];
    search_trial trials[2 * MOST]; /* of the entries */
    size_t n_entries, n_trials;
} rig;

static rig *rig_open(const char *strategy, const char *written, uint64_t seed)
{
    static const char *const dirs[] = { TEST_BUILD_DIR "/plugins", NULL };
    const registry_options ro = { .no_environment = true, .dirs = dirs };
    const search_options o = { .seed = seed, .max_fidelity = 9 };
    rig *g = calloc(1, sizeof *g);
    error err = { 0 };
    assert_non_null(g);
    space_init(&g->s);
    assert_int_equal(space_add_text(&g->s, written, NULL, &err), OK);
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
    const status st = search_ask(g->at, want, t, &e->n_trials, &e->is_over, &err);
    if (st != OK) print_error("%s\n", err.text);
    assert_int_equal(st, OK);
    assert_int_equal(e->n_trials, want);
    assert_false(e->is_over);
    g->n_trials += want;
    for (size_t i = 0; i < want; i++) {
        double x[MOST_DIMENSIONS];
        memcpy(x, t[i].x, g->s.n * sizeof *x);
        assert_false(space_repair(&g->s, x));
    }
    return t;
}

static void rig_tell(rig *g, uint64_t trial, uint64_t state, double v)
{
    search_entry *e = &g->log[g->n_entries++];
    error err = { 0 };
    *e = (search_entry){ .kind = SEARCH_TOLD,
        .result = { trial, state, v, (double)NAN, state == ASSAY_TRIAL_PRUNED ? 3 : 0 } };
    assert_int_equal(search_tell(g->at, &e->result, &e->verdict, &err), OK);
}

static void expect_same_points(const rig *a, const rig *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < a->s.n; k++) {
            const double p = a->trials[i].x[k], q = b->trials[i].x[k];
            assert_true(p == q || (isnan(p) && isnan(q)));
        }
    }
}

/* `n` trials one after the other; the least value. */
static double least(
    const char *strategy, const char *written, double (*f)(const double *), size_t n, uint64_t seed)
{
    rig *g = rig_open(strategy, written, seed);
    double best = (double)INFINITY;
    for (size_t i = 0; i < n; i++) {
        const search_trial *t = rig_ask(g, 1);
        const double v = f(t->x);
        best = fmin(best, v);
        rig_tell(g, t->number, ASSAY_TRIAL_DONE, v);
    }
    rig_close(g);
    return best;
}

/* -- tests -- */

/* In batches and with every fate; two rigs of the same seed give the same points. */
static rig *mixed_run(uint64_t seed)
{
    rig *g = rig_open("search = \"tpe\";", mixed_space, seed);
    for (size_t i = 0; i < 20; i++) {
        const search_trial *t = rig_ask(g, 3);
        const uint64_t states[3] = { ASSAY_TRIAL_DONE,
            i % 3 ? ASSAY_TRIAL_DONE : ASSAY_TRIAL_DIVERGED,
            i % 5 == 1       ? ASSAY_TRIAL_FAILED
                : i % 5 == 2 ? ASSAY_TRIAL_PRUNED
                             : ASSAY_TRIAL_DONE };
        for (size_t k = 3; k-- > 0;)
            rig_tell(g, t[k].number, states[k], mixed(t[k].x));
    }
    return g;
}

static void test_tpe__is_a_function_of_the_seed(void **state)
{
    rig *a = mixed_run(2385), *b = mixed_run(2385), *c = mixed_run(731);
    size_t n_other = 0;
    (void)state;
    expect_same_points(a, b, a->n_trials);
    for (size_t i = 0; i < a->n_trials; i++)
        n_other += a->trials[i].x[1] != c->trials[i].x[1];
    assert_int_equal(n_other, a->n_trials);
    rig_close(a);
    rig_close(b);
    rig_close(c);
}

static void test_tpe__replays_its_log(void **state)
{
    rig *a = mixed_run(977), *b = rig_open("search = \"tpe\";", mixed_space, 977);
    error err = { 0 };
    (void)state;
    for (size_t i = 0; i < a->n_entries; i++) {
        const status st = search_replay(b->at, &a->log[i], &err);
        if (st != OK) print_error("entry %zu: %s\n", i, err.text);
        assert_int_equal(st, OK);
    }
    const search_trial *p = rig_ask(a, 4), *q = rig_ask(b, 4);
    for (size_t i = 0; i < 4; i++)
        assert_memory_equal(&p[i].x[1], &q[i].x[1], sizeof(double));
    rig_close(a);
    rig_close(b);
}

static void test_tpe__learns_in_a_space_of_every_kind(void **state)
{
    size_t n_adam = 0;
    double distance = 0;
    rig *g = mixed_run(5);
    (void)state;
    for (size_t i = 40; i < 60; i++) {
        n_adam += g->trials[i].x[0] == 1;
        distance += fabs(log10(g->trials[i].x[1]) + 3) / 20;
    }
    /* of random points a third are adam, and the mean distance on [-6, 0] from -3 is 1.5 */
    assert_true(n_adam > 10);
    assert_true(distance < 1);
    rig_close(g);
}

/* Where the low half diverges and the rest is level, few points are tried in the low half. */
static void test_tpe__keeps_off_what_diverges(void **state)
{
    rig *g = rig_open("search = \"tpe\";", "a=0.0..1 b=0.0..1", 11);
    size_t n_low = 0;
    (void)state;
    for (size_t i = 0; i < 90; i++) {
        const search_trial *t = rig_ask(g, 1);
        const bool is_low = t->x[0] < 0.5;
        n_low += is_low && i >= 30;
        rig_tell(g, t->number, is_low ? ASSAY_TRIAL_DIVERGED : ASSAY_TRIAL_DONE,
            is_low ? (double)NAN : 1 + t->x[1]);
    }
    assert_true(n_low < 12); /* of 60 random ones 30 with a deviation of 4 */
    rig_close(g);
}

/* Nothing but failures, divergences or lost trials: there are no good ones, and the points still differ. */
static void test_tpe__goes_on_where_everything_fails(void **state)
{
    static const uint64_t fates[] = { ASSAY_TRIAL_FAILED, ASSAY_TRIAL_DIVERGED, ASSAY_TRIAL_LOST };
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        rig *g = rig_open("search = \"tpe\";", mixed_space, 3);
        for (size_t i = 0; i < 40; i++) {
            const search_trial *t = rig_ask(g, 1);
            rig_tell(g, t->number, fates[k], (double)NAN);
            for (size_t j = 0; j < i; j++)
                assert_true(g->trials[j].x[1] != t->x[1]);
        }
        rig_close(g);
    }
}

static void test_tpe__points_of_one_ask_differ(void **state)
{
    rig *g = rig_open("search = \"tpe\";", "a=0.0..1 b=1e-5..1:log", 19);
    (void)state;
    for (size_t i = 0; i < 20; i++) {
        const search_trial *t = rig_ask(g, 1);
        rig_tell(g, t->number, ASSAY_TRIAL_DONE, fabs(t->x[0] - 0.3));
    }
    const search_trial *t = rig_ask(g, 16);
    double low = 1, high = 0;
    for (size_t i = 0; i < 16; i++) {
        low = fmin(low, t[i].x[0]);
        high = fmax(high, t[i].x[0]);
        for (size_t k = 0; k < i; k++)
            assert_true(t[i].x[0] != t[k].x[0]);
    }
    assert_true(high - low > 0.1); /* they keep off each other */
    rig_close(g);
}

static void test_tpe__follows_a_prior_at_first(void **state)
{
    rig *g = rig_open("search = \"tpe\";", "a=1e-6..1:log:prior=1e-2/0.2", 23);
    size_t n_near = 0;
    (void)state;
    const search_trial *t = rig_ask(g, 10);
    for (size_t i = 0; i < 10; i++)
        n_near += fabs(log10(t[i].x[0]) + 2) < 0.8; /* four deviations: a quarter of the range */
    assert_true(n_near >= 5);
    rig_close(g);
}

static void expect_better_than_random(const char *written, double (*f)(const double *))
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        const double own = least("search = \"tpe\";", written, f, 100, seed);
        const double other = least("search = \"random\";", written, f, 100, seed);
        if (!(own < other)) print_error("seed %d: %g and %g\n", (int)seed, own, other);
        assert_true(own < other);
    }
}

static void test_tpe__beats_random_on_branin(void **state)
{
    (void)state;
    assert_true(fabs(branin((double[]){ 1.249298088180117, 0.15253754185602542 }) + 0.39788735773 -
                    29.523984446741657) < 1e-9); /* the reference's value */
    expect_better_than_random("a=-5.0..10 b=0.0..15", branin);
}

static void test_tpe__beats_random_on_hartmann6(void **state)
{
    (void)state;
    assert_true(fabs(hartmann6((double[]){ 0.20169, 0.150011, 0.476874, 0.275332, 0.311652,
                    0.6573 })) < 1e-6); /* its least value is 0 */
    expect_better_than_random("a=0.0..1 b=0.0..1 c=0.0..1 d=0.0..1 e=0.0..1 f=0.0..1", hartmann6);
}

static void test_tpe__works_with_every_setting(void **state)
{
    static const char *const settings[] = { "bandwidth = \"scott\"", "split = \"root\"",
        "weights = \"recent\"", "weights = \"uniform\"", "n_startup = 1", "n_ei = 1",
        "most_good = 1", "gamma = 5.0", "prior_weight = 0.01" };
    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        char strategy[100];
        snprintf(strategy, sizeof strategy, "search = { type = \"tpe\"; %s; };", settings[i]);
        assert_true(least(strategy, mixed_space, mixed, 60, 41) < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tpe__is_a_function_of_the_seed),
        cmocka_unit_test(test_tpe__replays_its_log),
        cmocka_unit_test(test_tpe__learns_in_a_space_of_every_kind),
        cmocka_unit_test(test_tpe__keeps_off_what_diverges),
        cmocka_unit_test(test_tpe__goes_on_where_everything_fails),
        cmocka_unit_test(test_tpe__points_of_one_ask_differ),
        cmocka_unit_test(test_tpe__follows_a_prior_at_first),
        cmocka_unit_test(test_tpe__beats_random_on_branin),
        cmocka_unit_test(test_tpe__beats_random_on_hartmann6),
        cmocka_unit_test(test_tpe__works_with_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
