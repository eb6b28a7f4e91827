/* The line search of lbfgs by itself: on the functions of More and Thuente 1994, point by point as torch's
 * (tests/golden/generate_optimizers3.py), and where values are infinite, evaluations few or intervals small. */
#include "../../../plugins/optimizer/shared/line_search.h"

#include "support/golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { MOST = 64 };

typedef struct line {
    double (*f)(double t, double *out_slope);
    double asked[MOST];
    size_t n_asked, failing; /* evaluations; which of them fails; 0: none */
    double kept; /* the point that was to be kept last; 0: none */
} line;

static double simple(double a, double *out_slope)
{
    const double b = a * a + 2;
    *out_slope = (a * a - 2) / (b * b);
    return -a / b;
}

static double quintic(double a, double *out_slope)
{
    const double b = a + 0.004;
    *out_slope = 5 * pow(b, 4) - 8 * pow(b, 3);
    return pow(b, 5) - 2 * pow(b, 4);
}

static double wavy(double a, double *out_slope)
{
    const double beta = 0.01, l = 39, pi = 3.14159265358979323846;
    const double factor = 2 * (1 - beta) / (l * pi), rate = l * pi / 2;
    double start = fabs(a - 1), slope = a < 1 ? -1 : 1;
    if (start < beta) {
        start = (a - 1) * (a - 1) / (2 * beta) + beta / 2;
        slope = (a - 1) / beta;
    }
    *out_slope = slope + factor * rate * cos(rate * a);
    return start + factor * sin(rate * a);
}

static double yanai(double a, double *out_slope)
{
    const double b1 = 0.01, b2 = 0.001;
    const double g1 = sqrt(1 + b1 * b1) - b1, g2 = sqrt(1 + b2 * b2) - b2;
    const double left = sqrt((1 - a) * (1 - a) + b2 * b2), right = sqrt(a * a + b1 * b1);
    *out_slope = -g1 * (1 - a) / left + g2 * a / right;
    return g1 * left + g2 * right;
}

/* (t - 0.01)^2, infinite from 1 on. */
static double walled(double t, double *out_slope)
{
    *out_slope = 2 * (t - 0.01);
    return t >= 1 ? HUGE_VAL : (t - 0.01) * (t - 0.01);
}

/* The same, but nothing that could be compared behind the wall. */
static double fenced(double t, double *out_slope)
{
    *out_slope = t >= 1 ? NAN : 2 * (t - 0.01);
    return t >= 1 ? -1 : (t - 0.01) * (t - 0.01);
}

/* Its slope is a lie: it rises. */
static double rising(double t, double *out_slope)
{
    *out_slope = -1;
    return t;
}

/* Down to -10 at 1, and from 1.5 on a plain that is lower than the start, but not by much, where slopes say nothing. */
static double cliff(double t, double *out_slope)
{
    *out_slope = -10;
    return t < 1.5 ? -10 * t : -0.5;
}

static double bowl(double t, double *out_slope)
{
    *out_slope = 2 * (t - 1);
    return (t - 1) * (t - 1);
}

static int evaluate(void *self, double t, double *out_f, double *out_slope)
{
    line *l = self;
    assert_true(l->n_asked < MOST);
    l->asked[l->n_asked++] = t;
    *out_f = l->f(t, out_slope);
    return l->n_asked == l->failing ? -5 : 0;
}

static void keep(void *self)
{
    line *l = self;
    l->kept = l->asked[l->n_asked - 1];
}

static line_search search_on(line *l, double c1, double c2, uint64_t max_evaluations)
{
    line_search s = { .self = l,
        .evaluate = evaluate,
        .keep = keep,
        .c1 = c1,
        .c2 = c2,
        .max_evaluations = max_evaluations };
    s.start.f = l->f(0, &s.start.slope);
    return s;
}

static void test_line_search__goes_where_torch_goes(void **state)
{
    static const struct {
        const char *name;
        double (*f)(double t, double *out_slope);
    } functions[] = { { "simple", simple }, { "quintic", quintic }, { "wavy", wavy },
        { "yanai", yanai } };
    static const double starts[] = { 1e-3, 1e-1, 1e1, 37 };
    golden *file = golden_open_in(TEST_SOURCE_DIR "/tests/golden", "line_search");
    (void)state;
    for (size_t i = 0; i < 16; i++) {
        line l = { .f = functions[i / 4].f };
        line_search s = search_on(&l, 1e-3, 0.1, 26);
        char key[64];
        size_t n;
        snprintf(key, sizeof key, "%s.%g", functions[i / 4].name, starts[i % 4]);
        const double *want = golden_f64(file, key, &n);
        assert_int_equal(line_search_run(&s, starts[i % 4]), 0);
        for (size_t k = 0; k < n - 1 && k < l.n_asked; k++) {
            if (!(fabs(l.asked[k] - want[k]) <= 1e-9 * want[k])) {
                fail_msg("%s: point %zu is %.12g, not %.12g", key, k + 1, l.asked[k], want[k]);
            }
        }
        assert_int_equal(l.n_asked, n - 1);
        assert_int_equal(s.n_evaluations, n - 1);
        assert_true(fabs(s.best.t - want[n - 1]) <= 1e-9 * want[n - 1]);
        assert_true(l.kept == s.best.t);
    }
    golden_close(file);
}

static void test_line_search__halves_where_values_are_infinite_or_none(void **state)
{
    static double (*const functions[])(double t, double *out_slope) = { walled, fenced };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        line l = { .f = functions[i] };
        line_search s = search_on(&l, 1e-4, 0.9, 25);
        assert_int_equal(line_search_run(&s, 100), 0);
        for (size_t k = 0; k < 8; k++) { /* 100, 50, .. 0.78, the first of them within */
            assert_true(l.asked[k] == ldexp(100, -(int)k));
        }
        assert_true(s.best.t > 0 && s.best.t < 0.02);
        assert_true(l.kept == s.best.t);
    }
}

static void test_line_search__stays_where_nothing_is_lower(void **state)
{
    line l = { .f = rising };
    line_search s = search_on(&l, 1e-4, 0.9, 9);
    (void)state;
    assert_int_equal(line_search_run(&s, 1), 0);
    assert_true(s.best.t == 0);
    assert_true(l.kept == 0);
    assert_int_equal(l.n_asked, 9);
}

/* A point that is low enough to be taken, but higher than the one before. */
static void test_line_search__does_not_leave_a_lower_point(void **state)
{
    line l = { .f = cliff };
    line_search s = search_on(&l, 1e-4, 0.5, 12);
    (void)state;
    assert_int_equal(line_search_run(&s, 1), 0);
    assert_true(l.asked[1] > 1.5);
    for (size_t k = 2; k < l.n_asked; k++) {
        assert_true(l.asked[k] > 1 && l.asked[k] < l.asked[1]);
    }
    assert_true(s.best.f <= -10);
}

static void test_line_search__turns_back_where_it_goes_up_again(void **state)
{
    line l = { .f = bowl };
    line_search s = search_on(&l, 1e-4, 1e-3, 12);
    (void)state;
    assert_int_equal(line_search_run(&s, 1.3), 0);
    assert_int_equal(l.n_asked, 2);
    assert_true(fabs(l.asked[1] - 1) < 1e-12); /* a cubic finds a parabola's middle at once */
}

static void test_line_search__ends_with_small_intervals(void **state)
{
    line l = { .f = rising };
    line_search s = search_on(&l, 1e-4, 0.9, 25);
    (void)state;
    s.least = 0.05;
    assert_int_equal(line_search_run(&s, 1), 0);
    assert_in_range(l.n_asked, 2, 8);
    for (size_t k = 0; k + 1 < l.n_asked; k++) {
        assert_true(l.asked[k] > 0.05);
    }
    assert_true(l.asked[l.n_asked - 1] <= 0.05);
}

static void test_line_search__takes_what_it_has_when_evaluations_run_out(void **state)
{
    line l = { .f = quintic };
    line_search s = search_on(&l, 1e-3, 0.1, 3);
    (void)state;
    assert_int_equal(line_search_run(&s, 1e-3), 0);
    assert_int_equal(l.n_asked, 3);
    assert_true(s.best.t == l.asked[2]); /* it was still on the way down */
    assert_true(s.best.f < s.start.f);
}

static void test_line_search__passes_failures_on(void **state)
{
    (void)state;
    for (size_t k = 1; k <= 9; k++) {
        line l = { .f = quintic, .failing = k };
        line_search s = search_on(&l, 1e-3, 0.1, 25);
        assert_int_equal(line_search_run(&s, 1e-3), -5);
        assert_int_equal(l.n_asked, k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_search__goes_where_torch_goes),
        cmocka_unit_test(test_line_search__halves_where_values_are_infinite_or_none),
        cmocka_unit_test(test_line_search__stays_where_nothing_is_lower),
        cmocka_unit_test(test_line_search__does_not_leave_a_lower_point),
        cmocka_unit_test(test_line_search__turns_back_where_it_goes_up_again),
        cmocka_unit_test(test_line_search__ends_with_small_intervals),
        cmocka_unit_test(test_line_search__takes_what_it_has_when_evaluations_run_out),
        cmocka_unit_test(test_line_search__passes_failures_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
