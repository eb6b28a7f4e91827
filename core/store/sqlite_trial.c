/* Trials: added, claimed, held, ended. */
#include "store/sqlite.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* -- Events -- */

static status add_event(sqlite_store *s, int64_t search, event_kind kind, trial_state state,
    uint64_t trial, double value, double standard_error, double fidelity, error *err)
{
    int64_t seq = 0;
    const status st = sql_int(s, &seq, NULL, err,
        "UPDATE search SET n_events = n_events + 1 WHERE id = ?1 RETURNING n_events", "i", search);
    if (st != OK) return st;
    return sql_run(s, err,
        "INSERT INTO event(search, seq, kind, state, trial, value, standard_error, fidelity, time) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        "iiiiudddd", search, seq, (int64_t)kind, (int64_t)state, trial, value, standard_error,
        fidelity, store_now());
}

/* -- Reading one -- */

/* The row that `q`, bound, gives; *out_is_row false where it gives none. */
static status read_one(
    sqlite_store *s, sqlite3_stmt *q, arena *a, store_trial *out, bool *out_is_row, error *err)
{
    status st = sql_step(s, q, out_is_row, err);
    if (st == OK && *out_is_row) st = row_trial(q, a, out, err);
    sqlite3_reset(q);
    return st;
}

static status read_by_id(
    sqlite_store *s, int64_t id, arena *a, store_trial *out, bool *out_is_row, error *err)
{
    sqlite3_stmt *q = NULL;
    const status st = sql_query(s, &q, err, "SELECT " TRIAL_COLUMNS "WHERE t.id = ?1", "i", id);
    return st == OK ? read_one(s, q, a, out, out_is_row, err) : st;
}

status sqlite_trial_find(
    store *base, uint64_t study, uint64_t number, arena *a, store_trial *out, error *err)
{
    sqlite_store *s = sqlite_of(base);
    sqlite3_stmt *q = NULL;
    bool is_row = false;
    status st = sql_query(s, &q, err,
        "SELECT " TRIAL_COLUMNS "WHERE t.study = ?1 AND t.number = ?2", "uu", study, number);
    if (st == OK) st = read_one(s, q, a, out, &is_row, err);
    if (st != OK || is_row) return st;
    return fail(
        err, E_UNKNOWN, "%s: the study has no trial %llu", base->where, (unsigned long long)number);
}

/* -- Adding -- */

static status check_open(sqlite_store *s, uint64_t study, error *err)
{
    bool is_there = false;
    int64_t is_open = 0;
    const status st = sql_int(
        s, &is_open, &is_there, err, "SELECT closed IS NULL FROM study WHERE id = ?1", "u", study);
    if (st != OK || is_open) return st;
    if (is_there) {
        return fail(
            err, E_CONFLICT, "%s: the study is closed: it takes no trials any more", s->base.where);
    }
    return fail(
        err, E_UNKNOWN, "%s: has no study of id %llu", s->base.where, (unsigned long long)study);
}

/* The search, which is made where this is its first trial. */
static status enter_search(sqlite_store *s, uint64_t study, const store_search *search,
    int64_t *out_id, int64_t *out_n_trials, int64_t *out_n_events, error *err)
{
    sqlite3_stmt *q = NULL;
    bool is_row = false;
    status st = sql_run(s, err,
        "INSERT INTO search(study, phase, contender, workload, repeat) VALUES(?1, ?2, ?3, ?4, ?5) "
        "ON CONFLICT DO NOTHING",
        "uittu", study, (int64_t)search->phase, search->contender, search->workload,
        search->repeat);
    if (st == OK) {
        st = sql_query(s, &q, err,
            "SELECT id, n_trials, n_events FROM search WHERE study = ?1 AND phase = ?2 AND "
            "contender = ?3 AND workload = ?4 AND repeat = ?5",
            "uittu", study, (int64_t)search->phase, search->contender, search->workload,
            search->repeat);
    }
    if (st == OK) st = sql_step(s, q, &is_row, err);
    if (st != OK) return st;
    *out_id = sqlite3_column_int64(q, 0);
    *out_n_trials = sqlite3_column_int64(q, 1);
    *out_n_events = sqlite3_column_int64(q, 2);
    sqlite3_reset(q);
    return OK;
}

static status check_history(sqlite_store *s, uint64_t study, const store_trial_spec *spec,
    int64_t n_trials, int64_t n_events, error *err)
{
    int64_t n = 0;
    if (spec->proposal != STORE_NEXT && spec->proposal != (uint64_t)n_trials) {
        return fail(err, E_CONFLICT,
            "%s: proposal %llu was made, but %lld is the next: another has asked the strategy "
            "meanwhile: tell it the new events, then ask again",
            s->base.where, (unsigned long long)spec->proposal, (long long)n_trials);
    }
    if (spec->asked_after > (uint64_t)n_events) {
        return fail(err, E_RANGE, "%s: asked after event %llu, but there are %lld", s->base.where,
            (unsigned long long)spec->asked_after, (long long)n_events);
    }
    if (spec->from_trial == STORE_NO_TRIAL) return OK;
    const status st = sql_int(s, &n, NULL, err,
        "SELECT count(*) FROM trial WHERE study = ?1 AND number = ?2 AND state = 4", "uu", study,
        spec->from_trial);
    if (st != OK || n == 1) return st;
    return fail(err, E_RANGE, "%s: trial %llu is not paused: nothing can go on from it",
        s->base.where, (unsigned long long)spec->from_trial);
}

static status insert(sqlite_store *s, uint64_t study, const store_trial_spec *spec,
    const char *identity, int64_t search, int64_t *out_id, error *err)
{
    int64_t number = 0, proposal = 0;
    status st = sql_int(s, &number, NULL, err,
        "UPDATE study SET n_trials = n_trials + 1 WHERE id = ?1 RETURNING n_trials - 1", "u",
        study);
    if (st == OK) {
        st = sql_int(s, &proposal, NULL, err,
            "UPDATE search SET n_trials = n_trials + 1 WHERE id = ?1 RETURNING n_trials - 1", "i",
            search);
    }
    if (st == OK) {
        st = sql_run(s, err,
            "INSERT INTO trial(study, number, identity, search, proposal, seed, params, fidelity, "
            "priority, asked_after, from_trial, replicate, added) VALUES(?1, ?2, ?3, ?4, ?5, ?6, "
            "?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            "uitiiutdiuuud", study, number, identity, search, proposal, spec->seed, spec->params,
            spec->fidelity, spec->priority, spec->asked_after, spec->from_trial, spec->replicate,
            store_now());
    }
    *out_id = st == OK ? sqlite3_last_insert_rowid(s->db) : 0;
    if (st != OK) return st;
    return add_event(s, search, EVENT_ASKED, TRIAL_WAITING, (uint64_t)*out_id, (double)NAN,
        (double)NAN, spec->fidelity, err);
}

status sqlite_trial_add(store *base, uint64_t study, const store_trial_spec *spec,
    const char *identity, store_trial *out, arena *a, bool *out_is_new, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    int64_t id = 0, search = 0, n_trials = 0, n_events = 0;
    bool is_there = false, is_row = false;
    store_trial t;
    TRY(write_begin(s, false, err));
    TRY(sql_int(s, &id, &is_there, err, "SELECT id FROM trial WHERE study = ?1 AND identity = ?2",
        "ut", study, identity));
    if (!is_there) {
        TRY(check_open(s, study, err));
        TRY(enter_search(s, study, &spec->search, &search, &n_trials, &n_events, err));
        TRY(check_history(s, study, spec, n_trials, n_events, err));
        TRY(insert(s, study, spec, identity, search, &id, err));
    }
    TRY(read_by_id(s, id, a, &t, &is_row, err));
done:
    st = write_end(s, st, err);
    if (st != OK) return st;
    *out = t;
    *out_is_new = !is_there;
    return OK;
}

/* -- Losing -- */

/* The attempt of a running trial is lost: it waits again, or is lost for good. */
static status lose(sqlite_store *s, int64_t trial, const char *reason, error *err)
{
    int64_t state = 0, search = 0;
    status st = sql_run(s, err,
        "UPDATE attempt SET class = 18, reason = ?2, ended = ?3 WHERE trial = ?1 AND class = -1",
        "itd", trial, reason, store_now());
    if (st == OK) {
        st = sql_int(s, &state, NULL, err,
            "UPDATE trial SET n_lost = n_lost + 1, lease = NULL, (state, finished) = (SELECT CASE "
            "WHEN trial.n_lost >= max_lost THEN 8 ELSE 0 END, CASE WHEN trial.n_lost >= max_lost "
            "THEN ?2 END FROM study WHERE id = trial.study) WHERE id = ?1 RETURNING state",
            "id", trial, store_now());
    }
    if (st != OK || state != TRIAL_LOST) return st;
    st = sql_int(s, &search, NULL, err, "SELECT search FROM trial WHERE id = ?1", "i", trial);
    if (st != OK) return st;
    return add_event(s, search, EVENT_FINISHED, TRIAL_LOST, (uint64_t)trial, (double)NAN,
        (double)NAN, (double)NAN, err);
}

static status lose_expired(sqlite_store *s, uint64_t study, error *err)
{
    status st = OK;
    for (;;) {
        int64_t trial = 0;
        bool is_row = false;
        st = sql_int(s, &trial, &is_row, err,
            "SELECT id FROM trial WHERE study = ?1 AND state = 1 AND lease < ?2 LIMIT 1", "ud",
            study, store_now());
        if (st != OK || !is_row) return st;
        st = lose(s, trial, "its lease ran out", err);
        if (st != OK) return st;
    }
}

static status lose_all_of(
    sqlite_store *s, uint64_t study, const char *owner, uint64_t *out_n_lost, error *err)
{
    for (;;) {
        int64_t trial = 0;
        bool is_row = false;
        status st = sql_int(s, &trial, &is_row, err,
            "SELECT a.trial FROM attempt a JOIN trial t ON t.id = a.trial WHERE a.owner = ?2 AND "
            "a.class = -1 AND (?1 = 0 OR t.study = ?1) LIMIT 1",
            "ut", study, owner);
        if (st == OK && is_row) st = lose(s, trial, "its owner is no more", err);
        if (st != OK || !is_row) return st;
        ++*out_n_lost;
    }
}

status sqlite_recover(store *base, uint64_t study, bool (*is_dead)(const char *owner, void *self),
    void *self, uint64_t *out_n_lost, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    uint64_t n_lost = 0;
    char owner[OWNER_BYTES] = "";
    TRY(write_begin(s, true, err));
    for (;;) {
        sqlite3_stmt *q = NULL;
        bool is_row = false;
        const char *next = NULL;
        TRY(sql_query(s, &q, err,
            "SELECT owner FROM attempt WHERE class = -1 AND owner > ?1 ORDER BY owner LIMIT 1", "t",
            owner));
        TRY(sql_step(s, q, &is_row, err));
        if (!is_row) break;
        TRY(column_text(q, 0, &next, err));
        char found[OWNER_BYTES] = "";
        (void)snprintf(found, sizeof found, "%s", next);
        sqlite3_reset(q);
        if (strcmp(found, owner) <= 0) { /* cut off, it would be found for ever */
            TRY(fail(err, E_CORRUPT,
                "%s: an attempt's owner is no name that assay has written (%.40s): save what can "
                "be read: sqlite3 COPY .recover | sqlite3 NEW",
                base->where, found));
        }
        memcpy(owner, found, sizeof owner);
        if (is_dead(owner, self)) TRY(lose_all_of(s, study, owner, &n_lost, err));
    }
done:
    st = write_end(s, st, err);
    if (st == OK) *out_n_lost = n_lost;
    return st;
}

/* -- Claiming -- */

static status take(sqlite_store *s, uint64_t study, double lease_s, int64_t *out_id,
    bool *out_is_found, error *err)
{
    const double now = store_now();
    const status st = sql_int(s, out_id, out_is_found, err,
        "UPDATE trial SET state = 1, epoch = epoch + 1, owner = ?2, lease = ?3, started = "
        "coalesce(started, ?4) WHERE id = (SELECT id FROM trial WHERE study = ?1 AND state = 0 "
        "ORDER BY priority DESC, number LIMIT 1) RETURNING id",
        "utdd", study, s->base.owner, now + lease_s, now);
    if (st != OK || !*out_is_found) return st;
    return sql_run(s, err,
        "INSERT INTO attempt(trial, epoch, owner, started) SELECT id, epoch, owner, ?2 FROM trial "
        "WHERE id = ?1",
        "id", *out_id, now);
}

status sqlite_trial_claim(store *base, uint64_t study, double lease_s, arena *a, store_trial *out,
    bool *out_is_found, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    int64_t id = 0, is_open = 0;
    bool is_there = false, is_found = false, is_row = false;
    store_trial t;
    TRY(write_begin(s, false, err));
    TRY(sql_int(s, &is_open, &is_there, err,
        "SELECT closed IS NULL AND paused IS NULL FROM study WHERE id = ?1", "u", study));
    if (!is_there) {
        TRY(fail(
            err, E_UNKNOWN, "%s: has no study of id %llu", base->where, (unsigned long long)study));
    }
    TRY(lose_expired(s, study, err));
    if (is_open) TRY(take(s, study, lease_s, &id, &is_found, err));
    if (is_found) TRY(read_by_id(s, id, a, &t, &is_row, err));
done:
    st = write_end(s, st, err);
    if (st != OK) return st;
    if (is_found) *out = t;
    *out_is_found = is_found;
    return OK;
}

/* -- Holding -- */

/* Why somebody's hold on a trial is none. */
static status fail_held_no_more(sqlite_store *s, store_hold held, error *err)
{
    status st = OK;
    arena a = { 0 };
    store_trial t;
    bool is_row = false;
    TRY(read_by_id(s, (int64_t)held.trial, &a, &t, &is_row, err));
    const unsigned long long epoch = held.epoch;
    if (!is_row) {
        TRY(fail(err, E_UNKNOWN, "%s: has no trial of id %llu", s->base.where,
            (unsigned long long)held.trial));
    }
    const unsigned long long number = t.number;
    if (t.state == TRIAL_RUNNING) {
        TRY(fail(err, E_CONFLICT,
            "trial %llu: attempt %llu holds it no more: %s has it now, as attempt %llu: drop this "
            "one",
            number, epoch, t.owner, (unsigned long long)t.epoch));
    }
    TRY(fail(err, E_CONFLICT, "trial %llu: attempt %llu holds it no more: the trial is %s: drop %s",
        number, epoch, trial_state_name(t.state), "this attempt"));
done:
    arena_release(&a);
    return st;
}

/* The search of a trial that is held; inside a transaction. */
static status check_held(sqlite_store *s, store_hold held, int64_t *out_search, error *err)
{
    bool is_held = false;
    const status st = sql_int(s, out_search, &is_held, err,
        "SELECT search FROM trial WHERE id = ?1 AND epoch = ?2 AND state = 1", "uu", held.trial,
        held.epoch);
    return st != OK || is_held ? st : fail_held_no_more(s, held, err);
}

status sqlite_trial_renew(store *base, store_hold held, double lease_s, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    TRY(write_begin(s, true, err));
    TRY(sql_run(s, err, "UPDATE trial SET lease = ?3 WHERE id = ?1 AND epoch = ?2 AND state = 1",
        "uud", held.trial, held.epoch, store_now() + lease_s));
    if (sqlite3_changes(s->db) == 0) TRY(fail_held_no_more(s, held, err));
done:
    return write_end(s, st, err);
}

static status add_points(
    sqlite_store *s, store_hold held, const store_point *points, size_t n_points, error *err)
{
    status st = OK;
    for (size_t i = 0; st == OK && i < n_points; i++) {
        st = sql_run(s, err,
            "INSERT INTO point(trial, epoch, step, metric, value) VALUES(?1, ?2, ?3, ?4, ?5) ON "
            "CONFLICT DO UPDATE SET value = excluded.value",
            "uuutd", held.trial, held.epoch, points[i].step, points[i].metric, points[i].value);
    }
    return st;
}

/* An attempt that begins again tells again what the one before it has told: the first stays. */
static status add_news(
    sqlite_store *s, int64_t search, uint64_t trial, const store_news *news, error *err)
{
    int64_t n = 0;
    const status st = sql_int(s, &n, NULL, err,
        "SELECT count(*) FROM event WHERE trial = ?1 AND kind = 2 AND fidelity = ?2", "ud", trial,
        news->fidelity);
    if (st != OK || n > 0) return st;
    return add_event(s, search, EVENT_REPORTED, TRIAL_RUNNING, trial, news->value,
        news->standard_error, news->fidelity, err);
}

status sqlite_trial_report(store *base, store_hold held, const store_point *points, size_t n_points,
    const store_news *news, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    int64_t search = 0;
    TRY(write_begin(s, false, err));
    TRY(check_held(s, held, &search, err));
    TRY(add_points(s, held, points, n_points, err));
    if (news) TRY(add_news(s, search, held.trial, news, err));
done:
    return write_end(s, st, err);
}

/* -- Ending -- */

static status end_attempt(
    sqlite_store *s, store_hold held, int attempt_class, const char *reason, error *err)
{
    return sql_run(s, err,
        "UPDATE attempt SET class = ?3, reason = ?4, ended = ?5 WHERE trial = ?1 AND epoch = ?2",
        "uuitd", held.trial, held.epoch, (int64_t)attempt_class, reason, store_now());
}

status sqlite_trial_finish(store *base, store_hold held, const store_result *r, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    int64_t search = 0;
    TRY(write_begin(s, true, err));
    TRY(check_held(s, held, &search, err));
    TRY(add_points(s, held, r->points, r->n_points, err));
    TRY(end_attempt(s, held, r->attempt_class, r->reason, err));
    TRY(sql_run(s, err,
        "UPDATE trial SET state = ?3, lease = NULL, value = ?4, standard_error = ?5, reached = ?6, "
        "finished = ?7, record = ?8, n_lost = n_lost + ?9 WHERE id = ?1 AND epoch = ?2 AND state = "
        "1",
        "uuiddddti", held.trial, held.epoch, (int64_t)r->state, r->value, r->standard_error,
        r->fidelity, store_now(), r->record, (int64_t)(r->attempt_class == ATTEMPT_LOST)));
    TRY(add_event(s, search, EVENT_FINISHED, r->state, held.trial, r->value, r->standard_error,
        r->fidelity, err));
done:
    return write_end(s, st, err);
}

status sqlite_trial_release(
    store *base, store_hold held, int attempt_class, const char *reason, error *err)
{
    sqlite_store *s = sqlite_of(base);
    status st = OK;
    int64_t search = 0;
    TRY(write_begin(s, true, err));
    TRY(check_held(s, held, &search, err));
    if (attempt_class == ATTEMPT_LOST) {
        TRY(lose(s, (int64_t)held.trial, reason, err));
    } else {
        TRY(end_attempt(s, held, attempt_class, reason, err));
        TRY(sql_run(s, err,
            "UPDATE trial SET state = 0, lease = NULL WHERE id = ?1 AND epoch = ?2 AND state = 1",
            "uu", held.trial, held.epoch));
    }
done:
    return write_end(s, st, err);
}

/* -- Counting -- */

status sqlite_trial_count(store *base, uint64_t study, uint64_t out[N_TRIAL_STATES], error *err)
{
    sqlite_store *s = sqlite_of(base);
    sqlite3_stmt *q = NULL;
    bool is_row = true;
    uint64_t n[N_TRIAL_STATES] = { 0 };
    status st = sql_query(s, &q, err,
        "SELECT state, count(*) FROM trial WHERE study = ?1 GROUP BY state", "u", study);
    while (st == OK && is_row) {
        st = sql_step(s, q, &is_row, err);
        const int state = st == OK && is_row ? sqlite3_column_int(q, 0) : -1;
        if (state >= 0 && state < N_TRIAL_STATES) n[state] = column_u64(q, 1);
    }
    for (int i = 0; st == OK && i < N_TRIAL_STATES; i++)
        out[i] = n[i];
    return st;
}
