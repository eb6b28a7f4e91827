/* Every allocation fails once, SQLite's and ours: what is reported is that memory is out, nothing leaks, and the store is whole.
 *
 * Ours go through the linker's --wrap (test_store_out_of_memory.link), SQLite's through the methods that it is configured with.
 * Where SQLite can do without the memory it goes on, so a call may also succeed. */
#include "store_rig.h"
#include "support/counted_allocator.h"

#include <sqlite3.h>

/* -- SQLite's: the size before the block, as it wants to be told -- */

static void *sql_malloc(int bytes)
{
    int64_t *memory = __wrap_malloc((size_t)bytes + 16);
    if (!memory) return NULL;
    memory[0] = bytes;
    return memory + 2;
}

static void sql_free(void *memory)
{
    __wrap_free((int64_t *)memory - 2);
}

static void *sql_realloc(void *old, int bytes)
{
    int64_t *memory = __wrap_realloc((int64_t *)old - 2, (size_t)bytes + 16);
    if (!memory) return NULL;
    memory[0] = bytes;
    return memory + 2;
}

static int sql_size(void *memory)
{
    return memory ? (int)((int64_t *)memory)[-2] : 0;
}

static int sql_round_up(int bytes)
{
    return (bytes + 7) & ~7;
}

static int sql_begin(void *self)
{
    (void)self;
    return SQLITE_OK;
}

static void sql_end(void *self)
{
    (void)self;
}

/* -- */

static char folder[64];

/* Everything once. */
static status work(error *err)
{
    status st = OK;
    store *s = NULL;
    store_cursor *c = NULL;
    arena a = { 0 };
    text findings = { 0 };
    uint64_t study = 0, n_lost = 0, n[N_TRIAL_STATES];
    bool is_new, is_found, is_row, is_sound;
    store_trial t = { 0 };
    store_study y;
    store_event e;
    store_attempt attempt;
    store_trial_point point;
    const store_options o = { .mode = STORE_CREATE, .owner = "one", .optuna = "3.2" };
    const store_study_spec spec = usual_spec("digits");
    const store_search plain = { STORE_TUNE, "", "", 0 };
    const store_news news = { 1.0, 0.5, 0.25 };
    const store_point p = { 1, "validation.loss", 0.5 };
    const store_result done = done_with(0.5);
    TRY(store_open("study.db", &o, &s, err));
    TRY(study_create(s, &spec, &study, err));
    TRY(study_find(s, "digits", &a, &y, err));
    for (uint64_t i = 0; i < 2; i++) {
        const store_trial_spec ts = usual_trial(i, "{\"cell\": \"gru\", \"units\": 4}");
        TRY(trial_add(s, study, &ts, &t, &a, &is_new, err));
    }
    TRY(trial_claim(s, study, 60.0, &a, &t, &is_found, err));
    TRY(trial_release(s, trial_hold(&t), ATTEMPT_LOST, "why", err));
    TRY(trial_claim(s, study, 60.0, &a, &t, &is_found, err));
    TRY(trial_report(s, trial_hold(&t), &p, 1, &news, err));
    TRY(trial_renew(s, trial_hold(&t), 60.0, err));
    TRY(trial_finish(s, trial_hold(&t), &done, err));
    TRY(store_recover(s, study, NULL, NULL, &n_lost, err));
    TRY(trial_find(s, study, 1, &a, &t, err));
    TRY(trial_count(s, study, n, err));
    TRY(studies_open(s, &c, err));
    TRY(studies_next(c, &y, &is_row, err));
    store_cursor_close(c), c = NULL;
    TRY(store_trials_open(s, study, &plain, &c, err));
    TRY(store_trials_next(c, &t, &is_row, err));
    store_cursor_close(c), c = NULL;
    TRY(attempts_open(s, 1, &c, err));
    TRY(attempts_next(c, &attempt, &is_row, err));
    store_cursor_close(c), c = NULL;
    TRY(store_points_open(s, 1, "validation.loss", &c, err));
    TRY(store_points_next(c, &point, &is_row, err));
    store_cursor_close(c), c = NULL;
    TRY(store_events_open(s, study, &plain, 0, &c, err));
    TRY(store_events_next(c, &e, &is_row, err));
    store_cursor_close(c), c = NULL;
    TRY(store_check(s, &findings, &is_sound, err));
    TRY(store_export_optuna(s, 0, "optuna.db", "3.2", err));
    TRY(study_pause(s, study, err));
    TRY(study_reopen(s, study, err));
    TRY(study_close(s, study, err));
done:
    store_cursor_close(c);
    store_close(s);
    text_release(&findings);
    arena_release(&a);
    return st;
}

static void remove_all(void)
{
    static const char *const names[] = { "study.db", "study.db-wal", "study.db-shm",
        "study.db-journal", "optuna.db" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unlink(names[i]);
}

static void check_what_is_left(long at)
{
    if (access("study.db", F_OK) != 0) return;
    store *s = NULL;
    error e = { 0 };
    text findings = { 0 };
    bool is_sound = false;
    const store_options o = { .mode = STORE_CREATE };
    if (store_open("study.db", &o, &s, &e) != OK) fail_msg("allocation %ld: %s", at, e.text);
    OKAY(store_check(s, &findings, &is_sound, err));
    if (!is_sound) fail_msg("allocation %ld: %s", at, findings.s);
    text_release(&findings);
    store_close(s);
    assert_int_not_equal(system("ls *.tmp.* > found 2> /dev/null"), 0);
}

static void test_store__every_allocation_may_fail_once(void **state)
{
    (void)state;
    error e = { 0 };
    n_calls = 0;
    if (work(&e) != OK) fail_msg("%s", e.text);
    const long n_all = n_calls;
    remove_all();
    /* As many as some seconds permit, evenly spread; ASSAY_TEST_EXHAUSTIVE=1: each. */
    const long each = getenv("ASSAY_TEST_EXHAUSTIVE") ? 1 : n_all / 1500 + 1;
    long n_refused = 0;
    for (long at = 0; at < n_all; at += each) {
        const long before = n_blocks;
        n_calls = 0;
        fails_at = at;
        const status st = work(&e);
        fails_at = -1;
        if (st != OK && st != E_NOMEM)
            fail_msg("allocation %ld: %s: %s", at, status_name(st), e.text);
        if (n_blocks != before) fail_msg("allocation %ld: %ld blocks leak", at, n_blocks - before);
        n_refused += st == E_NOMEM;
        if (at % (each * 10) == 0) check_what_is_left(at);
        remove_all();
    }
    print_message("%ld allocations, every %ldth failed, %ld refused\n", n_all, each, n_refused);
    assert_true(n_all > 500 && n_refused > n_all / each / 4);
}

int main(void)
{
    static const sqlite3_mem_methods methods = { sql_malloc, sql_free, sql_realloc, sql_size,
        sql_round_up, sql_begin, sql_end, NULL };
    const struct CMUnitTest tests[] = { cmocka_unit_test(
        test_store__every_allocation_may_fail_once) };
    /* No pools of SQLite's own: each piece of memory is asked for. */
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK ||
        sqlite3_initialize() != SQLITE_OK) {
        return 1;
    }
    strcpy(folder, "/tmp/assay-test-store-XXXXXX");
    if (!mkdtemp(folder) || chdir(folder) != 0) return 1;
    const int n_failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return chdir("/") == 0 && system(command) == 0 ? n_failed : 1;
}
