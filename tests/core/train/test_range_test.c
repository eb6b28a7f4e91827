/* The range test of a learning rate: its grid, its end, and how a curve is read. */
#include "support/train_rig.h"

#include "train/range_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <string.h>

#define DATA \
    "data = { type = \"blobs\"; samples = 300; classes = 3; features = 4; spread = 6.0;" \
    " split = { validation = 0.2; test = 0.2; }; batch_size = 12; }; "
#define LAYERS \
    "model = ( { type = \"dense\"; units = 20; }, \"tanh\", { type = \"dense\"; units = 3; " \
    "lr_scale = 0.5; } ); "
#define REST "loss = \"softmax_xent\"; seed = 3; "
#define SGD "optimizer = { type = \"sgd\"; lr = 0.05; }; "

static void walk(train_rig *g, const char *source, const range_options *o, range_result *r)
{
    rig_open(g, source, NULL);
    if (range_test_run(g->t, o, r, &g->err) != OK) GIVE_UP("%s", g->err.text);
}

static void test_range_test__raises_the_rate_by_a_constant_factor(void **state)
{
    train_rig g;
    range_result r;
    range_options o = range_options_usual();
    (void)state;
    rig_init(&g);
    o.to = 0.731;
    walk(&g, DATA LAYERS REST SGD "train = { epochs = 1; };", &o, &r);
    assert_int_equal(r.end, RANGE_DONE);
    assert_int_equal(r.n, o.n_steps);
    assert_true(r.points[0].lr == o.from && r.points[r.n - 1].lr == o.to);
    const double factor = pow(o.to / o.from, 1 / (double)(o.n_steps - 1));
    for (size_t i = 1; i < r.n; i++) {
        expect_near(r.points[i].lr / r.points[i - 1].lr, factor, 1e-9);
    }
    expect_near(r.points[0].smooth, r.points[0].loss, 1e-12);
    range_result_release(&r);
    rig_release(&g);
}

static void test_range_test__steps_as_sgd_would_at_that_rate(void **state)
{
    train_rig g, other;
    range_result r;
    range_options o = range_options_usual();
    (void)state;
    rig_init(&g);
    rig_init(&other);
    o.from = 0.0731;
    o.to = 0.0731 * (1 + 1e-12); /* as good as constant */
    o.n_steps = 20;
    walk(&g, DATA LAYERS REST SGD "train = { epochs = 9; };", &o, &r);
    rig_open(&other,
        DATA LAYERS REST "optimizer = { type = \"sgd\"; lr = 0.0731; }; train = { epochs = 9; };",
        NULL);
    for (size_t i = 0; i < r.n; i++) {
        rig_steps(&other, 1);
        expect_near(r.points[i].loss, rig_last_loss(&other), 1e-6);
    }
    size_t n, n_other;
    const float *w = rig_tensor(&g, "dense2.weight", &n);
    const float *v = rig_tensor(&other, "dense2.weight", &n_other);
    assert_int_equal(n, n_other);
    assert_true(relative_error(w, v, n) < 1e-6); /* lr_scale went along */
    range_result_release(&r);
    rig_release(&other);
    rig_release(&g);
}

static void test_range_test__keeps_the_groups_ratio(void **state)
{
    train_rig g, other;
    range_result r;
    range_options o = range_options_usual();
    (void)state;
    rig_init(&g);
    rig_init(&other);
    o.from = 0.0365;
    o.to = 0.0365 * (1 + 1e-12);
    o.n_steps = 20;
    walk(&g,
        DATA LAYERS REST
        "optimizer = ( { type = \"sgd\"; match = \"role:weight\"; lr = 0.1; }, { type = "
        "\"sgd\"; lr = 0.3; } ); train = { epochs = 9; };",
        &o, &r);
    rig_open(&other,
        DATA LAYERS REST
        "optimizer = ( { type = \"sgd\"; match = \"role:weight\"; lr = 0.0365; }, { type = "
        "\"sgd\"; lr = 0.1095; } ); train = { epochs = 9; };",
        NULL);
    rig_steps(&other, 20);
    size_t n, n_other;
    const float *w = rig_weights(&g, &n), *v = rig_weights(&other, &n_other);
    assert_true(relative_error(w, v, n) < 1e-6);
    range_result_release(&r);
    rig_release(&other);
    rig_release(&g);
}

static void test_range_test__ends_where_the_loss_blows_up(void **state)
{
    train_rig g;
    range_result r;
    range_options o = range_options_usual();
    (void)state;
    rig_init(&g);
    o.to = 1e4;
    walk(&g, DATA LAYERS REST SGD "train = { epochs = 1; };", &o, &r);
    assert_int_equal(r.end, RANGE_BLEW_UP);
    assert_true(r.n < o.n_steps);
    assert_true(r.points[r.n - 1].smooth > 4 * r.points[r.found.i_lowest].smooth);
    assert_int_equal(r.found.doubts, 0);
    assert_true(o.from < r.found.falls_from && r.found.falls_from < r.found.lowest);
    assert_true(o.from < r.found.steepest && r.found.steepest <= r.found.lowest);
    assert_true(r.found.lowest < r.points[r.n - 1].lr);
    range_result_release(&r);
    rig_release(&g);
}

static void test_range_test__names_what_is_not_finite(void **state)
{
    train_rig g;
    range_result r;
    range_options o = range_options_usual();
    (void)state;
    rig_init(&g);
    o.from = 1e20;
    o.to = 1e30;
    walk(&g,
        DATA
        "model = ( { type = \"dense\"; units = 20; }, { type = \"dense\"; units = 3; } ); " REST SGD
        "train = { epochs = 1; };",
        &o, &r);
    assert_int_equal(r.end, RANGE_NOT_FINITE);
    assert_non_null(strstr(r.why, "not finite"));
    assert_true(isnan(r.found.lowest) && isnan(r.found.steepest));
    assert_true(r.found.doubts != 0);
    range_result_release(&r);
    rig_release(&g);
}

static void refuse(const char *source, range_options o, status st, const char *message)
{
    train_rig g;
    range_result r = { 0 };
    rig_init(&g);
    rig_open(&g, source, NULL);
    assert_int_equal(range_test_run(g.t, &o, &r, &g.err), st);
    if (!strstr(g.err.text, message)) GIVE_UP("%s", g.err.text);
    assert_null(r.points);
    rig_release(&g);
}

static void test_range_test__refuses_what_makes_no_sense(void **state)
{
    (void)state;
    static const char usual[] = DATA LAYERS REST SGD "train = { epochs = 1; };";
    range_options o = range_options_usual();
    o.from = 0;
    refuse(usual, o, E_RANGE, "expected 0 < from < to");
    o.from = 20;
    refuse(usual, o, E_RANGE, "expected 0 < from < to");
    o.from = NAN;
    refuse(usual, o, E_RANGE, "expected 0 < from < to");
    o = range_options_usual();
    o.n_steps = 19;
    refuse(usual, o, E_RANGE, "19 steps are too few");
    o = range_options_usual();
    o.smoothing = 1;
    refuse(usual, o, E_RANGE, "smoothing 1");
    o = range_options_usual();
    o.blow_up = 1;
    refuse(usual, o, E_RANGE, "1 times the lowest loss");
    o = range_options_usual();
    refuse(DATA LAYERS REST SGD "schedule = { type = \"exponential\"; decay = 0.97; }; train = { "
                                "epochs = 1; };",
        o, E_CONFLICT, "a schedule drives `lr`");
    refuse(DATA LAYERS REST "optimizer = { type = \"sgd\"; lr = 0.0; }; train = { epochs = 1; };",
        o, E_RANGE, "optimizer.lr is 0");
}

/* -- reading a curve -- */

enum { N = 200 };
static const double beta = 0.9;

/* Points whose smoothed losses are given, the raw ones scattered around them. */
static void make_points(range_point *p, double (*smooth)(double), double scatter)
{
    for (size_t i = 0; i < N; i++) {
        const double place = (double)i / (N - 1);
        p[i].lr = 1e-6 * pow(1e6, place);
        p[i].smooth = smooth(place);
        p[i].loss = p[i].smooth + (i % 2 ? scatter : -scatter);
    }
}

/* Falls fastest at 0.5, is lowest at 0.7, then rises. */
static double usual_curve(double x)
{
    return 2.385 - 1.5 / (1 + exp(-(x - 0.5) * 30)) + (x > 0.7 ? 9 * (x - 0.7) : 0);
}

static double falling_curve(double x)
{
    return 2.385 - 1.5 / (1 + exp(-(x - 0.8) * 20));
}

static double early_curve(double x)
{
    return 0.5 + 2 * exp(-x * 40);
}

static double flat_curve(double x)
{
    return 2.385 - 0.001 * x;
}

static double rising_curve(double x)
{
    return 2.385 + 5 * x;
}

static void test_judge__finds_steepest_lowest_and_beginning(void **state)
{
    (void)state;
    range_point p[N];
    make_points(p, usual_curve, 0.01);
    const range_finding f = range_test_judge(p, N, RANGE_BLEW_UP, beta);
    assert_int_equal(f.doubts, 0);
    expect_near(log10(f.steepest), -3, 0.1); /* three steps of the grid */
    expect_near(log10(f.lowest), -6 + 6 * 0.7, 0.1);
    expect_near(f.tenth_of_lowest, f.lowest / 10, 1e-15);
    expect_near(f.start_loss, 2.385, 1e-3);
    expect_near(f.noise, 0.01 * sqrt(0.1 / 1.9), 3e-4);
    assert_true(f.falls_from < f.steepest);
    expect_near(p[f.i_lowest].lr, f.lowest, 0);
}

static void test_judge__doubts_edges_and_flat_curves(void **state)
{
    (void)state;
    range_point p[N];
    make_points(p, falling_curve, 0.01);
    range_finding f = range_test_judge(p, N, RANGE_DONE, beta);
    assert_int_equal(f.doubts, RANGE_LOWEST_AT_END);
    expect_near(f.lowest, 1, 1e-12);
    make_points(p, early_curve, 0.01);
    f = range_test_judge(p, N, RANGE_DONE, beta);
    assert_true(f.doubts & RANGE_STEEP_AT_START);
    assert_true(f.steepest >= 1e-6 && f.tenth_of_lowest >= 1e-6);
    make_points(p, flat_curve, 0.01);
    f = range_test_judge(p, N, RANGE_DONE, beta);
    assert_int_equal(f.doubts, RANGE_FLAT);
    assert_true(isnan(f.steepest) && isnan(f.lowest) && isnan(f.tenth_of_lowest));
    make_points(p, usual_curve, 4); /* the same fall does not stand out from this scatter */
    assert_int_equal(range_test_judge(p, N, RANGE_DONE, beta).doubts, RANGE_FLAT);
    make_points(p, rising_curve, 0.01);
    assert_int_equal(range_test_judge(p, N, RANGE_BLEW_UP, beta).doubts, RANGE_RISES);
    assert_int_equal(range_test_judge(p, 1, RANGE_NOT_FINITE, beta).doubts, RANGE_RISES);
    assert_int_equal(range_test_judge(p, 1, RANGE_DONE, beta).doubts, RANGE_FLAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range_test__raises_the_rate_by_a_constant_factor),
        cmocka_unit_test(test_range_test__steps_as_sgd_would_at_that_rate),
        cmocka_unit_test(test_range_test__keeps_the_groups_ratio),
        cmocka_unit_test(test_range_test__ends_where_the_loss_blows_up),
        cmocka_unit_test(test_range_test__names_what_is_not_finite),
        cmocka_unit_test(test_range_test__refuses_what_makes_no_sense),
        cmocka_unit_test(test_judge__finds_steepest_lowest_and_beginning),
        cmocka_unit_test(test_judge__doubts_edges_and_flat_curves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
