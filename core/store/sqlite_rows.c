/* From rows to structs; and the cursors, each a statement of its own. */
#include "store/sqlite.h"

#include <stdlib.h>
#include <string.h>

/* -- Rows -- */

/* The text of a column, in the arena where there is one. */
static status keep_text(sqlite3_stmt *q, int i, arena *keep, const char **out, error *err)
{
    const status st = column_text(q, i, out, err);
    if (st != OK || !keep) return st;
    *out = arena_strdup(keep, *out);
    return *out ? OK : fail_nomem(err, "a row");
}

static status copy_hash(sqlite3_stmt *q, int i, char out[33], error *err)
{
    const char *s = NULL;
    const status st = column_text(q, i, &s, err);
    if (st != OK) return st;
    if (strlen(s) != 32) return fail(err, E_CORRUPT, "a hash has not 32 digits: %.40s", s);
    memcpy(out, s, 33);
    return OK;
}

status row_study(sqlite3_stmt *q, arena *keep, store_study *out, error *err)
{
    store_study y = { .id = column_u64(q, 0),
        .direction = sqlite3_column_int(q, 5) ? STORE_MAXIMIZE : STORE_MINIMIZE,
        .seed = column_u64(q, 6),
        .max_lost = column_u64(q, 7),
        .created = column_real(q, 8),
        .closed = column_real(q, 9),
        .paused = sqlite3_column_type(q, 10) != SQLITE_NULL };
    status st = keep_text(q, 1, keep, &y.name, err);
    if (st == OK) st = keep_text(q, 2, keep, &y.declaration, err);
    if (st == OK) st = copy_hash(q, 3, y.declaration_hash, err);
    if (st == OK) st = keep_text(q, 4, keep, &y.metric, err);
    if (st == OK) *out = y;
    return st;
}

status row_trial(sqlite3_stmt *q, arena *keep, store_trial *out, error *err)
{
    store_trial t = { .id = column_u64(q, 0),
        .study = column_u64(q, 1),
        .number = column_u64(q, 2),
        .search = { .phase = sqlite3_column_int(q, 4) ? STORE_EVALUATE : STORE_TUNE,
            .repeat = column_u64(q, 7) },
        .seed = column_u64(q, 8),
        .proposal = column_u64(q, 9),
        .asked_after = column_u64(q, 10),
        .from_trial = column_u64(q, 11),
        .replicate = column_u64(q, 12),
        .fidelity = column_real(q, 14),
        .priority = sqlite3_column_int64(q, 15),
        .state = (trial_state)sqlite3_column_int(q, 16),
        .epoch = column_u64(q, 17),
        .n_lost = column_u64(q, 18),
        .lease = column_real(q, 20),
        .value = column_real(q, 21),
        .standard_error = column_real(q, 22),
        .reached = column_real(q, 23),
        .added = column_real(q, 24),
        .started = column_real(q, 25),
        .finished = column_real(q, 26) };
    status st = copy_hash(q, 3, t.identity, err);
    if (st == OK) st = keep_text(q, 5, keep, &t.search.contender, err);
    if (st == OK) st = keep_text(q, 6, keep, &t.search.workload, err);
    if (st == OK) st = keep_text(q, 13, keep, &t.params, err);
    if (st == OK) st = keep_text(q, 19, keep, &t.owner, err);
    if (st == OK) st = keep_text(q, 27, keep, &t.record, err);
    if (st == OK && !trial_state_name(t.state)) {
        st = fail(err, E_CORRUPT, "trial %llu is in no state that there is (%d)",
            (unsigned long long)t.number, (int)t.state);
    }
    if (st == OK) *out = t;
    return st;
}

/* -- Cursors -- */

typedef struct sqlite_cursor {
    store_cursor base; /* first */
    sqlite3_stmt *q;
} sqlite_cursor;

void sqlite_cursor_close(store_cursor *base)
{
    sqlite_cursor *c = (sqlite_cursor *)(void *)base;
    sqlite3_finalize(c->q);
    free(c);
}

static status cursor_new(
    store *base, const char *sql, sqlite_cursor **out, store_cursor **out_base, error *err)
{
    sqlite_store *s = sqlite_of(base);
    sqlite_cursor *c = calloc(1, sizeof *c);
    if (!c) return fail_nomem(err, base->where);
    c->base.s = base;
    if (sqlite3_prepare_v2(s->db, sql, -1, &c->q, NULL) != SQLITE_OK) {
        free(c);
        return sql_fail(s, "cannot read", err);
    }
    *out = c;
    *out_base = &c->base;
    return OK;
}

/* Binds texts by copy, since the cursor outlives the call. */
static status bind_texts(
    sqlite_cursor *c, int i, const char *a, int j, const char *b, store_cursor **out, error *err)
{
    int code = SQLITE_OK;
    if (a) code = sqlite3_bind_text(c->q, i, a, -1, SQLITE_TRANSIENT);
    if (code == SQLITE_OK && b) code = sqlite3_bind_text(c->q, j, b, -1, SQLITE_TRANSIENT);
    if (code == SQLITE_OK) return OK;
    const status st = sql_fail(sqlite_of(c->base.s), "cannot read", err);
    sqlite_cursor_close(&c->base);
    *out = NULL;
    return st;
}

static status next(store_cursor *base, sqlite3_stmt **out, bool *out_is_row, error *err)
{
    sqlite_cursor *c = (sqlite_cursor *)(void *)base;
    *out = c->q;
    return sql_step(sqlite_of(base->s), c->q, out_is_row, err);
}

status sqlite_studies_open(store *s, store_cursor **out, error *err)
{
    sqlite_cursor *c = NULL;
    return cursor_new(s, "SELECT " STUDY_COLUMNS " FROM study ORDER BY id", &c, out, err);
}

status sqlite_studies_next(store_cursor *c, store_study *out, bool *out_is_row, error *err)
{
    sqlite3_stmt *q = NULL;
    const status st = next(c, &q, out_is_row, err);
    return st == OK && *out_is_row ? row_study(q, NULL, out, err) : st;
}

/* The search's id from the bound phase, names and repeat; parameter 1 is the study. */
#define SEARCH_ID \
    "(SELECT id FROM search WHERE study = ?1 AND phase = ?2 AND contender = ?3 AND " \
    "workload = ?4 AND repeat = ?5)"

static status bind_search(
    sqlite_cursor *c, uint64_t study, const store_search *search, store_cursor **out, error *err)
{
    sqlite3_bind_int64(c->q, 1, (int64_t)study);
    if (!search) return OK;
    sqlite3_bind_int64(c->q, 2, (int64_t)search->phase);
    sqlite3_bind_int64(c->q, 5, (int64_t)search->repeat);
    return bind_texts(c, 3, search->contender, 4, search->workload, out, err);
}

status sqlite_trials_open(
    store *s, uint64_t study, const store_search *search, store_cursor **out, error *err)
{
    static const char of_all[] = "SELECT " TRIAL_COLUMNS "WHERE t.study = ?1 ORDER BY t.number";
    static const char of_one[] =
        "SELECT " TRIAL_COLUMNS "WHERE t.search = " SEARCH_ID " ORDER BY t.number";
    sqlite_cursor *c = NULL;
    const status st = cursor_new(s, search ? of_one : of_all, &c, out, err);
    return st == OK ? bind_search(c, study, search, out, err) : st;
}

status sqlite_trials_next(store_cursor *c, store_trial *out, bool *out_is_row, error *err)
{
    sqlite3_stmt *q = NULL;
    const status st = next(c, &q, out_is_row, err);
    return st == OK && *out_is_row ? row_trial(q, NULL, out, err) : st;
}

status sqlite_attempts_open(store *s, uint64_t trial, store_cursor **out, error *err)
{
    sqlite_cursor *c = NULL;
    const status st = cursor_new(s,
        "SELECT trial, epoch, owner, class, reason, started, ended FROM attempt WHERE trial = ?1 "
        "ORDER BY epoch",
        &c, out, err);
    if (st == OK) sqlite3_bind_int64(c->q, 1, (int64_t)trial);
    return st;
}

status sqlite_attempts_next(store_cursor *c, store_attempt *out, bool *out_is_row, error *err)
{
    sqlite3_stmt *q = NULL;
    status st = next(c, &q, out_is_row, err);
    if (st != OK || !*out_is_row) return st;
    store_attempt a = { .trial = column_u64(q, 0),
        .epoch = column_u64(q, 1),
        .class = sqlite3_column_int(q, 3),
        .started = column_real(q, 5),
        .ended = column_real(q, 6) };
    st = column_text(q, 2, &a.owner, err);
    if (st == OK) st = column_text(q, 4, &a.reason, err);
    if (st == OK) *out = a;
    return st;
}

status sqlite_points_open(
    store *s, uint64_t trial, const char *metric, store_cursor **out, error *err)
{
    sqlite_cursor *c = NULL;
    status st = cursor_new(s,
        "SELECT epoch, step, metric, value FROM point WHERE trial = ?1 AND (?2 IS NULL OR metric = "
        "?2) ORDER BY epoch, step, metric",
        &c, out, err);
    if (st != OK) return st;
    sqlite3_bind_int64(c->q, 1, (int64_t)trial);
    return bind_texts(c, 2, metric, 0, NULL, out, err);
}

status sqlite_points_next(store_cursor *c, store_trial_point *out, bool *out_is_row, error *err)
{
    sqlite3_stmt *q = NULL;
    status st = next(c, &q, out_is_row, err);
    if (st != OK || !*out_is_row) return st;
    store_trial_point p = { .epoch = column_u64(q, 0),
        .point = { .step = column_u64(q, 1), .value = column_real(q, 3) } };
    st = column_text(q, 2, &p.point.metric, err);
    if (st == OK) *out = p;
    return st;
}

status sqlite_events_open(store *s, uint64_t study, const store_search *search, uint64_t after,
    store_cursor **out, error *err)
{
    static const char sql[] =
        "SELECT e.seq, e.kind, e.state, e.trial, t.number, t.proposal, t.asked_after, "
        "t.from_trial, t.replicate, t.seed, t.params, e.value, e.standard_error, e.fidelity, "
        "e.time FROM event e JOIN trial t ON t.id = e.trial WHERE e.search = " SEARCH_ID
        " AND e.seq > ?6 ORDER BY e.seq";
    sqlite_cursor *c = NULL;
    const status st = cursor_new(s, sql, &c, out, err);
    if (st != OK) return st;
    sqlite3_bind_int64(c->q, 6, (int64_t)after);
    return bind_search(c, study, search, out, err);
}

status sqlite_events_next(store_cursor *c, store_event *out, bool *out_is_row, error *err)
{
    sqlite3_stmt *q = NULL;
    status st = next(c, &q, out_is_row, err);
    if (st != OK || !*out_is_row) return st;
    store_event e = { .seq = column_u64(q, 0),
        .kind = (event_kind)sqlite3_column_int(q, 1),
        .state = (trial_state)sqlite3_column_int(q, 2),
        .trial = column_u64(q, 3),
        .number = column_u64(q, 4),
        .proposal = column_u64(q, 5),
        .asked_after = column_u64(q, 6),
        .from_trial = column_u64(q, 7),
        .replicate = column_u64(q, 8),
        .seed = column_u64(q, 9),
        .value = column_real(q, 11),
        .standard_error = column_real(q, 12),
        .fidelity = column_real(q, 13),
        .time = column_real(q, 14) };
    st = column_text(q, 10, &e.params, err);
    if (st == OK) *out = e;
    return st;
}
