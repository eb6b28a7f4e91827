/* The file of SQLite: what is refused and why, what an unclean end leads to, folders that may only be read, damage, versions. */
#include "store_rig.h"

#include "store/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static int enter(void **state)
{
    rig *r = calloc(1, sizeof *r);
    rig_open(r, &implementations[0]);
    *state = r;
    return 0;
}

static int leave(void **state)
{
    rig_close(*state);
    free(*state);
    return 0;
}

/* SQL behind the store's back. */
static void alter(const char *file, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sql, why);
    sqlite3_close(db);
}

static int64_t ask(const char *file, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return value;
}

static void close_own(rig *r)
{
    store_close(r->s);
    r->s = NULL;
}

static status open_it(const char *where, store_mode mode, error *err)
{
    store *s = NULL;
    const store_options o = { .mode = mode };
    const status st = store_open(where, &o, &s, err);
    store_close(s);
    return st;
}

static void test_store_file__says_of_itself_what_it_is(void **state)
{
    rig *r = *state;
    add(r, 1);
    close_own(r);
    assert_int_equal(ask("study.db", "PRAGMA application_id"), 0x61736179);
    assert_int_equal(ask("study.db", "PRAGMA user_version"), 3);
    assert_int_equal(access("study.db-wal", F_OK), -1); /* one file, when nobody has it open */
    assert_int_equal(ask("study.db", "SELECT count(*) FROM session"), 0);
}

static void test_store_file__other_files_are_refused(void **state)
{
    (void)state;
    error e;
    SAYS(E_MISSING, "there is no study store", open_it("none.db", STORE_WRITE, err));
    SAYS(E_MISSING, "there is no study store", open_it("none.db", STORE_READ, err));
    assert_int_equal(access("none.db", F_OK), -1);
    SAYS(E_IO, "no/such", open_it("no/such/folder.db", STORE_CREATE, err));
    assert_int_equal(mkdir("folder", 0700), 0);
    SAYS(E_UNSUPPORTED, "is no file", open_it("folder", STORE_CREATE, err));
    alter("foreign.db", "CREATE TABLE t(x)");
    SAYS(E_UNSUPPORTED, "no study store of assay's", open_it("foreign.db", STORE_CREATE, err));
    SAYS(E_UNSUPPORTED, "no study store of assay's", open_it("foreign.db", STORE_READ, err));
    FILE *file = fopen("text.db", "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    SAYS(E_CORRUPT, "not a database", open_it("text.db", STORE_CREATE, err));
    file = fopen("empty.db", "w");
    fclose(file);
    SAYS(E_UNSUPPORTED, "empty", open_it("empty.db", STORE_WRITE, err));
    SAYS(E_UNSUPPORTED, "empty", open_it("empty.db", STORE_READ, err));
    assert_int_equal(open_it("empty.db", STORE_CREATE, &e), OK);
    const store_options odd = { .mode = STORE_CREATE, .optuna = "9" };
    store *s = NULL;
    SAYS(E_RANGE, "3.1", store_open("x.db", &odd, &s, err));
    const store_options nameless = { .mode = STORE_CREATE, .owner = "" };
    SAYS(E_RANGE, "owner", store_open("x.db", &nameless, &s, err));
}

static void test_store_file__names_are_taken_as_they_are(void **state)
{
    (void)state;
    static const char *const names[] = { ":memory:", "file:x.db?mode=memory", "a%20b#c?d.db" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        OKAY(open_it(names[i], STORE_CREATE, err));
        assert_int_equal(access(names[i], F_OK), 0);
    }
}

static void test_store_file__a_later_version_is_refused_and_left_alone(void **state)
{
    rig *r = *state;
    close_own(r);
    alter("study.db", "PRAGMA user_version = 7");
    SAYS(E_UNSUPPORTED, "later assay (version 7", open_it("study.db", STORE_CREATE, err));
    SAYS(E_UNSUPPORTED, "later assay (version 7", open_it("study.db", STORE_READ, err));
    assert_int_equal(ask("study.db", "PRAGMA user_version"), 7);
    alter("study.db", "PRAGMA user_version = 3");
}

static void test_store_file__an_earlier_version_is_brought_up_to_date(void **state)
{
    rig *r = *state;
    add(r, 1);
    close_own(r);
    static const char *const views[] = { "optuna_name", "version_info", "alembic_version",
        "studies", "study_directions", "study_user_attributes", "study_system_attributes", "trials",
        "trial_params", "trial_values", "trial_intermediate_values", "trial_user_attributes",
        "trial_system_attributes", "trial_heartbeats" };
    for (size_t i = 0; i < sizeof views / sizeof views[0]; i++) {
        char sql[96];
        snprintf(sql, sizeof sql, "DROP VIEW %s", views[i]);
        alter("study.db", sql);
    }
    assert_int_equal(ask("study.db", "SELECT count(*) FROM sqlite_schema WHERE type = 'view'"), 0);
    alter("study.db", "ALTER TABLE study DROP COLUMN paused");
    alter("study.db", "PRAGMA user_version = 1");
    SAYS(E_UNSUPPORTED, "earlier assay (version 1", open_it("study.db", STORE_READ, err));
    r->s = open_as(r, "one", STORE_WRITE);
    assert_int_equal(look(r, 0).seed, 1);
    assert_int_equal(ask("study.db", "SELECT count(*) FROM trials"), 1);
    assert_int_equal(ask("study.db", "PRAGMA user_version"), 3);
}

static void test_store_file__a_store_from_before_studies_could_be_paused_learns_it(void **state)
{
    rig *r = *state;
    store_study y;
    add(r, 1);
    close_own(r);
    alter("study.db", "ALTER TABLE study DROP COLUMN paused");
    alter("study.db", "PRAGMA user_version = 2");
    SAYS(E_UNSUPPORTED, "earlier assay (version 2", open_it("study.db", STORE_READ, err));
    r->s = open_as(r, "one", STORE_WRITE);
    OKAY(study_find(r->s, "digits", &r->a, &y, err));
    assert_false(y.paused);
    assert_int_equal(must_claim(r).number, 0);
}

static void test_store_file__network_file_systems_are_refused(void **state)
{
    (void)state;
    static const struct {
        int64_t magic;
        const char *name;
    } table[] = { { 0x6969, "NFS" }, { 0xff534d42, "CIFS" }, { (int32_t)0xff534d42, "CIFS" },
        { 0x0bd00bd0, "Lustre" }, { 0x47504653, "GPFS" }, { 0x19830326, "BeeGFS" },
        { 0x65735546, "FUSE" }, { 0x01021997, "9P" } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        store *s = NULL;
        const store_options o = { .mode = STORE_CREATE, .pretend_file_system = table[i].magic };
        SAYS(E_UNSUPPORTED, table[i].name, store_open("far.db", &o, &s, err));
        SAYS(E_UNSUPPORTED, "PostgreSQL", store_open("far.db", &o, &s, err));
        assert_int_equal(access("far.db", F_OK), -1);
    }
    assert_null(network_file_system(0xef53)); /* ext4 */
    assert_null(network_file_system(0x01021994)); /* tmpfs */
    assert_null(network_file_system(0x9123683e)); /* btrfs */
}

/* A child opens the store, adds to it and dies. */
static void die_with_it_open(rig *r)
{
    close_own(r);
    const pid_t pid = fork();
    if (pid == 0) {
        const store_options o = { .mode = STORE_WRITE };
        error e;
        if (store_open("study.db", &o, &r->s, &e) != OK) _exit(1);
        add(r, 99);
        raise(SIGKILL);
    }
    int how = 0;
    assert_true(waitpid(pid, &how, 0) == pid && WIFSIGNALED(how));
}

static void test_store_file__after_an_unclean_end_everything_is_there(void **state)
{
    rig *r = *state;
    die_with_it_open(r);
    assert_int_equal(ask("study.db", "SELECT count(*) FROM session"), 1);
    r->s = open_as(r, "one", STORE_WRITE);
    assert_int_equal(look(r, 0).seed, 99);
    assert_int_equal(ask("study.db", "SELECT count(*) FROM session"), 1); /* ours alone */
}

/* Damage that reading a page would not notice: a trial that an index has not. */
static void test_store_file__after_an_unclean_end_the_file_is_looked_through(void **state)
{
    rig *r = *state;
    for (uint64_t i = 0; i < 20; i++)
        add(r, i);
    die_with_it_open(r);
    alter("study.db",
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'WHERE state = "
        "0', 'WHERE state = 3') WHERE name = 'trial_queue'");
    SAYS(E_CORRUPT, ".recover", open_it("study.db", STORE_WRITE, err));
    SAYS(E_CORRUPT, "trial_queue", open_it("study.db", STORE_WRITE, err)); /* and again */
    OKAY(open_it("study.db", STORE_READ, err)); /* what can be read may be read */
    alter("study.db",
        "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'WHERE state = "
        "3', 'WHERE state = 0') WHERE name = 'trial_queue'");
    OKAY(open_it("study.db", STORE_WRITE, err));
}

/* Two kinds of text that a buffer or a C string cannot hold whole: asking for the next one would never come to an end. */
static void test_store_file__owners_that_nobody_wrote_are_told(void **state)
{
    static const char *const odd[] = {
        "UPDATE attempt SET owner = hex(zeroblob(400))",
        "UPDATE attempt SET owner = 'two' || char(0) || 'three'",
    };
    rig *r = *state;
    uint64_t n_lost = 0;
    add(r, 0);
    must_claim(r);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        alter("study.db", odd[i]);
        SAYS(E_CORRUPT, "owner", store_recover(r->s, 0, NULL, NULL, &n_lost, err));
    }
    alter("study.db", "UPDATE attempt SET owner = 'one'");
    OKAY(store_recover(r->s, 0, NULL, NULL, &n_lost, err));
}

static void test_store_file__damaged_pages_are_told_and_do_not_crash(void **state)
{
    rig *r = *state;
    for (uint64_t i = 0; i < 60; i++)
        add(r, i);
    close_own(r);
    struct stat info;
    assert_int_equal(stat("study.db", &info), 0);
    int n_told = 0;
    for (off_t at = 4096; at < info.st_size; at += 4096) {
        char old[512], bad[512];
        memset(bad, 0xa5, sizeof bad);
        const int fd = open("study.db", O_RDWR);
        assert_int_equal(pread(fd, old, sizeof old, at), sizeof old);
        assert_int_equal(pwrite(fd, bad, sizeof bad, at), sizeof bad);
        store *s = NULL;
        error e = { 0 };
        const store_options o = { .mode = STORE_READ };
        status st = store_open("study.db", &o, &s, &e);
        if (st == OK) {
            text findings = { 0 };
            bool is_sound = true;
            OKAY(store_check(s, &findings, &is_sound, err));
            assert_true(is_sound == (findings.n == 0));
            if (!is_sound) n_told++;
            text_release(&findings);
        } else {
            assert_int_equal(st, E_CORRUPT);
            n_told++;
        }
        store_close(s);
        assert_int_equal(pwrite(fd, old, sizeof old, at), sizeof old);
        close(fd);
    }
    assert_true(n_told >= (int)(info.st_size / 4096) / 2);
}

/* Each rule of store_check finds what breaks it. */
static void test_store_file__a_store_that_contradicts_itself_is_found_out(void **state)
{
    rig *r = *state;
    static const struct {
        const char *sql, *words;
    } table[] = {
        { "UPDATE attempt SET class = 3 WHERE class = -1", "running, but its attempt" },
        { "UPDATE trial SET state = 0, lease = NULL WHERE state = 1", "but the trial is not" },
        { "UPDATE trial SET epoch = 5 WHERE number = 0", "counts 5 attempts" },
        { "UPDATE trial SET n_lost = 1 WHERE number = 0", "counts 1 lost" },
        { "UPDATE trial SET lease = NULL WHERE state = 1", "without a lease" },
        { "UPDATE trial SET lease = 1 WHERE number = 0", "has a lease" },
        { "UPDATE trial SET asked_after = 9 WHERE number = 0", "was proposed, but" },
        { "UPDATE trial SET value = 7 WHERE number = 0", "has ended, but" },
        { "UPDATE trial SET state = 0 WHERE number = 0", "has ended by the log" },
        { "UPDATE trial SET value = NULL WHERE number = 0", "no finite value" },
        { "UPDATE search SET n_events = 77", "counts 77 events" },
        { "UPDATE search SET n_trials = 77", "counts 77 trials" },
        { "UPDATE study SET n_trials = 77", "study digits counts 77 trials" },
        { "DELETE FROM search", "not there" },
    };
    add(r, 1);
    add(r, 2);
    const store_trial t = must_claim(r);
    const store_result result = done_with(0.5);
    OKAY(trial_finish(r->s, trial_hold(&t), &result, err));
    must_claim(r);
    close_own(r);
    assert_int_equal(system("cp study.db whole.db"), 0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        alter("study.db", table[i].sql);
        text findings = { 0 };
        bool is_sound = true;
        r->s = open_as(r, "one", STORE_READ);
        OKAY(store_check(r->s, &findings, &is_sound, err));
        assert_false(is_sound);
        if (!strstr(findings.s, table[i].words)) fail_msg("%s: %s", table[i].sql, findings.s);
        text_release(&findings);
        close_own(r);
        assert_int_equal(system("cp whole.db study.db"), 0);
    }
    r->s = open_as(r, "one", STORE_WRITE);
}

static void test_store_file__events_cannot_be_changed(void **state)
{
    rig *r = *state;
    add(r, 1);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open("study.db", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM event", NULL, NULL, NULL), SQLITE_CONSTRAINT);
    assert_int_equal(
        sqlite3_exec(db, "UPDATE event SET value = 1", NULL, NULL, NULL), SQLITE_CONSTRAINT);
    sqlite3_close(db);
}

static void test_store_file__who_waits_too_long_is_told(void **state)
{
    rig *r = *state;
    sqlite3 *db = NULL;
    const store_options impatient = { .mode = STORE_WRITE, .busy_s = 0.05 };
    store *s = NULL;
    assert_int_equal(sqlite3_open("study.db", &db), SQLITE_OK);
    OKAY(store_open("study.db", &impatient, &s, err));
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    SAYS(E_IO, "another process has held it for 0.05 s", study_close(s, r->study, err));
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    OKAY(study_close(s, r->study, err));
    store_close(s);
    sqlite3_close(db);
}

/* As an ordinary user, since root may write everywhere. */
static int as_nobody(void (*act)(void))
{
    const pid_t pid = fork();
    if (pid == 0) {
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(99);
        act();
        _exit(0);
    }
    int how = 0;
    if (waitpid(pid, &how, 0) != pid || !WIFEXITED(how)) return -1;
    return WEXITSTATUS(how);
}

static void expect_or_exit(int code, status want, const char *words, store_mode mode)
{
    error e = { 0 };
    const status st = open_it("study.db", mode, &e);
    if (st == want && (st == OK || strstr(e.text, words))) return;
    fprintf(stderr, "%d: %s: %s\n", code, status_name(st), e.text);
    _exit(code);
}

static void read_only_and_closed(void)
{
    expect_or_exit(1, E_IO, "may only be read", STORE_WRITE);
    expect_or_exit(2, E_IO, "may only be read", STORE_CREATE);
    expect_or_exit(3, OK, "", STORE_READ);
    store *s = NULL;
    error e = { 0 };
    const store_options o = { .mode = STORE_READ };
    if (store_open("study.db", &o, &s, &e) != OK) _exit(4);
    text findings = { 0 };
    bool is_sound = false;
    if (store_check(s, &findings, &is_sound, &e) != OK || !is_sound) _exit(5);
    if (store_export_optuna(s, 0, "/proc/out.db", "3.1", &e) != E_IO) _exit(6);
    text_release(&findings);
    store_close(s);
}

static void read_only_and_killed(void)
{
    expect_or_exit(1, E_IO, "copy it with its -wal file", STORE_READ);
}

static void test_store_file__in_a_folder_that_may_only_be_read_it_is_read(void **state)
{
    rig *r = *state;
    add(r, 1);
    close_own(r);
    assert_int_equal(chmod("study.db", 0444), 0);
    assert_int_equal(chmod(".", 0555), 0);
    const int closed = as_nobody(read_only_and_closed);
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(chmod("study.db", 0644), 0);
    assert_int_equal(closed, 0);

    die_with_it_open(r);
    assert_int_equal(access("study.db-wal", F_OK), 0);
    unlink("study.db-shm");
    assert_int_equal(chmod(".", 0555), 0);
    const int killed = as_nobody(read_only_and_killed);
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(killed, 0);
    r->s = open_as(r, "one", STORE_WRITE);
    assert_int_equal(look(r, 1).seed, 99);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
    const struct CMUnitTest tests[] = {
        TEST(test_store_file__says_of_itself_what_it_is),
        TEST(test_store_file__other_files_are_refused),
        TEST(test_store_file__names_are_taken_as_they_are),
        TEST(test_store_file__a_later_version_is_refused_and_left_alone),
        TEST(test_store_file__an_earlier_version_is_brought_up_to_date),
        TEST(test_store_file__a_store_from_before_studies_could_be_paused_learns_it),
        TEST(test_store_file__network_file_systems_are_refused),
        TEST(test_store_file__after_an_unclean_end_everything_is_there),
        TEST(test_store_file__after_an_unclean_end_the_file_is_looked_through),
        TEST(test_store_file__owners_that_nobody_wrote_are_told),
        TEST(test_store_file__damaged_pages_are_told_and_do_not_crash),
        TEST(test_store_file__a_store_that_contradicts_itself_is_found_out),
        TEST(test_store_file__events_cannot_be_changed),
        TEST(test_store_file__who_waits_too_long_is_told),
        TEST(test_store_file__in_a_folder_that_may_only_be_read_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
