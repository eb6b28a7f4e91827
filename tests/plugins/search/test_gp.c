/* The Gaussian process as a strategy: what it finds, and that its proposals are a function of the seed and of what it was told. */
#include "test_gp_rig.h"

enum { MOST_DIMENSIONS = 8 };

static const char *const mixed =
    "opt=sgd,adam,rmsprop lr=1e-6..1:log momentum=0.0..0.99?opt=sgd batch=1..256:log layers=1..4 "
    "keep=0.1..0.7:step=0.2:real decay=none,exp gamma=0.5..0.999?decay=exp";

/* -- what it finds -- */

static double branin(const double *x)
{
    const double pi = 3.14159265358979323846;
    const double t = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
    return t * t + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10 - 0.39788735772973816;
}

static double hartmann6(const double *x)
{
    static const double alpha[4] = { 1, 1.2, 3, 3.2 };
    static const double a[4][6] = { { 10, 3, 17, 3.5, 1.7, 8 }, { 0.05, 10, 17, 0.1, 8, 14 },
        { 3, 3.5, 1.7, 10, 17, 8 }, { 17, 8, 0.05, 10, 0.1, 14 } };
    static const double p[4][6] = { { 1312, 1696, 5569, 124, 8283, 5886 },
        { 2329, 4135, 8307, 3736, 1004, 9991 }, { 2348, 1451, 3522, 2883, 3047, 6650 },
        { 4047, 8828, 8732, 5743, 1091, 381 } };
    double sum = 3.322368011415515;
    for (int i = 0; i < 4; i++) {
        double e = 0;
        for (int j = 0; j < 6; j++)
            e += a[i][j] * (x[j] - 1e-4 * p[i][j]) * (x[j] - 1e-4 * p[i][j]);
        sum -= alpha[i] * exp(-e);
    }
    return sum;
}

static double regret(const char *written, double (*f)(const double *), int n, uint64_t seed)
{
    const search_options o = { .seed = seed };
    scene t;
    double best = HUGE_VAL;
    begin(&t, written, &o);
    for (int i = 0; i < n; i++) {
        search_trial got;
        ask(&t, 1, &got);
        const double y = f(got.x);
        tell(&t, got.number, ASSAY_TRIAL_DONE, y, (double)NAN);
        best = fmin(best, y);
    }
    end(&t);
    print_message("seed %d: %.3g\n", (int)seed, best);
    return best;
}

static void test_branin__is_solved_in_60_trials(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++)
        assert_true(regret("x=-5.0..10 y=0.0..15", branin, 60, seed) < 1e-3);
}

/* A study may end in the second basin, 0.119 above the first. At least half of the seeds are at the bottom of the first one. */
static void test_hartmann6__is_solved_in_80_trials(void **state)
{
    int n_solved = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        n_solved += regret("a=0.0..1 b=0.0..1 c=0.0..1 d=0.0..1 e=0.0..1 f=0.0..1", hartmann6, 80,
                        seed) < 1e-3;
    }
    assert_true(n_solved >= 4);
}

/* -- what its proposals depend on -- */

static double mixed_value(const double *x)
{
    return 0.3 * fabs(log10(x[1]) + 2.385) + (x[0] == 1 ? 0 : 0.731) + 0.11 * fabs(x[4] - 3) +
        (isnan(x[7]) ? 0.2 : fabs(x[7] - 0.9));
}

/* Result i of a study in which trials also diverge and fail, and some have a standard error. */
static void tell_mixed(scene *t, const search_trial *got, int i)
{
    const uint64_t state = i % 7 == 5 ? ASSAY_TRIAL_DIVERGED
        : i % 11 == 8                 ? ASSAY_TRIAL_FAILED
                                      : ASSAY_TRIAL_DONE;
    tell(t, got->number, state, mixed_value(got->x), i % 5 == 2 ? 0.013 : (double)NAN);
}

static void test_mixed_spaces__are_kept_to_and_asks_repeat(void **state)
{
    const search_options o = { .seed = 3 };
    scene a, b;
    (void)state;
    begin(&a, mixed, &o);
    begin(&b, mixed, &o);
    for (int i = 0; i < 45; i++) {
        search_trial x, y;
        double copy[MOST_DIMENSIONS];
        ask(&a, 1, &x);
        ask(&b, 1, &y);
        expect_same(x.x, y.x, a.s.n);
        memcpy(copy, x.x, sizeof copy);
        assert_false(space_repair(&a.s, copy));
        tell_mixed(&a, &x, i);
        tell_mixed(&b, &y, i);
    }
    end(&a);
    end(&b);
}

static void test_another_seed__gives_other_points(void **state)
{
    scene a, b;
    (void)state;
    begin(&a, mixed, &(search_options){ .seed = 3 });
    begin(&b, mixed, &(search_options){ .seed = 4 });
    for (int i = 0; i < 15; i++) {
        search_trial x, y;
        ask(&a, 1, &x);
        ask(&b, 1, &y);
        assert_true(x.x[1] != y.x[1]);
        tell_mixed(&a, &x, i);
        tell_mixed(&b, &y, i);
    }
    end(&a);
    end(&b);
}

/* Trials under way are believed in the same way, whether they come from this ask or from earlier ones. */
static void test_how_asks_are_cut__does_not_matter(void **state)
{
    const search_options o = { .seed = 11 };
    scene a, b;
    (void)state;
    begin(&a, mixed, &o);
    begin(&b, mixed, &o);
    for (int i = 0; i < 5; i++) {
        search_trial x[6], y[6];
        ask(&a, 6, x);
        for (int k = 0; k < 6; k++) {
            ask(&b, 1, y + k);
            expect_same(x[k].x, y[k].x, a.s.n);
            for (int j = 0; j < k; j++)
                assert_int_not_equal(memcmp(x[k].x, x[j].x, a.s.n * sizeof(double)), 0);
        }
        for (int k = 0; k < 6; k++) {
            tell_mixed(&a, x + k, 6 * i + k);
            tell_mixed(&b, y + k, 6 * i + k);
        }
    }
    end(&a);
    end(&b);
}

/* One is asked in between, so that it fits to 20 results and goes on from there, the other fits to all 30 at once. The trials that they
 * ask for fail and say nothing: after that both propose the same. */
static void test_fits__depend_on_the_results_alone(void **state)
{
    scene t[2];
    search_trial last[2];
    (void)state;
    for (int k = 0; k < 2; k++) {
        search_trial x[30], probe;
        begin(t + k, mixed, &(search_options){ .seed = 5 });
        ask(t + k, 30, x);
        for (int i = 0; i < 30; i++) {
            if (k == 0 && i == 20) {
                ask(t + k, 1, &probe);
                tell(t + k, probe.number, ASSAY_TRIAL_FAILED, (double)NAN, (double)NAN);
            }
            const double y = mixed_value(x[i].x);
            tell(t + k, x[i].number, ASSAY_TRIAL_DONE, y, i % 5 == 2 ? 0.013 : (double)NAN);
        }
        if (k == 1) {
            ask(t + k, 1, &probe);
            tell(t + k, probe.number, ASSAY_TRIAL_FAILED, (double)NAN, (double)NAN);
        }
        ask(t + k, 1, last + k);
    }
    expect_same(last[0].x, last[1].x, t[0].s.n);
    end(t);
    end(t + 1);
}

static void test_odd_studies__go_on(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) { // all diverge, all are equal, a finite space runs out
        scene t;
        begin(&t, kind == 2 ? "a=x,y b=1..3" : mixed,
            &(search_options){ .seed = 7, .is_noisy = kind == 1 });
        for (int i = 0; i < 25; i++) {
            search_trial got;
            ask(&t, 1, &got);
            tell(&t, got.number, kind == 0 ? ASSAY_TRIAL_DIVERGED : ASSAY_TRIAL_DONE, 2.385,
                (double)NAN);
        }
        end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_branin__is_solved_in_60_trials),
        cmocka_unit_test(test_hartmann6__is_solved_in_80_trials),
        cmocka_unit_test(test_mixed_spaces__are_kept_to_and_asks_repeat),
        cmocka_unit_test(test_another_seed__gives_other_points),
        cmocka_unit_test(test_how_asks_are_cut__does_not_matter),
        cmocka_unit_test(test_fits__depend_on_the_results_alone),
        cmocka_unit_test(test_odd_studies__go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
