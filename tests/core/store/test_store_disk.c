/* A disk that becomes full, or files that may not grow, at every write: the call says what to do, nothing that was said to be
 * written is missing afterwards, and with room again the study goes on.
 *
 * A small tmpfs in a mount namespace of the test's own is the full disk, where the test may mount one; the limit on the size of
 * files of a process (RLIMIT_FSIZE) is the other, which makes any single write fail. */
#define _GNU_SOURCE /* unshare */
#include "store_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { N_TRIALS = 12 };

/* Everything that writes. Counts what was said to be written. Returns the first refusal, or OK. */
static status work(const char *where, int *n_added, int *n_done, error *err)
{
    status st = OK;
    store *s = NULL;
    arena a = { 0 };
    uint64_t study = 0;
    const store_options o = { .mode = STORE_CREATE };
    const store_study_spec spec = usual_spec("digits");
    char *record = malloc(20000);
    memset(record, 'x', 20000);
    record[0] = record[19998] = '"';
    record[19999] = '\0';
    TRY(store_open(where, &o, &s, err));
    TRY(study_create(s, &spec, &study, err));
    for (uint64_t i = 0; i < N_TRIALS; i++, ++*n_added) {
        store_trial t;
        bool is_new;
        const store_trial_spec ts = usual_trial(i, "{\"optimizer.lr\": 0.001}");
        TRY(trial_add(s, study, &ts, &t, &a, &is_new, err));
    }
    for (int i = 0; i < N_TRIALS; i++, ++*n_done) {
        store_trial t;
        bool is_found = false;
        store_point points[200];
        for (uint64_t k = 0; k < 200; k++)
            points[k] = (store_point){ k, "validation.loss", 1.0 / (double)(k + 1) };
        TRY(trial_claim(s, study, 60.0, &a, &t, &is_found, err));
        assert_true(is_found);
        TRY(trial_report(s, trial_hold(&t), points, 200, NULL, err));
        TRY(trial_renew(s, trial_hold(&t), 60.0, err));
        store_result result = done_with(0.5);
        result.record = record;
        TRY(trial_finish(s, trial_hold(&t), &result, err));
    }
    TRY(study_close(s, study, err));
done:
    store_close(s);
    arena_release(&a);
    free(record);
    return st;
}

static bool is_advice(const error *e)
{
    return e->code == E_IO && strstr(e->text, "study.db") && strstr(e->text, "resume");
}

/* What is in the file, now that there is room: sound, and at least what was said to be written. 0: as it should be. */
static int check_afterwards(const char *where, int n_added, int n_done)
{
    store *s = NULL;
    error e = { 0 };
    arena a = { 0 };
    text findings = { 0 };
    bool is_sound = false;
    uint64_t n[N_TRIAL_STATES] = { 0 };
    store_study y;
    const store_options o = { .mode = STORE_CREATE };
    int code = 0;
    if (store_open(where, &o, &s, &e) != OK) code = 20;
    if (!code && (store_check(s, &findings, &is_sound, &e) != OK || !is_sound)) code = 21;
    if (!code && study_find(s, "digits", &a, &y, &e) != OK)
        code = n_added > 0 ? 22 : 0;
    else if (!code && trial_count(s, y.id, n, &e) != OK)
        code = 23;
    const uint64_t all = n[TRIAL_WAITING] + n[TRIAL_RUNNING] + n[TRIAL_DONE];
    if (!code && (all < (uint64_t)n_added || n[TRIAL_DONE] < (uint64_t)n_done)) code = 24;
    if (code) fprintf(stderr, "%d: %s%s\n", code, e.text, findings.s ? findings.s : "");
    store_close(s);
    arena_release(&a);
    text_release(&findings);
    return code;
}

/* -- Files that may not grow -- */

static int with_limit(rlim_t bytes)
{
    struct rlimit limit;
    int n_added = 0, n_done = 0;
    error e = { 0 };
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
    const status st = work("study.db", &n_added, &n_done, &e);
    limit.rlim_cur = before;
    setrlimit(RLIMIT_FSIZE, &limit);
    if (st != OK && !is_advice(&e)) {
        fprintf(stderr, "limit %lu: %s: %s\n", (unsigned long)bytes, status_name(st), e.text);
        return 10;
    }
    const int code = check_afterwards("study.db", n_added, n_done);
    return code ? code : st == OK ? 0 : 1;
}

/* What SQLite tells of a write that the limit forbids has no number of the system's. */
static int limit_is_named(size_t bytes)
{
    store *s = NULL;
    error e = { 0 };
    const store_options o = { .mode = STORE_CREATE };
    const struct rlimit limit = { bytes, bytes };
    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 10;
    if (store_open("study.db", &o, &s, &e) != E_IO) return 11;
    fprintf(stderr, "%s\n", e.text);
    return strstr(e.text, "may become larger than 20480 bytes") && is_advice(&e) ? 0 : 12;
}

static void remove_store(void)
{
    unlink("study.db");
    unlink("study.db-wal");
    unlink("study.db-shm");
    unlink("study.db-journal");
}

static void test_store_disk__no_write_that_fails_breaks_anything(void **state)
{
    (void)state;
    rig r;
    int n_refused = 0, n_passed = 0;
    rig_enter(&r, &implementations[0]);
    /* A page at a time, so that each that is written is once the first that cannot be; what comes later is more of the same. */
    for (rlim_t bytes = 0; n_passed < 3 && bytes < 8 << 20;
         bytes += bytes < 1 << 20 ? 4096 : 32768) {
        const pid_t pid = fork();
        if (pid == 0) _exit(with_limit(bytes));
        int how = 0;
        assert_true(waitpid(pid, &how, 0) == pid && WIFEXITED(how));
        if (WEXITSTATUS(how) > 1) fail_msg("limit %lu: %d", (unsigned long)bytes, WEXITSTATUS(how));
        if (WEXITSTATUS(how)) {
            n_refused++;
        } else {
            n_passed++;
        }
        remove_store();
    }
    print_message("%d refused\n", n_refused);
    assert_int_equal(n_passed, 3);
    assert_true(n_refused > 100);
    rig_close(&r);
}

/* -- A disk that is full -- */

/* Fills the disk but for `left` bytes. */
static void fill(size_t left)
{
    static const char zeros[4096];
    const int fd = open("disk/filler", O_WRONLY | O_CREAT | O_APPEND, 0600);
    while (write(fd, zeros, sizeof zeros) > 0) {
    }
    struct stat info;
    if (fstat(fd, &info) != 0 || ftruncate(fd, info.st_size - (off_t)left) != 0) _exit(30);
    close(fd);
}

static int mount_disk(void)
{
    if (mkdir("disk", 0700) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "disk", "tmpfs", 0, "size=16m") != 0) {
        return 77;
    }
    return 0;
}

static int on_a_full_disk(size_t left)
{
    int n_added = 0, n_done = 0;
    error e = { 0 };
    if (mount_disk() != 0) return 77;
    fill(left);
    const status st = work("disk/study.db", &n_added, &n_done, &e);
    if (st != OK && !is_advice(&e)) {
        fprintf(stderr, "%zu left: %s: %s\n", left, status_name(st), e.text);
        return 10;
    }
    unlink("disk/filler");
    const int code = check_afterwards("disk/study.db", n_added, n_done);
    return code ? code : st == OK ? 0 : 1;
}

/* The disk fills up while a trial runs: it can still be ended, another can be handed back; a third is not begun. */
static int while_trials_run(size_t left)
{
    rig r = { .of = &(const implementation){ "sqlite", "disk/study.db" } };
    error e = { 0 };
    store_trial first, second, third;
    bool is_found = false;
    if (mount_disk() != 0) return 77;
    r.s = open_as(&r, "one", STORE_CREATE);
    const store_study_spec spec = usual_spec("digits");
    if (study_create(r.s, &spec, &r.study, &e) != OK) return 11;
    for (uint64_t i = 0; i < 100; i++)
        add(&r, i);
    first = must_claim(&r);
    second = must_claim(&r);
    fill(left);
    if (trial_claim(r.s, r.study, 60.0, &r.a, &third, &is_found, &e) != E_IO) return 12;
    if (!strstr(e.text, "left on its disk") || !is_advice(&e)) return 13;
    store_result result = done_with(0.5);
    char record[5000] = "\"";
    memset(record + 1, 'x', sizeof record - 3);
    record[sizeof record - 2] = '"';
    result.record = record;
    if (trial_finish(r.s, trial_hold(&first), &result, &e) != OK) {
        fprintf(stderr, "%s\n", e.text);
        return 14;
    }
    if (trial_release(r.s, trial_hold(&second), 20, "the disk is full", &e) != OK) return 15;
    store_close(r.s);
    unlink("disk/filler");
    r.s = open_as(&r, "one", STORE_WRITE);
    if (look(&r, 0).state != TRIAL_DONE || look(&r, 1).state != TRIAL_WAITING) return 16;
    assert_sound(r.s);
    store_close(r.s);
    arena_release(&r.a);
    return 0;
}

static int in_child(int (*act)(size_t), size_t left)
{
    const pid_t pid = fork();
    if (pid == 0) _exit(act(left));
    int how = 0;
    assert_true(waitpid(pid, &how, 0) == pid && WIFEXITED(how));
    rmdir("disk");
    return WEXITSTATUS(how);
}

static void test_store_disk__a_limit_on_files_is_told(void **state)
{
    (void)state;
    rig r;
    rig_enter(&r, &implementations[0]);
    assert_int_equal(in_child(limit_is_named, 20480), 0);
    remove_store();
    rig_close(&r);
}

static int in_folder_for_reading(size_t unused)
{
    store *s = NULL;
    error e = { 0 };
    const store_options o = { .mode = STORE_CREATE };
    (void)unused;
    if (mount_disk() != 0) return 77;
    if (mount("none", "disk", NULL, MS_REMOUNT | MS_RDONLY, NULL) != 0) return 77;
    if (store_open("disk/study.db", &o, &s, &e) != E_IO) return 11;
    if (!strstr(e.text, "disk/study.db: cannot be opened: its file system may only be read")) {
        fprintf(stderr, "%s\n", e.text);
        return 12;
    }
    return 0;
}

static void test_store_disk__one_for_reading_is_told(void **state)
{
    (void)state;
    rig r;
    rig_enter(&r, &implementations[0]);
    const int code = in_child(in_folder_for_reading, 0);
    rig_close(&r);
    if (code == 77) {
        print_message("skipped: a tmpfs cannot be mounted here\n");
        skip();
    }
    assert_int_equal(code, 0);
}

static void test_store_disk__a_full_one_is_told_and_resumed_from(void **state)
{
    (void)state;
    rig r;
    rig_enter(&r, &implementations[0]);
    int n_refused = 0, code = 0;
    for (size_t left = 0; left <= 6 << 20 && code != 77;
         left += left < 512 << 10 ? 8192 : 512 << 10) {
        code = in_child(on_a_full_disk, left);
        if (code > 1 && code != 77) fail_msg("%zu bytes left: %d", left, code);
        n_refused += code == 1;
    }
    if (code != 77) assert_true(n_refused > 50);
    rig_close(&r);
    if (code == 77) {
        print_message("skipped: a tmpfs cannot be mounted here\n");
        skip();
    }
}

static void test_store_disk__what_has_run_is_recorded_on_a_full_one(void **state)
{
    (void)state;
    rig r;
    rig_enter(&r, &implementations[0]);
    const int none_left = in_child(while_trials_run, 0);
    const int some_left = in_child(while_trials_run, 65536);
    rig_close(&r);
    if (none_left == 77) {
        print_message("skipped: a tmpfs cannot be mounted here\n");
        skip();
    }
    assert_int_equal(none_left, 0);
    assert_int_equal(some_left, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_disk__no_write_that_fails_breaks_anything),
        cmocka_unit_test(test_store_disk__a_limit_on_files_is_told),
        cmocka_unit_test(test_store_disk__one_for_reading_is_told),
        cmocka_unit_test(test_store_disk__a_full_one_is_told_and_resumed_from),
        cmocka_unit_test(test_store_disk__what_has_run_is_recorded_on_a_full_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
