/* What goes away while a study runs: strategies' processes, workers, a host that is stopped for longer than its lease, the room on the
 * disk. Nothing is lost, nothing counts twice. */
#include "engine_rig.h"
#include "study/tuning.h"

/* -- Strategies -- */

/* The first process below; 0: there is none. */
static pid_t child_of(pid_t pid)
{
    char path[64];
    long child = 0;
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    FILE *f = fopen(path, "r");
    if (!f) return 0;
    if (fscanf(f, "%ld", &child) != 1) child = 0;
    fclose(f);
    return (pid_t)child;
}

/* Trials in a store that another process may be making; 0: there are none yet. */
static uint64_t n_trials_in(const scene *t, const char *file)
{
    char path[128];
    store *s = NULL;
    store_study y;
    arena a = { 0 };
    error err;
    uint64_t count[N_TRIAL_STATES] = { 0 }, n = 0;
    const store_options o = { .mode = STORE_READ };
    if (store_open(path_in(t, file, path), &o, &s, &err) == OK &&
        study_find(s, t->d->name, &a, &y, &err) == OK && trial_count(s, y.id, count, &err) == OK) {
        for (int i = 0; i < N_TRIAL_STATES; i++)
            n += count[i];
    }
    store_close(s);
    arena_release(&a);
    return n;
}

/* Ends strategies' processes (or their fork server) whenever they have proposed some more. */
static int run_without_strategies(scene *t, const char *file, bool of_servers, int *out_n_kills)
{
    int how = 0;
    uint64_t n_before = 0;
    const pid_t host = start_host(t, file, (engine_options){ .n_jobs = 2 });
    while (waitpid(host, &how, WNOHANG) == 0) {
        clock_sleep(0.005);
        const uint64_t n = n_trials_in(t, file);
        if (n < n_before + 5) continue;
        n_before = n;
        const pid_t server = child_of(host);
        const pid_t victim = of_servers || server == 0 ? server : child_of(server);
        if (victim > 0 && kill(victim, SIGKILL) == 0) ++*out_n_kills;
    }
    return how;
}

static void test_engine__brings_back_strategies_that_were_killed(void **state)
{
    scene *t = *state;
    for (int of_servers = 0; of_servers < 2; of_servers++) {
        engine_summary sum;
        text was = { 0 }, is = { 0 };
        int n_kills = 0;
        char quiet[32], shot[32];
        snprintf(quiet, sizeof quiet, "quiet-%d.study", of_servers);
        snprintf(shot, sizeof shot, "shot-%d.study", of_servers);
        declare(t, "strategy = \"tpe\"; budget = { trials = 40; }; parallel = 3;");
        fake.trial_s = 0;
        okay(t, quiet, (engine_options){ .n_jobs = 1 }, &sum);
        fake.trial_s = 0.02;
        assert_int_equal(run_without_strategies(t, shot, of_servers, &n_kills), 0);
        print_message("%d kills\n", n_kills);
        assert_true(n_kills > 3);
        table(t, quiet, &was);
        table(t, shot, &is);
        assert_string_equal(is.s, was.s);
        text_release(&was);
        text_release(&is);
    }
}

/* -- Two hosts that ask the same strategy -- */

static tuning *a_tuning(scene *t, store *s, uint64_t study)
{
    static const search_place here = { .level = SANDBOX_NONE };
    tuning *out = NULL;
    const tuning_key first = { 0 };
    if (tuning_new(t->registry, t->d, &here, s, study, first, &out, &t->err) != OK)
        fail_msg("%s", t->err.text);
    return out;
}

static void must(scene *t, status st)
{
    if (st != OK) fail_msg("%s", t->err.text);
}

/* The next trial is run: it reports, and ends. */
static void run_one(scene *t, store *s, uint64_t study, double v)
{
    arena a = { 0 };
    store_trial trial;
    bool is_found = false;
    const store_news news = { .fidelity = 1, .value = v + 1, .standard_error = (double)NAN };
    const store_result end = {
        .state = TRIAL_DONE, .value = v, .standard_error = (double)NAN, .fidelity = 2
    };
    must(t, trial_claim(s, study, 60, &a, &trial, &is_found, &t->err));
    assert_true(is_found);
    must(t, trial_report(s, trial_hold(&trial), NULL, 0, &news, &t->err));
    must(t, trial_finish(s, trial_hold(&trial), &end, &t->err));
    arena_release(&a);
}

/* Opens the store and declares the study, when everybody is there. */
static void begin_with_others(scene *t, const char *file, int start)
{
    char path[128], go;
    store *s = NULL;
    uint64_t study = 0;
    bool is_new;
    error err;
    const store_options o = { .mode = STORE_CREATE };
    const ssize_t n = read(start, &go, 1); /* the end of it */
    status st = store_open(path_in(t, file, path), &o, &s, &err);
    if (st == OK) st = study_declare(t->d, s, &study, &is_new, &err);
    if (st != OK) fprintf(stderr, "%s\n", err.text);
    store_close(s);
    _exit(n == 0 && st == OK && study == 1 ? 0 : 1);
}

static void test_engine__hosts_may_begin_at_the_same_moment(void **state)
{
    enum { ROUNDS = 25, HOSTS = 8 };
    scene *t = *state;
    declare(t, "budget = { trials = 2; };");
    for (int i = 0; i < ROUNDS; i++) {
        char file[32];
        int start[2], how, n_bad = 0;
        snprintf(file, sizeof file, "s%d.study", i);
        assert_int_equal(pipe(start), 0);
        for (int h = 0; h < HOSTS; h++) {
            const pid_t pid = fork();
            assert_true(pid >= 0);
            if (pid > 0) continue;
            close(start[1]);
            begin_with_others(t, file, start[0]);
        }
        close(start[0]);
        close(start[1]);
        for (int h = 0; h < HOSTS; h++)
            n_bad += wait(&how) < 0 || how != 0;
        assert_int_equal(n_bad, 0);
    }
}

/* One was told a result before it heard of a proposal that the other had made without knowing it. */
static void test_tuning__follows_another_host_that_knew_less(void **state)
{
    scene *t = *state;
    char path[128];
    store *s = NULL;
    uint64_t study;
    bool is_new, is_added;
    const store_options o = { .mode = STORE_CREATE };
    declare(t,
        "strategy = { type = \"tpe\"; n_startup = 5; }; pruner = { type = \"median\"; }; "
        "budget = { trials = 40; }; parallel = 2;");
    must(t, store_open(path_in(t, "s.study", path), &o, &s, &t->err));
    must(t, study_declare(t->d, s, &study, &is_new, &t->err));
    tuning *knows = a_tuning(t, s, study), *lags = a_tuning(t, s, study);
    for (int i = 0; i < 20; i++) {
        must(t, tuning_sync(knows, &t->err));
        must(t, tuning_sync(lags, &t->err));
        must(t, tuning_ask(knows, &is_added, &t->err)); /* one that runs, and room for one more */
        assert_true(is_added);
        must(t, tuning_sync(lags, &t->err));
        run_one(t, s, study, 0.385 + 0.1 * (i % 7));
        must(t, tuning_sync(knows, &t->err)); /* the result */
        must(t, tuning_ask(lags, &is_added, &t->err)); /* without it */
        assert_true(is_added);
        must(t, tuning_sync(knows, &t->err));
        run_one(t, s, study, 0.731 - 0.1 * (i % 5));
    }
    tuning *fresh = a_tuning(t, s, study); /* who reads it all comes to the same */
    must(t, tuning_sync(fresh, &t->err));
    must(t, tuning_wants_reports(fresh, &is_added, &t->err));
    assert_true(tuning_is_over(fresh));
    tuning_free(fresh);
    tuning_free(knows);
    tuning_free(lags);
    store_close(s);
}

/* -- Workers -- */

static outcome_class crash_each_third(const run_spec *s, uint64_t n_started)
{
    (void)s;
    return n_started % 3 == 1 ? OUTCOME_CRASH : OUTCOME_OK;
}

static outcome_class always_crash(const run_spec *s, uint64_t n_started)
{
    (void)n_started;
    return s->contender == 1 ? OUTCOME_CRASH : OUTCOME_OK;
}

static void test_engine__what_was_killed_runs_again_and_too_often_is_a_result(void **state)
{
    scene *t = *state;
    engine_summary sum;
    fake.class_of = crash_each_third;
    fake.signal = SIGKILL;
    declare(t, "budget = { trials = 20; };"); /* a crash is a result, unless it was a kill */
    okay(t, "some.study", (engine_options){ .n_jobs = 1 }, &sum);
    assert_int_equal(sum.count[TRIAL_DONE], 40);
    assert_int_equal(n_attempts_of(t, "some.study", ATTEMPT_LOST), 20);
    fake.class_of = always_crash;
    declare(t, "budget = { trials = 5; }; retry = { lost = 2; };");
    okay(t, "all.study", (engine_options){ .n_jobs = 1 }, &sum);
    assert_int_equal(sum.count[TRIAL_DONE], 5);
    assert_int_equal(sum.count[TRIAL_FAILED], 5);
    assert_int_equal(n_attempts_of(t, "all.study", ATTEMPT_LOST), 2 * 5);
    assert_int_equal(n_attempts_of(t, "all.study", OUTCOME_CRASH), 5);
}

/* -- The host's own troubles -- */

static outcome_class no_room_for_the_ninth(const run_spec *s, uint64_t n_started)
{
    (void)s;
    return n_started == 8 ? OUTCOME_HOST_ERROR : OUTCOME_OK;
}

static void test_engine__ends_where_the_host_cannot_go_on_and_nothing_is_lost(void **state)
{
    scene *t = *state;
    engine_summary sum;
    text was = { 0 }, is = { 0 };
    declare(t, "budget = { trials = 20; }; evaluations = 2; retry = { lost = 0; };");
    okay(t, "quiet.study", (engine_options){ .n_jobs = 1 }, &sum);
    fake = (fake_ways){
        .class_of = no_room_for_the_ninth, .trouble = E_IO, .lottery = 5, .trial_s = 0.001
    };
    const engine_options three = { .n_jobs = 3 };
    assert_int_equal(run_study(t, "full.study", three, &sum, &t->err), E_IO);
    assert_non_null(strstr(t->err.text, "it did not go well; trial "));
    assert_non_null(strstr(t->err.text, "waits again, and the study can be resumed"));
    assert_int_equal(n_attempts_of(t, "full.study", ATTEMPT_RUNNING), 0);
    assert_int_equal(n_attempts_of(t, "full.study", ATTEMPT_LOST), 0);
    assert_int_equal(n_attempts_of(t, "full.study", OUTCOME_HOST_ERROR), 1);
    assert_int_equal(n_attempts_of(t, "full.study", OUTCOME_CANCELLED), 2); /* given back */
    fake = (fake_ways){ .lottery = 0 };
    okay(t, "full.study", three, &sum);
    table(t, "quiet.study", &was);
    table(t, "full.study", &is);
    assert_string_equal(is.s, was.s);
    text_release(&was);
    text_release(&is);
}

/* -- Leases -- */

static const engine_options short_lease = { .n_jobs = 2, .lease_s = 1.5 };

/* One host begins, is stopped for longer than its lease, and goes on when another has taken its trials over. */
static void test_engine__who_was_stopped_too_long_drops_what_others_have(void **state)
{
    scene *t = *state;
    engine_summary sum;
    text was = { 0 }, is = { 0 };
    int how = 0;
    declare(t, "budget = { trials = 6; };");
    okay(t, "quiet.study", (engine_options){ .n_jobs = 1 }, &sum);
    fake.trial_s = 0.4;
    const pid_t sleeper = start_host(t, "s.study", short_lease);
    clock_sleep(0.6);
    assert_int_equal(kill(sleeper, SIGSTOP), 0);
    assert_int_equal(waitpid(sleeper, &how, WUNTRACED), sleeper);
    assert_true(WIFSTOPPED(how)); /* it had not been done */
    const pid_t other = start_host(t, "s.study", short_lease);
    for (int i = 0; i < 100 && n_attempts_of(t, "s.study", ATTEMPT_LOST) < 2; i++)
        clock_sleep(0.1);
    assert_int_equal(n_attempts_of(t, "s.study", ATTEMPT_LOST), 2);
    assert_int_equal(kill(sleeper, SIGCONT), 0);
    assert_int_equal(waitpid(sleeper, &how, 0), sleeper);
    assert_int_equal(how, 0);
    assert_int_equal(waitpid(other, &how, 0), other);
    assert_int_equal(how, 0);
    assert_int_equal(n_attempts_of(t, "s.study", ATTEMPT_OK), 12);
    assert_int_equal(n_attempts_of(t, "s.study", ATTEMPT_LOST), 2);
    assert_int_equal(n_attempts_of(t, "s.study", ATTEMPT_RUNNING), 0);
    table(t, "quiet.study", &was);
    table(t, "s.study", &is);
    assert_string_equal(is.s, was.s);
    text_release(&was);
    text_release(&is);
}

/* A trial may take longer than its lease, as long as its host is alive. */
static void test_engine__renews_what_takes_longer_than_a_lease(void **state)
{
    scene *t = *state;
    engine_summary sum;
    declare(t, "budget = { trials = 1; };");
    fake.trial_s = 4;
    okay(t, "s.study", short_lease, &sum);
    assert_int_equal(sum.count[TRIAL_DONE], 2);
    assert_int_equal(n_attempts_of(t, "s.study", ATTEMPT_LOST), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_engine__hosts_may_begin_at_the_same_moment, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_tuning__follows_another_host_that_knew_less, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__brings_back_strategies_that_were_killed, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__what_was_killed_runs_again_and_too_often_is_a_result, make_scene,
            drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__ends_where_the_host_cannot_go_on_and_nothing_is_lost, make_scene,
            drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__who_was_stopped_too_long_drops_what_others_have, make_scene, drop_scene),
        cmocka_unit_test_setup_teardown(
            test_engine__renews_what_takes_longer_than_a_lease, make_scene, drop_scene),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
