/* A store in a file of SQLite: the connection, its statements, its transactions. */
#ifndef ASSAY_CORE_STORE_SQLITE_H
#define ASSAY_CORE_STORE_SQLITE_H

#include "store/internal.h"

#include <sqlite3.h>

enum {
    STORE_APPLICATION = 0x61736179, /* "asay", in the file's header */
    STORE_SCHEMA = 3, /* version of the tables, in the file's header */
    MOST_STATEMENTS = 64,
};

typedef struct sqlite_store {
    store base; /* first */
    sqlite3 *db;
    /* Prepared once, found by the address of their text. */
    struct {
        const char *sql;
        sqlite3_stmt *statement;
    } prepared[MOST_STATEMENTS];
    size_t n_prepared;
    double busy_s, waiting_since;
    bool may_write, is_unchanging; /* unchanging: no log, in a folder that may only be read */
    int64_t session; /* row of this writer; 0: none */
} sqlite_store;

static inline sqlite_store *sqlite_of(store *s)
{
    return (sqlite_store *)(void *)s;
}

/* -- Statements -- */

/* The system's or SQLite's reason for `what`, with what to do. */
status sql_fail(sqlite_store *s, const char *what, error *err);

/* A statement with its arguments bound. `types` has a letter for each: i int64_t, u uint64_t (the same bits), d double (NaN is
 * NULL), t const char * (must live as long as the statement runs), n none (NULL, takes no argument). `sql` is static text. */
status sql_query(sqlite_store *s, sqlite3_stmt **out, error *err, const char *sql,
    const char *types, ...) MUST_CHECK;

/* Whether there is another row; at the end the statement is idle. */
status sql_step(sqlite_store *s, sqlite3_stmt *q, bool *out_is_row, error *err) MUST_CHECK;

/* A statement that gives no rows, or of which only the first row's first column is wanted (out may be NULL; it is 0 and
 * *out_is_row false where there is none; out_is_row may be NULL). */
status sql_run(sqlite_store *s, error *err, const char *sql, const char *types, ...) MUST_CHECK;
status sql_int(sqlite_store *s, int64_t *out, bool *out_is_row, error *err, const char *sql,
    const char *types, ...) MUST_CHECK;

/* Several statements, none kept. */
status sql_script(sqlite_store *s, const char *sql, error *err) MUST_CHECK;

/* Columns of a row. Texts are borrowed, or NULL where memory is out. */
static inline uint64_t column_u64(sqlite3_stmt *q, int i)
{
    return (uint64_t)sqlite3_column_int64(q, i);
}

double column_real(sqlite3_stmt *q, int i); /* NULL is NaN */
status column_text(sqlite3_stmt *q, int i, const char **out, error *err) MUST_CHECK;

/* -- Transactions --
 *
 *     TRY(write_begin(s, false, err));  ...  done: return write_end(s, st, err); */

/* Takes the right to write at once, so that nothing that is read in between can change. Refused where the disk has hardly any
 * room left, unless what is to be written is essential. */
status write_begin(sqlite_store *s, bool is_essential, error *err) MUST_CHECK;
/* All of it, where st is OK, or nothing. */
status write_end(sqlite_store *s, status st, error *err) MUST_CHECK;

double store_now(void);

/* -- The file -- */

status sqlite_open(
    const char *where, const store_options *o, const char *owner, store **out, error *err);
void sqlite_close(store *s);
/* "file:PATH?OPTIONS" of an absolute path. */
void sqlite_uri(const char *path, const char *options, text *out);

/* Brings the tables to STORE_SCHEMA; inside a transaction. */
status schema_bring_up(sqlite_store *s, error *err) MUST_CHECK;
/* Optuna's tables, empty, for a file of its own. */
extern const char optuna_tables[];
extern const char optuna_index_3_2[];

/* SQLite's own looks at the file: integrity and references. */
status check_file(sqlite_store *s, text *findings, error *err) MUST_CHECK;

/* -- What store.h asks for -- */

status sqlite_study_create(store *s, const store_study_spec *spec, const char *hash,
    const char *const *distributions, uint64_t *out, error *err);
status sqlite_study_find(store *s, const char *name, arena *a, store_study *out, error *err);
status sqlite_study_close(store *s, uint64_t study, error *err);
status sqlite_study_pause(store *s, uint64_t study, bool is_paused, error *err);

status sqlite_trial_add(store *s, uint64_t study, const store_trial_spec *spec,
    const char *identity, store_trial *out, arena *a, bool *out_is_new, error *err);
status sqlite_trial_find(
    store *s, uint64_t study, uint64_t number, arena *a, store_trial *out, error *err);
status sqlite_trial_claim(store *s, uint64_t study, double lease_s, arena *a, store_trial *out,
    bool *out_is_found, error *err);
status sqlite_trial_renew(store *s, store_hold held, double lease_s, error *err);
status sqlite_trial_report(store *s, store_hold held, const store_point *points, size_t n_points,
    const store_news *news, error *err);
status sqlite_trial_finish(store *s, store_hold held, const store_result *r, error *err);
status sqlite_trial_release(
    store *s, store_hold held, int attempt_class, const char *reason, error *err);
status sqlite_recover(store *s, uint64_t study, bool (*is_dead)(const char *owner, void *self),
    void *self, uint64_t *out_n_lost, error *err);
status sqlite_trial_count(store *s, uint64_t study, uint64_t out[N_TRIAL_STATES], error *err);

void sqlite_cursor_close(store_cursor *c);
status sqlite_studies_open(store *s, store_cursor **out, error *err);
status sqlite_studies_next(store_cursor *c, store_study *out, bool *out_is_row, error *err);
status sqlite_trials_open(
    store *s, uint64_t study, const store_search *search, store_cursor **out, error *err);
status sqlite_trials_next(store_cursor *c, store_trial *out, bool *out_is_row, error *err);
status sqlite_attempts_open(store *s, uint64_t trial, store_cursor **out, error *err);
status sqlite_attempts_next(store_cursor *c, store_attempt *out, bool *out_is_row, error *err);
status sqlite_points_open(
    store *s, uint64_t trial, const char *metric, store_cursor **out, error *err);
status sqlite_points_next(store_cursor *c, store_trial_point *out, bool *out_is_row, error *err);
status sqlite_events_open(store *s, uint64_t study, const store_search *search, uint64_t after,
    store_cursor **out, error *err);
status sqlite_events_next(store_cursor *c, store_event *out, bool *out_is_row, error *err);

status sqlite_check(store *s, text *findings, bool *out_is_sound, error *err);
status sqlite_export_optuna(
    store *s, uint64_t study, const char *path, const char *revision, error *err);

/* -- Rows -- */

/* The columns of a store_study and a store_trial, as these two read them. `keep` may be NULL: texts are borrowed then. */
#define STUDY_COLUMNS \
    "id, name, declaration, declaration_hash, metric, direction, seed, max_lost, created, " \
    "closed, " \
    "paused"
#define TRIAL_COLUMNS \
    "t.id, t.study, t.number, t.identity, s.phase, s.contender, s.workload, s.repeat, t.seed, " \
    "t.proposal, t.asked_after, t.from_trial, t.replicate, t.params, t.fidelity, t.priority, " \
    "t.state, t.epoch, t.n_lost, t.owner, t.lease, t.value, t.standard_error, t.reached, " \
    "t.added, t.started, t.finished, t.record FROM trial t JOIN search s ON s.id = t.search "
status row_study(sqlite3_stmt *q, arena *keep, store_study *out, error *err) MUST_CHECK;
status row_trial(sqlite3_stmt *q, arena *keep, store_trial *out, error *err) MUST_CHECK;

#endif
