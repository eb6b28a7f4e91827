/* The engine over a runner that only calculates: every trial once, the same proposals on any number of cores, after kills and
 * beside other hosts; budgets, evaluations, pruners, retries, interrupts. */
#include "engine_rig.h"

static void test_engine__runs_tunings_and_evaluations_with_paired_seeds(void **state)
{
    scene *t = *state;
    engine_summary sum;
    text all = { 0 };
    declare(t, "repeats = 2; evaluations = 3; budget = { trials = 6; };");
    okay(t, "s.study", (engine_options){ .n_jobs = 2 }, &sum);
    assert_true(sum.is_over);
    assert_int_equal(sum.n_run, 2 * 2 * 6 + 2 * 2 * 3);
    assert_int_equal(sum.count[TRIAL_DONE], sum.n_run);
    table(t, "s.study", &all);
    for (size_t r = 0; r < 2; r++) {
        for (size_t i = 0; i < 3; i++) { /* the same seeds for both, and none of tuning */
            char seed[64];
            const uint64_t e = declaration_evaluation_seed(t->d, r, i);
            snprintf(seed, sizeof seed, "seed %llu done", (unsigned long long)e);
            const char *first = strstr(all.s, seed);
            assert_non_null(first);
            const char *second = strstr(first + 1, seed);
            assert_non_null(second);
            assert_null(strstr(second + 1, seed));
            assert_int_not_equal(e, declaration_tuning_seed(t->d, r, 0));
        }
    }
    okay(t, "s.study", (engine_options){ .n_jobs = 2 }, &sum); /* there is nothing left */
    assert_int_equal(sum.n_run, 0);
    assert_true(sum.is_over);
    text_release(&all);
}

/* Whoever ends first, and however many run at once. */
static void test_engine__proposes_the_same_on_any_number_of_cores(void **state)
{
    static const char *const strategies[] = { "random", "tpe", "qmc" };
    scene *t = *state;
    for (size_t k = 0; k < 3; k++) {
        text first = { 0 };
        char more[128];
        snprintf(more, sizeof more,
            "strategy = \"%s\"; budget = { trials = 23; }; parallel = 3; evaluations = 2;",
            strategies[k]);
        declare(t, more);
        for (unsigned jobs = 1; jobs <= 7; jobs += 2) {
            char file[32];
            engine_summary sum;
            text here = { 0 };
            fake.lottery = jobs == 1 ? 0 : 77 + jobs;
            snprintf(file, sizeof file, "%s-%u.study", strategies[k], jobs);
            okay(t, file, (engine_options){ .n_jobs = jobs }, &sum);
            table(t, file, &here);
            if (jobs == 1) text_add(&first, here.s);
            assert_string_equal(here.s, first.s);
            text_release(&here);
        }
        text_release(&first);
    }
}

/* -- kills -- */

/* Hosts that are killed again and again, `n_hosts` at once; the last ones end by themselves. */
static void run_with_kills(scene *t, const char *file, int n_kills, int n_hosts, uint64_t lottery)
{
    pid_t pids[8] = { 0 };
    for (int i = 0; i <= n_kills; i++) {
        for (int h = 0; h < n_hosts; h++)
            if (pids[h] == 0) pids[h] = start_host(t, file, (engine_options){ .n_jobs = 2 });
        if (i == n_kills) break;
        lottery = lottery * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        clock_sleep(0.002 + 0.02 * (double)(lottery >> 40) / 16777216.0);
        const int victim = (int)((lottery >> 33) % (uint64_t)n_hosts);
        (void)kill(pids[victim], SIGKILL);
        int how;
        assert_int_equal(waitpid(pids[victim], &how, 0), pids[victim]);
        assert_true(WIFSIGNALED(how) || WEXITSTATUS(how) == 0); /* it may have been done */
        pids[victim] = 0;
    }
    for (int h = 0; h < n_hosts; h++) {
        int how;
        assert_int_equal(waitpid(pids[h], &how, 0), pids[h]);
        assert_int_equal(how, 0);
    }
}

/* ASSAY_KILLS and ASSAY_KILL_TRIALS make it longer. */
static int number_from(const char *name, int otherwise)
{
    const char *v = getenv(name);
    return v ? (int)strtol(v, NULL, 10) : otherwise;
}

static void test_engine__goes_on_after_kill_as_if_nothing_had_happened(void **state)
{
    static const struct {
        const char *more;
        int n_hosts;
    } ways[] = { { "strategy = \"random\";", 1 }, { "strategy = \"tpe\"; parallel = 2;", 1 },
        { "strategy = \"random\"; parallel = 5;", 2 }, { "strategy = \"tpe\"; parallel = 3;", 2 } };
    scene *t = *state;
    const int n_kills = number_from("ASSAY_KILLS", 25), n = number_from("ASSAY_KILL_TRIALS", 40);
    for (size_t k = 0; k < 4; k++) {
        char more[256], quiet[32], shot[32];
        engine_summary sum;
        text was = { 0 }, is = { 0 };
        snprintf(more, sizeof more,
            "%s evaluations = 2; repeats = 2; budget = { trials = %d; }; retry = { lost = 1000; };",
            ways[k].more, n);
        declare(t, more);
        fake.trial_s = 0;
        snprintf(quiet, sizeof quiet, "quiet-%zu.study", k);
        okay(t, quiet, (engine_options){ .n_jobs = 1 }, &sum);
        fake.trial_s = 0.001;
        snprintf(shot, sizeof shot, "shot-%zu.study", k);
        run_with_kills(t, shot, n_kills, ways[k].n_hosts, 17 + k);
        table(t, quiet, &was);
        table(t, shot, &is);
        assert_string_equal(is.s, was.s);
        const uint64_t n_all = 2 * 2 * (uint64_t)n + 2 * 2 * 2;
        assert_int_equal(n_attempts_of(t, shot, ATTEMPT_OK), n_all); /* none lost, none twice */
        assert_int_equal(n_attempts_of(t, shot, ATTEMPT_RUNNING), 0);
        text_release(&was);
        text_release(&is);
    }
}

/* -- pruning -- */

static outcome_class some_diverge(const run_spec *s, uint64_t n_started)
{
    (void)s;
    return n_started % 3 == 0 ? OUTCOME_NONFINITE : OUTCOME_OK;
}

static void test_engine__judged_at_the_best_check_the_last_may_be_anything(void **state)
{
    scene *t = *state;
    engine_summary sum;
    fake.ends_badly = true;
    declare(t, "value = \"best\"; budget = { trials = 4; };");
    okay(t, "best.study", (engine_options){ .n_jobs = 2 }, &sum);
    assert_int_equal(sum.count[TRIAL_DONE], 8);
    declare(t, "value = \"last\"; budget = { trials = 4; };");
    okay(t, "last.study", (engine_options){ .n_jobs = 2 }, &sum);
    assert_int_equal(sum.count[TRIAL_DIVERGED], 8);
}

/* What diverges may say so twice, by a report on its way and by its end. */
static void test_engine__goes_on_after_a_report_that_is_not_finite(void **state)
{
    static const char *const ways[] = { "strategy = \"random\"; pruner = \"median\";",
        "strategy = \"hyperband\";", "strategy = \"asha\";" };
    scene *t = *state;
    fake.n_reports = 3;
    fake.class_of = some_diverge;
    for (size_t i = 0; i < 3; i++) {
        engine_summary sum;
        char more[192], file[32];
        snprintf(
            more, sizeof more, "%s budget = { trials = 12; }; fidelity = { max = 9.0; };", ways[i]);
        snprintf(file, sizeof file, "s%zu.study", i);
        declare(t, more);
        okay(t, file, (engine_options){ .n_jobs = 2 }, &sum);
        assert_true(sum.is_over);
        assert_true(sum.count[TRIAL_DIVERGED] > 0);
        assert_true(sum.count[TRIAL_DONE] > 0);
    }
}

static void test_engine__pruned_trials_keep_the_value_of_the_verdict(void **state)
{
    scene *t = *state;
    engine_summary sum;
    text all = { 0 };
    declare(t,
        "strategy = \"random\"; pruner = { type = \"median\"; }; budget = { trials = 30; }; "
        "fidelity = { max = 9.0; };");
    fake.n_reports = 9;
    okay(t, "s.study", (engine_options){ .n_jobs = 2 }, &sum);
    assert_true(sum.count[TRIAL_PRUNED] > 5);
    assert_true(sum.count[TRIAL_DONE] > 5);
    assert_int_equal(sum.count[TRIAL_PRUNED] + sum.count[TRIAL_DONE], 60);
    table(t, "s.study", &all);
    assert_null(strstr(all.s, "pruned nan"));
    text_release(&all);
}

static void test_engine__resumes_pruned_studies_after_kills(void **state)
{
    scene *t = *state;
    text all = { 0 };
    declare(t,
        "strategy = \"tpe\"; pruner = { type = \"median\"; }; budget = { trials = 30; }; "
        "fidelity = { max = 9.0; }; retry = { lost = 1000; }; evaluations = 2;");
    fake.n_reports = 9;
    fake.trial_s = 0.001;
    run_with_kills(t, "s.study", number_from("ASSAY_KILLS", 25), 2, 5);
    table(t, "s.study", &all);
    assert_int_equal(n_attempts_of(t, "s.study", ATTEMPT_RUNNING), 0);
    assert_int_equal(
        n_attempts_of(t, "s.study", OUTCOME_OK) + n_attempts_of(t, "s.study", OUTCOME_PRUNED),
        2 * 30 + 2 * 2);
    text_release(&all);
}

/* Of what ran in part nobody says that it is done, whoever wins; kills in between change nothing. */
static void test_engine__parts_of_trials_are_paused_and_continued(void **state)
{
    scene *t = *state;
    engine_summary sum;
    text all = { 0 };
    declare(t,
        "strategy = \"asha\"; budget = { trials = 40; }; fidelity = { max = 9.0; min = 1.0; }; "
        "retry = { lost = 1000; };");
    okay(t, "s.study", (engine_options){ .n_jobs = 2 }, &sum);
    assert_true(sum.count[TRIAL_PAUSED] > 20);
    assert_true(sum.count[TRIAL_DONE] > 2);
    assert_int_equal(sum.count[TRIAL_PAUSED] + sum.count[TRIAL_DONE], 80);
    fake.trial_s = 0.001;
    run_with_kills(t, "shot.study", number_from("ASSAY_KILLS", 25), 2, 9);
    table(t, "shot.study", &all);
    assert_int_equal(n_attempts_of(t, "shot.study", ATTEMPT_OK), 80);
    text_release(&all);
}

/* -- budgets, failures, interrupts -- */

static void test_engine__a_budget_of_samples_ends_a_tuning(void **state)
{
    scene *t = *state;
    engine_summary sum;
    declare(t, "budget = { trials = 50; samples = 950.0; }; parallel = 1;");
    okay(t, "s.study", (engine_options){ .n_jobs = 1 }, &sum);
    assert_int_equal(sum.n_run, 2 * 10); /* the tenth of 100 samples is begun at 900 */
}

static outcome_class crash_each_third(const run_spec *s, uint64_t n_started)
{
    (void)s;
    return n_started % 3 == 1 ? OUTCOME_CRASH : n_started % 7 == 2 ? OUTCOME_NONFINITE : OUTCOME_OK;
}

static void test_engine__failures_are_results_and_retried_when_asked_for(void **state)
{
    scene *t = *state;
    engine_summary sum;
    fake.class_of = crash_each_third;
    declare(t, "budget = { trials = 20; };");
    okay(t, "once.study", (engine_options){ .n_jobs = 1 }, &sum);
    assert_int_equal(sum.n_run, 40);
    assert_int_equal(sum.count[TRIAL_FAILED], 13);
    assert_true(sum.count[TRIAL_DIVERGED] > 2);
    declare(t, "budget = { trials = 20; }; retry = { crash = 2; };");
    fake.n_started = 0;
    okay(t, "again.study", (engine_options){ .n_jobs = 1 }, &sum);
    assert_int_equal(sum.n_run, 40);
    assert_int_equal(sum.count[TRIAL_FAILED], 0);
    assert_true(n_attempts_of(t, "again.study", OUTCOME_CRASH) > 10);
}

static outcome_class always_crash(const run_spec *s, uint64_t n_started)
{
    (void)n_started;
    return s->contender == 1 ? OUTCOME_CRASH : OUTCOME_OK;
}

static void test_engine__a_contender_without_success_is_not_evaluated(void **state)
{
    scene *t = *state;
    engine_summary sum;
    fake.class_of = always_crash;
    declare(t, "budget = { trials = 5; }; evaluations = 3;");
    okay(t, "s.study", (engine_options){ .n_jobs = 3 }, &sum);
    assert_true(sum.is_over);
    assert_int_equal(sum.count[TRIAL_FAILED], 5);
    assert_int_equal(sum.count[TRIAL_DONE], 5 + 3);
}

typedef struct stopper {
    atomic_int interrupt;
    int after, with, n;
} stopper;

static void count_down(void *self, const study_news *n)
{
    stopper *s = self;
    if (n->kind == STUDY_TRIAL_BEGUN && ++s->n == s->after) atomic_store(&s->interrupt, s->with);
}

static void test_engine__interrupted_it_stops_and_goes_on_later(void **state)
{
    scene *t = *state;
    for (int with = 1; with <= 2; with++) {
        char file[32];
        engine_summary sum;
        stopper s = { .after = 9, .with = with };
        snprintf(file, sizeof file, "s%d.study", with);
        declare(t, "budget = { trials = 12; };");
        fake.trial_s = 0.01;
        const engine_options o = {
            .n_jobs = 3, .interrupt = &s.interrupt, .on_news = count_down, .self = &s
        };
        okay(t, file, o, &sum);
        assert_false(sum.is_over);
        assert_int_equal(sum.count[TRIAL_RUNNING], 0);
        if (with == 1) assert_int_equal(sum.n_run, 9);
        if (with == 2) assert_int_equal(sum.count[TRIAL_WAITING], 3);
        okay(t, file, (engine_options){ .n_jobs = 3 }, &sum);
        assert_true(sum.is_over);
        assert_int_equal(sum.count[TRIAL_DONE], 24);
    }
}

static void test_engine__another_declaration_is_refused(void **state)
{
    scene *t = *state;
    engine_summary sum;
    declare(t, "budget = { trials = 3; };");
    okay(t, "s.study", (engine_options){ .n_jobs = 1 }, &sum);
    declare(t, "budget = { trials = 4; };");
    assert_int_equal(
        run_study(t, "s.study", (engine_options){ .n_jobs = 1 }, &sum, &t->err), E_CONFLICT);
    assert_non_null(strstr(t->err.text, "that was declared otherwise"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_engine__runs_tunings_and_evaluations_with_paired_seeds, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__proposes_the_same_on_any_number_of_cores, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__goes_on_after_kill_as_if_nothing_had_happened, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__judged_at_the_best_check_the_last_may_be_anything, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__goes_on_after_a_report_that_is_not_finite, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__pruned_trials_keep_the_value_of_the_verdict, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__resumes_pruned_studies_after_kills, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__parts_of_trials_are_paused_and_continued, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__a_budget_of_samples_ends_a_tuning, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__failures_are_results_and_retried_when_asked_for, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__a_contender_without_success_is_not_evaluated, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__interrupted_it_stops_and_goes_on_later, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__another_declaration_is_refused, make_scene, drop_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
