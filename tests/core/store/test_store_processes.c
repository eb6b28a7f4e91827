/* Many processes at one store: none of its trials is run twice, none is lost, whoever is killed and whenever. */
#include "store_rig.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static rig shared;

static int enter(void **state)
{
    *state = &shared;
    rig_open(&shared, &implementations[0]);
    return 0;
}

static int leave(void **state)
{
    rig_close(*state);
    return 0;
}

static double value_of(const store_trial *t)
{
    return 0.5 + 0.001 * (double)t->seed;
}

/* Claims, reports and finishes until nothing waits. Exit code: 0, or 1 after a fault. Its owner is the process, so that
 * others can tell whether it is dead. */
static void work_until_done(const rig *r, long hold_ns)
{
    store *s = NULL;
    error err = { 0 };
    const store_options o = { .mode = STORE_WRITE };
    if (store_open(r->of->where, &o, &s, &err) != OK) goto fault;
    for (;;) {
        store_trial t;
        bool is_found = false;
        arena a = { 0 };
        if (trial_claim(s, r->study, 600.0, &a, &t, &is_found, &err) != OK) goto fault;
        if (!is_found) break;
        const store_point points[] = { { 1, "validation.loss", 2.0 },
            { 2, "validation.loss", 1.0 } };
        const store_news news = { 1.0, 2.0, (double)NAN };
        store_result result = done_with(value_of(&t));
        if (trial_report(s, trial_hold(&t), points, 2, &news, &err) != OK) goto fault;
        nanosleep(&(struct timespec){ 0, hold_ns }, NULL);
        if (trial_renew(s, trial_hold(&t), 600.0, &err) != OK) goto fault;
        if (trial_finish(s, trial_hold(&t), &result, &err) != OK) goto fault;
        arena_release(&a);
    }
    store_close(s);
    _exit(0);
fault:
    fprintf(stderr, "process %ld: %s\n", (long)getpid(), err.text);
    _exit(1);
}

static void close_own(rig *r)
{
    store_close(r->s);
    r->s = NULL;
}

/* All are done with the right value; returns how many attempts there were beyond the first of each. */
static uint64_t check_all_done(rig *r, uint64_t n_trials)
{
    store_cursor *c = NULL;
    store_trial t;
    bool is_row = true;
    uint64_t n = 0, n_more = 0, n_lost = 0;
    r->s = open_as(r, "one", STORE_WRITE);
    OKAY(store_trials_open(r->s, r->study, NULL, &c, err));
    for (;; n++) {
        OKAY(store_trials_next(c, &t, &is_row, err));
        if (!is_row) break;
        assert_int_equal(t.state, TRIAL_DONE);
        assert_true(t.value == value_of(&t));
        n_more += t.epoch - 1;
        n_lost += t.n_lost;
    }
    store_cursor_close(c);
    assert_int_equal(n, n_trials);
    assert_int_equal(n_lost, n_more); /* an attempt more only where one was lost */
    const store_search plain = { STORE_TUNE, "", "", 0 };
    store_event e;
    uint64_t n_events = 0, n_finished = 0;
    OKAY(store_events_open(r->s, r->study, &plain, 0, &c, err));
    for (;; n_events++) {
        OKAY(store_events_next(c, &e, &is_row, err));
        if (!is_row) break;
        assert_int_equal(e.seq, n_events + 1);
        n_finished += e.kind == EVENT_FINISHED;
    }
    store_cursor_close(c);
    assert_int_equal(n_events, 3 * n_trials); /* asked, reported, finished: once each */
    assert_int_equal(n_finished, n_trials);
    return n_more;
}

static void test_store__eight_processes_run_each_trial_once(void **state)
{
    rig *r = *state;
    enum { N_TRIALS = 2000, N_PROCESSES = 8 };
    for (uint64_t i = 0; i < N_TRIALS; i++)
        add(r, i);
    close_own(r);
    for (int i = 0; i < N_PROCESSES; i++) {
        const pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) work_until_done(r, 0);
    }
    for (int i = 0; i < N_PROCESSES; i++) {
        int how = 0;
        assert_true(wait(&how) > 0);
        assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    }
    assert_int_equal(check_all_done(r, N_TRIALS), 0);
}

static uint64_t next_random(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

/* Four work, one of them is killed every few milliseconds and another takes its place; what the dead held is recovered. */
static void test_store__a_hundred_kills_lose_nothing(void **state)
{
    rig *r = *state;
    enum { N_TRIALS = 3000, N_PROCESSES = 4, LEAST_KILLS = 100, MOST_ROUNDS = 100000 };
    const char *given = getenv("ASSAY_TEST_SEED");
    uint64_t random = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)random);
    random |= 1;
    store_study_spec spec = usual_spec("killed");
    spec.max_lost = 1000;
    OKAY(study_create(r->s, &spec, &r->study, err));
    uint64_t n_added = 0, n_recovered = 0;
    pid_t pids[N_PROCESSES] = { 0 };
    int n_kills = 0, n_left = 0;
    for (int round = 0; round < MOST_ROUNDS; round++) {
        for (int i = 0; i < 60 && n_added < N_TRIALS; i++)
            add(r, n_added++);
        close_own(r); /* a store does not cross fork */
        for (int i = 0; i < N_PROCESSES; i++) {
            if (pids[i]) continue;
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0) work_until_done(r, 1000000);
        }
        const struct timespec while_they_work = { 0, (long)(next_random(&random) % 12000000) };
        nanosleep(&while_they_work, NULL);
        const int victim = (int)(next_random(&random) % N_PROCESSES);
        kill(pids[victim], SIGKILL);
        for (int i = 0; i < N_PROCESSES; i++) {
            int how = 0;
            if (waitpid(pids[i], &how, i == victim ? 0 : WNOHANG) != pids[i]) continue;
            if (WIFSIGNALED(how)) {
                n_kills++;
            } else {
                assert_int_equal(WEXITSTATUS(how), 0);
            }
            pids[i] = 0;
        }
        uint64_t n_lost = 0, n[N_TRIAL_STATES];
        r->s = open_as(r, "one", STORE_WRITE);
        OKAY(store_recover(r->s, r->study, NULL, NULL, &n_lost, err));
        n_recovered += n_lost;
        OKAY(trial_count(r->s, r->study, n, err));
        if (n_added == N_TRIALS && n[TRIAL_DONE] == N_TRIALS && n_kills >= LEAST_KILLS) break;
    }
    for (int i = 0; i < N_PROCESSES; i++) {
        int how = 0;
        if (pids[i]) assert_true(waitpid(pids[i], &how, 0) == pids[i] && how == 0);
        n_left += pids[i] != 0;
    }
    close_own(r);
    const uint64_t n_again = check_all_done(r, N_TRIALS);
    print_message("%d kills, %llu attempts lost and run again, %d processes to the end\n", n_kills,
        (unsigned long long)n_again, n_left);
    assert_true(n_kills >= LEAST_KILLS);
    assert_int_equal(n_again, n_recovered);
}

/* An owner is dead when its process is, and no sooner. */
static void test_owner__is_dead_when_its_process_is(void **state)
{
    (void)state;
    char self[OWNER_BYTES], other[OWNER_BYTES];
    int fds[2];
    owner_self(self);
    owner_self(other);
    assert_string_equal(self, other);
    assert_false(owner_is_dead(self));
    assert_int_equal(pipe(fds), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        owner_self(other);
        _exit(write(fds[1], other, sizeof other) == sizeof other ? pause() : 1);
    }
    assert_int_equal(read(fds[0], other, sizeof other), sizeof other);
    assert_string_not_equal(self, other);
    assert_false(owner_is_dead(other));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    assert_true(owner_is_dead(other));

    /* Another boot of this host, another process of the same number: dead. Another host or namespace: who knows. */
    char *word[5], changed[OWNER_BYTES];
    char *rest = strcpy(other, self);
    for (int i = 0; i < 5; i++)
        word[i] = strsep(&rest, "/");
    snprintf(
        changed, sizeof changed, "%s/%s/%s/%s/%s", word[0], "other", word[2], word[3], word[4]);
    assert_true(owner_is_dead(changed));
    snprintf(
        changed, sizeof changed, "%s/%s/%s/%s/%s7", word[0], word[1], word[2], word[3], word[4]);
    assert_true(owner_is_dead(changed));
    snprintf(changed, sizeof changed, "x%s/%s/%s/999999999/1", word[0], word[1], word[2]);
    assert_false(owner_is_dead(changed));
    snprintf(changed, sizeof changed, "%s/%s/1%s/999999999/1", word[0], word[1], word[2]);
    assert_false(owner_is_dead(changed));
    static const char *const odd[] = { "", "one", "////", "a/b/c/d/e/f", "a/b/c/-1/e" };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        assert_false(owner_is_dead(odd[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_store__eight_processes_run_each_trial_once, enter, leave),
        cmocka_unit_test_setup_teardown(test_store__a_hundred_kills_lose_nothing, enter, leave),
        cmocka_unit_test(test_owner__is_dead_when_its_process_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
