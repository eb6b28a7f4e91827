/* What a study has come to, of stores that are written by hand: the numbers are checked against their formulae. */
#include "study/results.h"

#include "study/results_internal.h"

#include "base/json_in.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* its macro `fail` takes the name of ours */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OKAY(expr) \
    do { \
        error okay_error = { 0 }; \
        error *err = &okay_error; \
        if ((expr) != OK) fail_msg("%s: %s", #expr, okay_error.text); \
    } while (0)

#define NEAR(a, b, tolerance) \
    do { \
        const double near_a = (a), near_b = (b); \
        if (!(fabs(near_a - near_b) <= (tolerance))) \
            fail_msg("%s is %.17g, not %.17g", #a, near_a, near_b); \
    } while (0)

/* Sums of a few numbers of size 1 in another order than the code's. */
static const double rounding = 1e-13;

enum { MOST_CONTENDERS = 3, MOST_WORKLOADS = 2 };

typedef struct rig {
    char folder[64];
    store *s;
    store_study study;
    arena a;
    contender contenders[MOST_CONTENDERS];
    workload workloads[MOST_WORKLOADS];
    declaration d;
    results *r;
    uint64_t seed; /* of the next tuning trial */
} rig;

static int begin(void **state)
{
    rig *r = calloc(1, sizeof *r);
    strcpy(r->folder, "/tmp/assay-test-results-XXXXXX");
    if (!r || !mkdtemp(r->folder) || chdir(r->folder)) return -1;
    *state = r;
    return 0;
}

static int end(void **state)
{
    rig *r = *state;
    char command[128];
    results_free(r->r);
    store_close(r->s);
    for (size_t i = 0; i < MOST_CONTENDERS; i++)
        space_release(&r->contenders[i].space);
    arena_release(&r->a);
    snprintf(command, sizeof command, "rm -rf '%s'", r->folder);
    free(r);
    return chdir("/") || system(command);
}

/* `names` end with NULL. */
static void declare(rig *r, const char *const *names, size_t n_workloads, uint64_t n_repeats,
    uint64_t n_evaluations)
{
    static const char *const workloads[] = { "digits", "jsb" };
    size_t n = 0;
    for (; names[n]; n++) {
        r->contenders[n].name = names[n];
        space_init(&r->contenders[n].space);
        OKAY(space_add_text(&r->contenders[n].space,
            "optimizer.lr=1e-4..1e-1:log momentum=0..0.99 kind=a,b", &(origin){ "test", 1 }, err));
    }
    for (size_t i = 0; i < n_workloads; i++)
        r->workloads[i].name = workloads[i];
    r->d = (declaration){ .name = "contest",
        .compare = "optimizers",
        .workloads = r->workloads,
        .n_workloads = n_workloads,
        .contenders = r->contenders,
        .n_contenders = n,
        .is_plain = n == 1 && !names[0][0],
        .metric = "validation.loss",
        .judged = "test.loss",
        .n_repeats = n_repeats,
        .n_evaluations = n_evaluations };
    const store_options o = { .mode = STORE_CREATE };
    const store_study_spec spec = {
        .name = "contest", .declaration = "x = 1;\n", .metric = "validation.loss", .seed = 3
    };
    uint64_t id;
    OKAY(store_open("a.study", &o, &r->s, err));
    OKAY(study_create(r->s, &spec, &id, err));
    OKAY(study_find(r->s, "contest", &r->a, &r->study, err));
}

typedef struct fate {
    trial_state state;
    double value;
    int attempt_class;
    const char *reason;
} fate;

/* Two ways in which a record may tell the same cost. */
static const char in_itself[] =
    "{\"cpu\": {\"wall_s\": 7}, \"samples\": 1200, \"wall_s\": 1.5, \"cpu_s\": 1.25}";
static const char below_spent[] =
    "{\"spent\": {\"samples_forward\": 1200, \"wall_s\": 1.5, \"cpu_s\": 1.25, \"samples\": 3}}";

static uint64_t put(rig *r, store_search where, uint64_t seed, const char *params, fate f)
{
    store_trial t;
    bool is_new = false, is_found = false;
    const store_trial_spec spec = { .search = where,
        .seed = seed,
        .params = params,
        .proposal = STORE_NEXT,
        .from_trial = STORE_NO_TRIAL };
    OKAY(trial_add(r->s, r->study.id, &spec, &t, &r->a, &is_new, err));
    assert_true(is_new);
    if (f.state == TRIAL_WAITING) return t.number;
    OKAY(trial_claim(r->s, r->study.id, 60.0, &r->a, &t, &is_found, err));
    assert_true(is_found);
    if (f.state == TRIAL_RUNNING) return t.number;
    const store_point points[] = { { 10, "test.loss", 2.0 * f.value }, { 20, "test.loss", f.value },
        { 20, "test.accuracy", 0.75 } };
    const store_result result = { .state = f.state,
        .value = f.state == TRIAL_DONE ? f.value : (double)NAN,
        .standard_error = (double)NAN,
        .fidelity = 9.0,
        .attempt_class = f.attempt_class,
        .reason = f.reason,
        .record = t.number % 2 ? in_itself : below_spent,
        .points = points,
        .n_points = f.state == TRIAL_DONE ? 3 : 0 };
    OKAY(trial_finish(r->s, trial_hold(&t), &result, err));
    return t.number;
}

static void tuned(rig *r, const char *of, uint64_t repeat, double lr, double v)
{
    char params[128];
    const store_search where = { STORE_TUNE, of, "digits", repeat };
    snprintf(
        params, sizeof params, "{\"optimizer.lr\": %.17g, \"momentum\": 0.5, \"kind\": \"a\"}", lr);
    put(r, where, 1000 + r->seed++, params, (fate){ TRIAL_DONE, v, 0, NULL });
}

/* Seeds are those of the place, so that contenders are paired. */
static void ran(rig *r, const char *of, uint64_t repeat, uint64_t i, fate f)
{
    const store_search where = { STORE_EVALUATE, of, "digits", repeat };
    put(r, where, 100 * repeat + i, "{\"optimizer.lr\": 0.01, \"momentum\": 0.5, \"kind\": \"a\"}",
        f);
}

static void done(rig *r, const char *of, uint64_t repeat, uint64_t i, double v)
{
    ran(r, of, repeat, i, (fate){ TRIAL_DONE, v, 0, NULL });
}

static const result_contender *read_back(rig *r)
{
    results_free(r->r);
    r->r = NULL;
    OKAY(results_read(r->s, &r->study, &r->d, &r->r, err));
    return r->r->workloads[0].contenders;
}

static const char *const two[] = { "sgd", "adam", NULL };

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

/* -- doubts -- */

static void test_check__names_values_on_an_edge(void **state)
{
    rig *r = *state;
    text t = { 0 };
    size_t n = 0;
    declare(r, two, 1, 3, 1);
    for (uint64_t k = 0; k < 3; k++) {
        tuned(
            r, "sgd", k, k < 2 ? 0.09 : 0.01, 0.5); /* of 3 decades 5 % are 0.15: from 0.0708 on */
        tuned(r, "adam", k, 0.069, 0.5);
        done(r, "sgd", k, 0, 1.0);
        done(r, "adam", k, 0, 1.0);
    }
    read_back(r);
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 1);
    assert_string_equal(t.s,
        "contender sgd, workload digits: the best optimizer.lr is 0.09 in 2 of 3 tunings, on the "
        "upper edge of its range (0.0001 to 0.1): the range may be too small\n");
    text_release(&t);
}

static void test_check__zero_is_a_natural_bound_and_other_lower_ends_are_not(void **state)
{
    rig *r = *state;
    text t = { 0 };
    size_t n = 0;
    declare(r, two, 1, 1, 1);
    const store_search where = { STORE_TUNE, "sgd", "digits", 0 };
    put(r, where, 1, "{\"optimizer.lr\": 0.00012, \"momentum\": 0.0, \"kind\": \"b\"}",
        (fate){ TRIAL_DONE, 1.0, 0, NULL });
    tuned(r, "adam", 0, 0.01, 0.5);
    done(r, "sgd", 0, 0, 1.0);
    done(r, "adam", 0, 0, 1.0);
    read_back(r);
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 1);
    assert_non_null(strstr(t.s, "the best optimizer.lr is 0.00012, on the lower edge"));
    text_release(&t);
}

static void test_check__names_unequal_budgets_once_the_study_is_over(void **state)
{
    rig *r = *state;
    text t = { 0 };
    size_t n = 7;
    declare(r, two, 1, 1, 1);
    for (int i = 0; i < 5; i++)
        tuned(r, "sgd", 0, 0.01, 1.0 + 0.25 * i);
    tuned(r, "adam", 0, 0.01, 0.5);
    done(r, "sgd", 0, 0, 1.0);
    ran(r, "adam", 0, 0, (fate){ TRIAL_RUNNING, 0, 0, NULL });
    read_back(r);
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 0);
    r->r->count[TRIAL_RUNNING] = 0;
    OKAY(results_check(r->r, &t, &n, err));
    assert_int_equal(n, 3);
    assert_non_null(strstr(t.s,
        "workload digits: unequal budgets: contender sgd spent 5 trials of tuning, contender adam "
        "1"));
    assert_non_null(strstr(t.s, "sgd spent 6.0k samples in tuning"));
    text_release(&t);
}

/* -- for programs -- */

static void assert_json(const char *written)
{
    error err = { 0 };
    char *strings = malloc(strlen(written) + 1);
    assert_true(written[strlen(written) - 1] == '\n');
    json_in j = { .what = "json", .s = written, .n = strlen(written) - 1, .strings = strings };
    if (json_in_skip(&j, &err) != OK || json_in_end(&j, &err) != OK)
        fail_msg("%s: %s", err.text, written);
    free(strings);
}

static void test_json__is_json_whatever_there_is(void **state)
{
    rig *r = *state;
    text t = { 0 };
    declare(r, two, 2, 2, 1);
    read_back(r);
    OKAY(results_json(r->r, true, &t, err));
    assert_json(t.s);
    tuned(r, "sgd", 1, 0.01, 1e300);
    done(r, "sgd", 0, 0, -1e-300);
    ran(r, "adam", 0, 0, (fate){ TRIAL_FAILED, 0, OUTCOME_CRASH, "a \"quote\", \\ and \033[1m" });
    const store_search where = { STORE_TUNE, "adam", "jsb", 0 };
    put(r, where, UINT64_MAX, "{\"optimizer.lr\": 0.1, \"momentum\": 0.5, \"kind\": \"a\"}",
        (fate){ TRIAL_WAITING, 0, 0, NULL });
    read_back(r);
    text_clear(&t);
    OKAY(results_json(r->r, true, &t, err));
    assert_json(t.s);
    assert_non_null(strstr(t.s, "\"assay_study\": 1"));
    assert_non_null(strstr(t.s, "\"seed\": 18446744073709551615"));
    assert_non_null(strstr(t.s, "\"tuning_value\": 1e+300"));
    assert_non_null(strstr(t.s, "\"has_failures\": true"));
    text_release(&t);
}

static size_t count_of(const char *s, char c)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == c;
    return n;
}

static void test_csv__has_a_row_for_each_evaluation_and_a_column_for_each_metric(void **state)
{
    rig *r = *state;
    text t = { 0 };
    declare(r, two, 1, 1, 2);
    tuned(r, "sgd", 0, 0.01, 1.0);
    done(r, "sgd", 0, 0, 0.625);
    ran(r, "adam", 0, 1, (fate){ TRIAL_FAILED, 0, OUTCOME_CRASH, "a \"b\", c" });
    read_back(r);
    OKAY(results_csv(r->r, r->s, false, &t, err));
    assert_string_equal(t.s,
        "study,workload,contender,repeat,phase,evaluation,trial,seed,state,class,reason,value,"
        "fidelity,samples,wall_s,cpu_s,params,test.accuracy,test.loss\n"
        "contest,digits,sgd,0,evaluation,0,1,0,done,,,0.625,9.0,1200.0,1.5,1.25,"
        "\"{\"\"optimizer.lr\"\": 0.01, \"\"momentum\"\": 0.5, \"\"kind\"\": \"\"a\"\"}\",0.75,"
        "0.625\n"
        "contest,digits,adam,0,evaluation,0,2,1,failed,crash,\"a \"\"b\"\", "
        "c\",,9.0,1200.0,1.5,1.25,"
        "\"{\"\"optimizer.lr\"\": 0.01, \"\"momentum\"\": 0.5, \"\"kind\"\": \"\"a\"\"}\",,\n");
    text_clear(&t);
    OKAY(results_csv(r->r, r->s, true, &t, err));
    assert_int_equal(count_of(t.s, '\n'), 4);
    text_release(&t);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

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
        TEST(test_results__a_plain_search_ranks_by_its_tuning),
        TEST(test_results__a_store_that_has_other_contenders_is_refused),
        TEST(test_check__names_values_on_an_edge),
        TEST(test_check__zero_is_a_natural_bound_and_other_lower_ends_are_not),
        TEST(test_check__names_unequal_budgets_once_the_study_is_over),
        TEST(test_json__is_json_whatever_there_is),
        TEST(test_csv__has_a_row_for_each_evaluation_and_a_column_for_each_metric),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
