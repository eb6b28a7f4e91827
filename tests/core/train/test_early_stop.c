/* Early stopping over curves whose answers are worked out by hand; Prechelt's criteria against his formulas. */
#include "train/early_stop.h"

#include "support/train_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#undef fail

#include <math.h>
#include <string.h>

static const struct early_stop_options defaults = { .monitor = "validation.loss",
    .mode = MODE_AUTO,
    .rule = RULE_PATIENCE,
    .every = 1,
    .patience = 3,
    .restore_best = 1,
    .stop_on_nan = 1,
    .target = -INFINITY,
    .alpha = 2,
    .strip = 5,
    .strips = 2 };

enum { NEVER = -1 };

/* Feeds both curves until something stops; the number of checks after which it did, from 1. */
static int stops_after(
    early_stop *e, const double *curve, const double *training, size_t n, stop_reason *out_reason)
{
    for (size_t i = 0; i < n; i++) {
        error err = { 0 };
        bool best;
        assert_int_equal(
            early_stop_check(e, curve[i], training ? training[i] : 1, &best, out_reason, &err), OK);
        if (*out_reason != STOP_NONE) return (int)i + 1;
    }
    return NEVER;
}

static void expect(const struct early_stop_options *o, bool larger, const double *curve, size_t n,
    int stops, stop_reason reason, size_t best)
{
    early_stop e;
    stop_reason got = STOP_NONE;
    early_stop_init(&e, o, larger);
    assert_int_equal(stops_after(&e, curve, NULL, n, &got), stops);
    assert_int_equal(got, reason);
    assert_int_equal(e.best, best);
    early_stop_release(&e);
}

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static void test_early_stop__stops_after_patience_checks_without_improvement(void **state)
{
    static const double curve[] = { 2.5, 1.9, 2.1, 1.85, 1.86, 1.9, 1.87, 1.2 };
    (void)state;
    expect(&defaults, false, curve, LENGTH(curve), 7, STOP_EARLY, 3);
}

static void test_early_stop__goes_on_when_the_last_check_of_patience_improves(void **state)
{
    static const double curve[] = { 2.5, 2.6, 2.7, 2.4, 2.41, 2.42, 2.39 };
    (void)state;
    expect(&defaults, false, curve, LENGTH(curve), NEVER, STOP_NONE, 6);
}

static void test_early_stop__counts_checks_not_epochs(void **state)
{
    static const double curve[] = { 9, 2.5, 0.1, 2.6, 0.1, 2.7, 0.1, 2.8, 0.1 };
    struct early_stop_options o = defaults;
    (void)state;
    o.every = 2; /* sees 2.5 2.6 2.7 2.8 */
    expect(&o, false, curve, LENGTH(curve), 8, STOP_EARLY, 0);
}

static void test_early_stop__an_improvement_is_strictly_more_than_min_delta(void **state)
{
    static const double by_delta[] = { 2.5, 2.25, 2.25, 2.25 };
    static const double by_more[] = { 2.5, 2.249, 2.3, 2.3, 2.3 };
    static const double equal[] = { 2.5, 2.5, 2.5, 2.5 };
    struct early_stop_options o = defaults;
    (void)state;
    expect(&o, false, equal, LENGTH(equal), 4, STOP_EARLY, 0);
    o.min_delta = 0.25;
    expect(&o, false, by_delta, LENGTH(by_delta), 4, STOP_EARLY, 0);
    expect(&o, false, by_more, LENGTH(by_more), 5, STOP_EARLY, 1);
}

static void test_early_stop__min_delta_may_be_a_share_of_the_best(void **state)
{
    static const double curve[] = { 8, 6, 4.6, 4.4, 4.4, 4.4, 3.4 };
    static const double negative[] = { -8, -9.9, -10.1, -12.4, -12.4, -12.4 };
    struct early_stop_options o = defaults;
    (void)state;
    o.relative = 1;
    o.min_delta = 0.25;
    expect(&o, false, curve, 2, NEVER, STOP_NONE, 0); /* 6 is no more than 0.25 * 8 below 8; */
    expect(&o, false, curve, LENGTH(curve), 6, STOP_EARLY, 2); /* 4.6 is */
    expect(&o, false, negative, LENGTH(negative), 6, STOP_EARLY, 2);
}

static void test_early_stop__mode_says_what_is_better(void **state)
{
    static const double rising[] = { 0.3, 0.5, 0.7, 0.71, 0.72 };
    struct early_stop_options o = defaults;
    (void)state;
    expect(&o, true, rising, LENGTH(rising), NEVER, STOP_NONE, 4);
    expect(&o, false, rising, LENGTH(rising), 4, STOP_EARLY, 0);
    o.mode = MODE_MAX;
    expect(&o, false, rising, LENGTH(rising), NEVER, STOP_NONE, 4);
    o.mode = MODE_MIN;
    expect(&o, true, rising, LENGTH(rising), 4, STOP_EARLY, 0);
}

static void test_early_stop__reaching_the_target_ends_the_run(void **state)
{
    static const double falling[] = { 2.5, 1.9, 0.75, 0.2 }, rising[] = { 0.3, 0.8, 0.9 };
    struct early_stop_options o = defaults;
    (void)state;
    o.target = 0.75;
    expect(&o, false, falling, LENGTH(falling), 3, STOP_TARGET, 2);
    expect(&o, true, rising, LENGTH(rising), 2, STOP_TARGET, 1);
    o.target = -INFINITY;
    expect(&o, true, rising, LENGTH(rising), NEVER, STOP_NONE, 2);
}

static void test_early_stop__nan_ends_the_run_or_counts_as_no_improvement(void **state)
{
    static const double curve[] = { 2.5, NAN, 2.4, NAN, NAN, NAN };
    static const double first[] = { NAN, 2.4, 2.3 };
    struct early_stop_options o = defaults;
    (void)state;
    expect(&o, false, curve, LENGTH(curve), 2, STOP_DIVERGED, 0);
    o.stop_on_nan = 0;
    expect(&o, false, curve, LENGTH(curve), 6, STOP_EARLY, 2);
    expect(&o, false, first, LENGTH(first), NEVER, STOP_NONE, 2);
}

static void test_early_stop__an_infinite_value_never_becomes_the_best(void **state)
{
    static const double curve[] = { INFINITY, 2.4, 2.3 }, never[] = { INFINITY, INFINITY };
    static const double rising[] = { -INFINITY, 0.4, 0.5 };
    (void)state;
    expect(&defaults, false, curve, LENGTH(curve), NEVER, STOP_NONE, 2);
    expect(&defaults, false, never, LENGTH(never), NEVER, STOP_NONE, EARLY_STOP_NONE);
    expect(&defaults, true, rising, LENGTH(rising), NEVER, STOP_NONE, 2);
}

static const double validation[] = { 4.0, 3.2, 2.5, 2.6, 2.45, 2.4, 2.46, 2.5, 2.52, 2.55, 2.6, 2.7,
    2.8, 2.9, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5 };
static const double training[] = { 4.1, 3.3, 2.6, 2.3, 2.0, 1.9, 1.85, 1.8, 1.78, 1.75, 1.74, 1.73,
    1.72, 1.715, 1.71, 1.709, 1.708, 1.707, 1.706, 1.705 };

static void test_early_stop__gl_and_progress_are_prechelts(void **state)
{
    (void)state;
    /* min over the first eight is 2.4: 100 (2.5 / 2.4 - 1) */
    expect_near(prechelt_gl(validation, 8), 4.1666666666667, 1e-9);
    expect_near(prechelt_gl(validation, 6), 0, 1e-12);
    /* strip 6..10: mean 1.816, least 1.75: 1000 (1.816 / 1.75 - 1) */
    expect_near(prechelt_progress(training, 10, 5), 37.714285714286, 1e-9);
    /* strip 1..5: mean 2.86, least 2.0 */
    expect_near(prechelt_progress(training, 5, 5), 430, 1e-9);
    assert_true(isinf(prechelt_progress(training, 4, 5)));
}

static void expect_rule(int64_t rule, double alpha, int64_t strips, int stops)
{
    struct early_stop_options o = defaults;
    stop_reason got = STOP_NONE;
    early_stop e;
    o.rule = rule;
    o.alpha = alpha;
    o.strips = strips;
    early_stop_init(&e, &o, false);
    assert_int_equal(stops_after(&e, validation, training, LENGTH(validation), &got), stops);
    assert_int_equal(got, stops == NEVER ? STOP_NONE : STOP_EARLY);
    assert_int_equal(e.best, stops != NEVER && stops < 6 ? 2 : 5);
    early_stop_release(&e);
}

static void test_early_stop__gl_stops_at_alpha_percent_of_generalisation_loss(void **state)
{
    (void)state;
    expect_rule(RULE_GL, 3.9, 1, 4); /* 100 (2.6 / 2.5 - 1) is 4 */
    expect_rule(RULE_GL, 4.1, 1, 8); /* 4.1667 */
    expect_rule(RULE_GL, 12.4, 1, 12); /* 2.7 / 2.4 is 1.125 */
    expect_rule(RULE_GL, 50, 1, NEVER); /* the last is 3.5 / 2.4 */
}

static void test_early_stop__pq_stops_at_the_end_of_a_strip(void **state)
{
    (void)state;
    /* GL(10) = 6.25 and P_5(10) = 37.714: 0.16572 */
    expect_rule(RULE_PQ, 0.16, 1, 10);
    /* GL(15) = 25; strip 11..15: mean 1.723, least 1.71, P_5 = 7.6023: 3.2885 */
    expect_rule(RULE_PQ, 0.17, 1, 15);
    expect_rule(RULE_PQ, 3.28, 1, 15);
    /* GL(20) = 45.8333; strip 16..20: mean 1.707, least 1.705, P_5 = 1.17302: 39.073 */
    expect_rule(RULE_PQ, 3.3, 1, 20);
    expect_rule(RULE_PQ, 39.0, 1, 20);
    expect_rule(RULE_PQ, 39.1, 1, NEVER);
}

static void test_early_stop__up_stops_when_so_many_strips_in_a_row_rose(void **state)
{
    (void)state;
    /* at strip ends: 2.45 2.55 3.0 3.5, so the strips rise at checks 10, 15, 20 */
    expect_rule(RULE_UP, 0, 1, 10);
    expect_rule(RULE_UP, 0, 2, 15);
    expect_rule(RULE_UP, 0, 3, 20);
    expect_rule(RULE_UP, 0, 4, NEVER);
}

static void test_early_stop__up_starts_again_after_a_strip_that_fell(void **state)
{
    static const double curve[] = { 3.1, 2.9, 3.0, 3.2, 3.3, 3.1, 3.0, 3.4, 3.5, 3.5, 3.4, 3.6 };
    struct early_stop_options o = defaults;
    stop_reason got = STOP_NONE;
    early_stop e;
    (void)state;
    o.rule = RULE_UP;
    o.strip = 2; /* ends: 2.9 3.2 3.1 3.4 3.5 3.6 */
    o.strips = 3;
    early_stop_init(&e, &o, false);
    assert_int_equal(stops_after(&e, curve, NULL, LENGTH(curve), &got), 12);
    early_stop_release(&e);
    early_stop_init(&e, &o, true); /* where larger is better only one strip of six is worse */
    assert_int_equal(stops_after(&e, curve, NULL, LENGTH(curve), &got), NEVER);
    early_stop_release(&e);
}

/* What a checkpoint keeps: the curves, best, since_best, rising, calls. */
static void copy_state(early_stop *to, const early_stop *from)
{
    const struct early_stop_options o = from->options;
    error err = { 0 };
    bool best;
    stop_reason stop;
    early_stop_init(to, &o, from->larger_is_better);
    to->options.every = 1;
    for (size_t i = 0; i < from->n; i++)
        assert_int_equal(
            early_stop_check(to, from->curve[i], from->training[i], &best, &stop, &err), OK);
    to->options = o;
    to->best = from->best;
    to->since_best = from->since_best;
    to->rising = from->rising;
    to->calls = from->calls;
}

static void test_early_stop__goes_on_from_kept_state(void **state)
{
    static const int64_t rules[] = { RULE_PATIENCE, RULE_GL, RULE_PQ, RULE_UP };
    (void)state;
    for (size_t r = 0; r < LENGTH(rules); r++) {
        for (size_t cut = 0; cut < LENGTH(validation); cut++) {
            struct early_stop_options o = defaults;
            stop_reason got = STOP_NONE, got_again = STOP_NONE;
            early_stop whole, first, second;
            o.rule = rules[r];
            o.patience = 7;
            o.alpha = o.rule == RULE_GL ? 12.4 : 3.3;
            o.every = 1 + (int64_t)(r % 2);
            early_stop_init(&whole, &o, false);
            const int stops = stops_after(&whole, validation, training, LENGTH(validation), &got);
            early_stop_init(&first, &o, false);
            const int before = stops_after(&first, validation, training, cut, &got_again);
            if (before == NEVER) {
                copy_state(&second, &first);
                const int after = stops_after(&second, validation + cut, training + cut,
                    LENGTH(validation) - cut, &got_again);
                assert_int_equal(after == NEVER ? NEVER : after + (int)cut, stops);
                assert_int_equal(got_again, got);
                assert_int_equal(second.best, whole.best);
                early_stop_release(&second);
            } else {
                assert_int_equal(before, stops);
            }
            early_stop_release(&first);
            early_stop_release(&whole);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_early_stop__stops_after_patience_checks_without_improvement),
        cmocka_unit_test(test_early_stop__goes_on_when_the_last_check_of_patience_improves),
        cmocka_unit_test(test_early_stop__counts_checks_not_epochs),
        cmocka_unit_test(test_early_stop__an_improvement_is_strictly_more_than_min_delta),
        cmocka_unit_test(test_early_stop__min_delta_may_be_a_share_of_the_best),
        cmocka_unit_test(test_early_stop__mode_says_what_is_better),
        cmocka_unit_test(test_early_stop__reaching_the_target_ends_the_run),
        cmocka_unit_test(test_early_stop__nan_ends_the_run_or_counts_as_no_improvement),
        cmocka_unit_test(test_early_stop__an_infinite_value_never_becomes_the_best),
        cmocka_unit_test(test_early_stop__gl_and_progress_are_prechelts),
        cmocka_unit_test(test_early_stop__gl_stops_at_alpha_percent_of_generalisation_loss),
        cmocka_unit_test(test_early_stop__pq_stops_at_the_end_of_a_strip),
        cmocka_unit_test(test_early_stop__up_stops_when_so_many_strips_in_a_row_rose),
        cmocka_unit_test(test_early_stop__up_starts_again_after_a_strip_that_fell),
        cmocka_unit_test(test_early_stop__goes_on_from_kept_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
