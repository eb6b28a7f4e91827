/* What a study has come to: the numbers of tables are checked against their formulae. */
#include "results_rig.h"

/* -- statistics -- */

/* Closed forms of t's distribution at 1, 2 and 4 degrees of freedom, and values that R and SciPy agree on. */
static void test_student__has_the_known_values(void **state)
{
    (void)state;
    static const struct {
        double p, degrees, t;
    } known[] = { { 0.05, 3, 3.1824463052842638 }, { 0.05, 4, 2.7764451051977987 },
        { 0.05, 9, 2.2621571627409915 }, { 0.05, 29, 2.0452296421327030 },
        { 0.01, 5, 4.0321429835552278 }, { 0.05, 1000, 1.9623390808264078 } };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        NEAR(student_critical(known[i].p, known[i].degrees), known[i].t, 1e-9);
    for (int i = 1; i < 200; i++) {
        const double tail = i / 200.0, p = 1.0 - 0.5 * tail, t1 = tan(acos(-1.0) * (p - 0.5));
        const double t2 = (2.0 * p - 1.0) / sqrt(2.0 * p * (1.0 - p));
        const double alpha = 4.0 * p * (1.0 - p);
        const double q = cos(acos(sqrt(alpha)) / 3.0) / sqrt(alpha);
        NEAR(student_critical(tail, 1) / t1, 1.0, 1e-11);
        NEAR(student_critical(tail, 2) / t2, 1.0, 1e-11);
        NEAR(student_critical(tail, 4) / (2.0 * sqrt(q - 1.0)), 1.0, 1e-9);
    }
}

static void test_student__is_its_own_inverse_and_ends_well(void **state)
{
    (void)state;
    static const double tails[] = { 1e-12, 3.7e-6, 0.0213, 0.5, 0.98 };
    for (double n = 1; n < 3000; n = 2.3 * n + 1) {
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++)
            NEAR(student_tail(student_critical(tails[i], n), n) / tails[i], 1.0, 1e-9);
        assert_true(student_tail(0.0, n) == 1.0);
        assert_true(student_tail((double)INFINITY, n) == 0.0);
        assert_true(student_tail(1e200, n) == 0.0);
        NEAR(student_tail(-2.385, n), student_tail(2.385, n), 0.0);
    }
    assert_true(isinf(student_critical(0.0, 4)));
    assert_true(student_critical(1.0, 4) == 0.0);
}

static void test_quantiles__interpolate_and_keep_what_is_infinite(void **state)
{
    (void)state;
    const double inf = (double)INFINITY;
    const double v[] = { 1.25, 2.5, 4.0, 8.75 }, w[] = { 1.25, inf, inf }, m[] = { -inf, -inf, 3 };
    NEAR(sorted_quantile(v, 4, 0.5), 3.25, rounding);
    NEAR(sorted_quantile(v, 4, 0.25), 2.1875, rounding);
    NEAR(sorted_quantile(v, 1, 0.75), 1.25, 0.0);
    assert_true(sorted_quantile(w, 3, 0.5) == inf);
    assert_true(
        sorted_quantile(w, 3, 0.25) == inf); /* between a value and what is worse than all */
    assert_true(sorted_quantile(w, 3, 0.0) == 1.25);
    assert_true(sorted_quantile(m, 3, 0.75) == -inf);
    assert_true(isnan(sorted_quantile(v, 0, 0.5)));
}

/* -- tables -- */

static void test_results__of_an_empty_study_are_empty(void **state)
{
    rig *r = *state;
    text t = { 0 };
    size_t n = 7;
    declare(r, two, 2, 3, 5);
    const result_contender *c = read_back(r);
    assert_int_equal(r->r->n_rows, 0);
    assert_int_equal(results_n_ended(r->r), 0);
    assert_int_equal(c[1].rank, 0);
    assert_true(isnan(c[1].median));
    assert_null(c[0].best);
    assert_int_equal(c[1].against.n_repeats, 0);
    assert_true(isnan(c[1].against.mean));
    assert_int_equal(r->r->workloads[1].order[1], 1);
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 0);
    text_release(&t);
}

static void test_results__rank_by_the_median_and_split_the_spread(void **state)
{
    rig *r = *state;
    declare(r, two, 1, 2, 3);
    for (uint64_t k = 0; k < 2; k++) {
        tuned(r, "sgd", k, 0.03, 0.75);
        tuned(r, "sgd", k, 0.01, 0.5 + (double)k);
        tuned(r, "adam", k, 0.01, 0.4);
        tuned(r, "adam", k, 0.02, 0.4);
    }
    static const double sgd[2][3] = { { 1.0, 1.5, 2.25 }, { 2.0, 2.5, 3.0 } };
    static const double adam[2][3] = { { 0.5, 0.75, 1.75 }, { 1.25, 1.5, 4.0 } };
    for (uint64_t k = 0; k < 2; k++) {
        for (uint64_t i = 0; i < 3; i++) {
            done(r, "sgd", k, i, sgd[k][i]);
            done(r, "adam", k, i, adam[k][i]);
        }
    }
    const result_contender *c = read_back(r);
    assert_int_equal(r->r->workloads[0].order[0], 1);
    assert_int_equal(c[1].rank, 1);
    assert_int_equal(c[0].rank, 2);
    NEAR(c[0].median, 2.125, rounding);
    NEAR(c[1].median, 1.375, rounding);
    NEAR(c[1].low_quartile, 0.875, rounding);
    NEAR(c[1].high_quartile, 1.6875, rounding);
    /* Within: squares about the means of repeats, over 2 + 2 degrees; between: the means are 1 and 2.25. */
    NEAR(c[1].sd_seeds, sqrt((0.25 + 0.0625 + 0.5625 + 1.0 + 0.5625 + 3.0625) / 4.0), rounding);
    NEAR(c[1].sd_repeats, 1.25 / sqrt(2.0), rounding);
    assert_int_equal(c[0].n_done, 6);
    /* Of equal tuning values the first; the winner of the second repeat is another trial. */
    assert_true(strstr(c[1].repeats[0].winner->params, "0.01") != NULL);
    NEAR(c[0].repeats[0].winner->value, 0.5, 0.0);
    NEAR(c[0].repeats[1].winner->value, 0.75, 0.0);
    assert_int_equal(c[0].tuning.n_trials, 4);
    NEAR(c[0].tuning.samples, 4800, 0.0);
    NEAR(c[0].evaluation.wall_s, 9.0, rounding);
    NEAR(c[0].evaluation.cpu_s, 7.5, rounding);
}

static void test_results__the_difference_is_on_means_of_repeats(void **state)
{
    rig *r = *state;
    static const double sgd[3][2] = { { 1.0, 1.5 }, { 2.0, 2.5 }, { 1.75, 2.0 } };
    static const double adam[3][2] = { { 0.5, 0.75 }, { 1.25, 1.5 }, { 1.5, 2.0 } };
    declare(r, two, 1, 3, 2);
    for (uint64_t k = 0; k < 3; k++) {
        for (uint64_t i = 0; i < 2; i++) {
            done(r, "sgd", k, i, sgd[k][i]);
            done(r, "adam", k, i, adam[k][i]);
        }
    }
    const result_contender *c = read_back(r);
    const result_pair *p = &c[1].against;
    const double d[] = { -0.625, -0.875, -0.125 }, mean = -1.625 / 3.0;
    double squares = 0.0;
    for (size_t i = 0; i < 3; i++)
        squares += (d[i] - mean) * (d[i] - mean);
    const double sd = sqrt(squares / 2.0), half = 4.3026527297494640 * sd / sqrt(3.0);
    assert_int_equal(p->n_repeats, 3);
    assert_int_equal(p->n_runs, 6);
    NEAR(p->mean, mean, rounding);
    NEAR(p->sd, sd, rounding);
    NEAR(p->low, mean - half, 1e-9);
    NEAR(p->high, mean + half, 1e-9);
    /* P(|T| > t) at 2 degrees of freedom is 1 - t / sqrt(2 + t^2). */
    const double t = fabs(mean) / (sd / sqrt(3.0));
    NEAR(p->p, 1.0 - t / sqrt(2.0 + t * t), 1e-12);
    /* Within repeats: pairs of differences from the means (0.25, 0.125), (0.25, 0.125), (0.125, 0.25) and their negatives. */
    NEAR(p->correlation,
        (0.25 * 0.125 + 0.25 * 0.125 + 0.125 * 0.25) /
            sqrt((2 * 0.0625 + 0.015625) * (2 * 0.015625 + 0.0625)),
        rounding);
    assert_int_equal(c[0].against.n_repeats, 0);
}

static void test_results__one_repeat_gives_a_difference_and_no_inference(void **state)
{
    rig *r = *state;
    declare(r, two, 1, 1, 2);
    for (uint64_t i = 0; i < 2; i++) {
        done(r, "sgd", 0, i, 1.0 + 0.5 * (double)i);
        done(r, "adam", 0, i, 0.75);
    }
    const result_pair *p = &read_back(r)[1].against;
    assert_int_equal(p->n_repeats, 1);
    NEAR(p->mean, -0.5, rounding);
    assert_true(isnan(p->low) && isnan(p->high) && isnan(p->p) && isnan(p->sd));
    assert_true(isnan(p->correlation)); /* of a constant */
}

static void test_results__bad_runs_are_worse_than_any_value_and_lost_ones_are_left_out(void **state)
{
    rig *r = *state;
    declare(r, two, 1, 2, 3);
    for (uint64_t k = 0; k < 2; k++) {
        for (uint64_t i = 0; i < 3; i++)
            done(r, "sgd", k, i, 2.0 + (double)i);
    }
    done(r, "adam", 0, 0, 0.5);
    ran(r, "adam", 0, 1, (fate){ TRIAL_DIVERGED, 0, OUTCOME_NONFINITE, "NaN in dense.W" });
    ran(r, "adam", 0, 2, (fate){ TRIAL_FAILED, 0, OUTCOME_CRASH, "signal 11\033[31m" });
    done(r, "adam", 1, 0, 0.25);
    ran(r, "adam", 1, 1, (fate){ TRIAL_LOST, 0, ATTEMPT_LOST, "its owner is no more" });
    ran(r, "adam", 1, 2, (fate){ TRIAL_FAILED, 0, OUTCOME_CRASH, "signal 6" });
    const result_contender *c = read_back(r);
    assert_true(isinf(c[1].median) && c[1].median > 0);
    assert_int_equal(c[1].rank, 2);
    assert_int_equal(c[1].n_bad, 3);
    assert_int_equal(c[1].n_lost, 1);
    assert_int_equal(c[1].n_done, 2);
    assert_true(isinf(c[1].repeats[0].mean) && isinf(c[1].repeats[1].mean));
    assert_true(isnan(c[1].sd_repeats));
    assert_true(c[1].against.has_bad);
    assert_true(isnan(c[1].against.mean) && isnan(c[1].against.low));
    assert_int_equal(c[1].n_failures, 3);
    assert_string_equal(c[1].failures[0].what, "diverged");
    assert_string_equal(c[1].failures[1].what, outcome_name(OUTCOME_CRASH));
    assert_int_equal(c[1].failures[1].n, 2);
    assert_string_equal(c[1].failures[1].first->reason, "signal 11 [31m");
    assert_string_equal(c[1].failures[2].what, "lost");
    r->d.judged_direction = STORE_MAXIMIZE;
    c = read_back(r);
    assert_true(isinf(c[1].median) && c[1].median < 0);
    assert_int_equal(c[1].rank, 2);
    assert_int_equal(c[0].rank, 1);
}

static void test_results__of_a_lost_run_its_twin_is_left_out_of_the_difference(void **state)
{
    rig *r = *state;
    declare(r, two, 1, 1, 3);
    done(r, "sgd", 0, 0, 1.0);
    done(r, "sgd", 0, 1, 64.0);
    done(r, "sgd", 0, 2, 2.0);
    done(r, "adam", 0, 0, 0.5);
    ran(r, "adam", 0, 1, (fate){ TRIAL_LOST, 0, ATTEMPT_LOST, "" });
    ran(r, "adam", 0, 2, (fate){ TRIAL_RUNNING, 0, 0, "" });
    const result_pair *p = &read_back(r)[1].against;
    assert_int_equal(p->n_runs, 1);
    NEAR(p->mean, -0.5, 0.0);
    assert_false(p->has_bad);
}

static void test_results__a_contender_whose_tuning_had_no_success_comes_last(void **state)
{
    rig *r = *state;
    static const char *const three[] = { "sgd", "broken", "adam", NULL };
    declare(r, three, 1, 1, 1);
    const store_search where = { STORE_TUNE, "broken", "digits", 0 };
    put(r, where, 1, "{\"optimizer.lr\": 0.1, \"momentum\": 0.5, \"kind\": \"a\"}",
        (fate){ TRIAL_FAILED, 0, OUTCOME_LOAD_FAILED, "no such plugin" });
    done(r, "sgd", 0, 0, 1.0);
    done(r, "adam", 0, 0, 1.0);
    const result_contender *c = read_back(r);
    assert_int_equal(c[1].rank, 0);
    assert_null(c[1].best);
    assert_int_equal(r->r->workloads[0].order[2], 1);
    assert_int_equal(c[0].rank, 1); /* equal ones share a rank */
    assert_int_equal(c[2].rank, 1);
    assert_int_equal(r->r->workloads[0].order[0], 0);
    assert_int_equal(c[1].against.n_repeats, 0);
}

/* What breaks in every other tuning is not as good as the tunings in which it did not. */
static void test_results__a_tuning_without_a_value_counts_as_failed_runs(void **state)
{
    rig *r = *state;
    const store_search where = { STORE_TUNE, "adam", "digits", 1 };
    const char *params = "{\"optimizer.lr\": 0.1, \"momentum\": 0.5, \"kind\": \"a\"}";
    declare(r, two, 1, 2, 3);
    for (uint64_t k = 0; k < 2; k++) {
        for (uint64_t i = 0; i < 3; i++)
            done(r, "sgd", k, i, 2.0 + (double)i);
    }
    for (uint64_t i = 0; i < 3; i++)
        done(r, "adam", 0, i, 0.25 + (double)i);
    put(r, where, 1, params, (fate){ TRIAL_LOST, 0, ATTEMPT_LOST, "" });
    assert_int_equal(read_back(r)[1].n_fruitless, 0); /* lost ones say nothing */
    put(r, where, 2, params, (fate){ TRIAL_DIVERGED, 0, OUTCOME_NONFINITE, "NaN" });
    const result_contender *c = read_back(r);
    assert_int_equal(c[1].n_fruitless, 1);
    assert_true(c[1].repeats[1].is_fruitless && isinf(c[1].repeats[1].mean));
    assert_true(isinf(c[1].median) && c[1].median > 0);
    NEAR(c[1].low_quartile, 1.5, rounding); /* 0.25, 1.25, 2.25 and three infinite ones */
    assert_int_equal(c[1].rank, 2);
    assert_true(c[1].against.has_bad && isnan(c[1].against.mean));
    put(r, where, 3, params, (fate){ TRIAL_WAITING, 0, 0, "" });
    assert_int_equal(read_back(r)[1].n_fruitless, 0); /* it goes on */
}

static void test_results__a_plain_search_ranks_by_its_tuning(void **state)
{
    rig *r = *state;
    static const char *const plain[] = { "", NULL };
    declare(r, plain, 1, 1, 0);
    const store_search where = { STORE_TUNE, "", "", 0 };
    static const double lr[] = { 0.05, 0.0125, 0.002 }, values[] = { 0.75, 1e300, -3.5 };
    for (size_t i = 0; i < 3; i++) {
        char params[96];
        snprintf(params, sizeof params,
            "{\"optimizer.lr\": %g, \"momentum\": 0.5, \"kind\": \"b\"}", lr[i]);
        put(r, where, i, params, (fate){ TRIAL_DONE, values[i], 0, NULL });
    }
    const result_contender *c = read_back(r);
    assert_false(r->r->is_judged);
    assert_int_equal(c[0].rank, 1);
    assert_int_equal(c[0].best->number, 2);
    r->d.direction = STORE_MAXIMIZE;
    assert_int_equal(read_back(r)[0].best->number, 1);
    double x[3];
    OKAY(results_point(r->r, r->r->workloads[0].contenders[0].best, x, err));
    NEAR(x[0], 0.0125, 0.0);
    NEAR(x[2], 1.0, 0.0);
}

static void test_results__a_store_that_has_other_contenders_is_refused(void **state)
{
    rig *r = *state;
    error err = { 0 };
    results *out = NULL;
    declare(r, two, 1, 2, 1);
    done(r, "muon", 0, 0, 1.0);
    assert_int_equal(results_read(r->s, &r->study, &r->d, &out, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "contender \"muon\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_student__has_the_known_values),
        cmocka_unit_test(test_student__is_its_own_inverse_and_ends_well),
        cmocka_unit_test(test_quantiles__interpolate_and_keep_what_is_infinite),
        TEST(test_results__of_an_empty_study_are_empty),
        TEST(test_results__rank_by_the_median_and_split_the_spread),
        TEST(test_results__the_difference_is_on_means_of_repeats),
        TEST(test_results__one_repeat_gives_a_difference_and_no_inference),
        TEST(test_results__bad_runs_are_worse_than_any_value_and_lost_ones_are_left_out),
        TEST(test_results__of_a_lost_run_its_twin_is_left_out_of_the_difference),
        TEST(test_results__a_contender_whose_tuning_had_no_success_comes_last),
        TEST(test_results__a_tuning_without_a_value_counts_as_failed_runs),
        TEST(test_results__a_plain_search_ranks_by_its_tuning),
        TEST(test_results__a_store_that_has_other_contenders_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
