/* The store as its callers see it: what does not depend on where the rows lie.
 *
 * Arguments are checked here, once for all implementations; a trial gets its identity, a dimension its text for Optuna. */
#include "store/internal.h"

#include "base/file.h"
#include "base/json.h"
#include "base/json_in.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- Names -- */

const char *trial_state_name(trial_state state)
{
    static const char *const names[N_TRIAL_STATES] = { "waiting", "running", "done", "pruned",
        "paused", "failed", "diverged", "timeout", "lost" };
    return (unsigned)state < N_TRIAL_STATES ? names[state] : NULL;
}

const char *optuna_revision(const char *version)
{
    if (strcmp(version, "3.1") == 0) return "v3.0.0.d";
    if (strcmp(version, "3.2") == 0) return "v3.2.0.a";
    return NULL;
}

static status check_version(const char *version, error *err)
{
    if (optuna_revision(version)) return OK;
    return fail(err, E_RANGE,
        "Optuna's tables for version \"%s\" are not known: say \"3.1\" (for 3.0 and 3.1) or "
        "\"3.2\" (for 3.2 and later)",
        version);
}

bool store_is_text(const char *s, size_t longest)
{
    const size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        const size_t bytes = utf8_sequence(s + i, n - i);
        if (bytes == 0 || (unsigned char)s[i] < 0x20 || s[i] == 0x7f) return false;
        i += bytes;
    }
    return n <= longest;
}

status store_check_name(const char *what, const char *name, bool may_be_empty, error *err)
{
    if (!may_be_empty && !name[0]) return fail(err, E_RANGE, "%s has an empty name", what);
    if (store_is_text(name, LONGEST_NAME) && !strchr(name, '/')) return OK;
    return fail(err, E_RANGE,
        "%s %s: a name has at most %d bytes of UTF-8, no '/' and no control characters", what,
        quote_name(name).s, LONGEST_NAME);
}

static status check_search(const store_search *search, error *err)
{
    if (search->phase != STORE_TUNE && search->phase != STORE_EVALUATE) {
        return fail(err, E_RANGE, "there is no phase %d", (int)search->phase);
    }
    const status st = store_check_name("the contender", search->contender, true, err);
    return st == OK ? store_check_name("the workload", search->workload, true, err) : st;
}

static status check_lease(double lease_s, error *err)
{
    if (lease_s > 0.0 && lease_s < 1e9) return OK;
    return fail(err, E_RANGE, "a lease of %g s: it must be above 0", lease_s);
}

/* -- Opening -- */

status store_open(const char *where, const store_options *o, store **out, error *err)
{
    char owner[OWNER_BYTES];
    if (o->optuna) {
        const status st = check_version(o->optuna, err);
        if (st != OK) return st;
    }
    if (o->owner && (!o->owner[0] || !store_is_text(o->owner, sizeof owner - 1))) {
        return fail(err, E_RANGE, "the owner %s: 1 to %zu bytes of UTF-8", quote_name(o->owner).s,
            sizeof owner - 1);
    }
    if (o->owner) {
        strcpy(owner, o->owner);
    } else {
        owner_self(owner);
    }
    return store_sqlite_ops.open(where, o, owner, out, err);
}

void store_close(store *s)
{
    if (s) s->ops->close(s);
}

const char *store_where(const store *s)
{
    return s->where;
}

const char *store_owner(const store *s)
{
    return s->owner;
}

/* -- Trials -- */

/* Runs `read` over JSON text, of which nothing may be left. */
static status read_json(
    const char *what, const char *json_text, status (*read)(json_in *j, error *err), error *err)
{
    json_in j = { .what = what, .s = json_text, .n = strlen(json_text) };
    j.strings = malloc(j.n + 1);
    if (!j.strings) return fail_nomem(err, what);
    char *strings = j.strings;
    status st = read(&j, err);
    if (st == OK) st = json_in_end(&j, err);
    free(strings);
    return st;
}

static status read_params(json_in *j, error *err)
{
    status st = json_in_open(j, '{', err);
    bool more = true;
    for (size_t i = 0; st == OK; i++) {
        const char *key = NULL, *choice = NULL;
        double number = 0.0;
        st = json_in_more(j, '}', i, &more, err);
        if (st != OK || !more) break;
        st = json_in_key(j, &key, err);
        if (st != OK) break;
        st = json_in_peek(j) == '"' ? json_in_string(j, &choice, err)
                                    : json_in_real(j, &number, err);
    }
    return st;
}

static status read_record(json_in *j, error *err)
{
    return json_in_skip(j, err);
}

/* What a trial is, without how it came about: two with the same hash give the same numbers. */
static status identify(const store_trial_spec *spec, char out[33], error *err)
{
    text t = { 0 };
    json j;
    json_init(&j, &t);
    json_begin_array(&j);
    json_string(&j, "assay trial 1");
    json_string(&j, spec->search.workload);
    json_string(&j, spec->search.contender);
    json_int(&j, (int64_t)spec->search.repeat);
    json_int(&j, (int64_t)spec->seed);
    json_int(&j, (int64_t)spec->search.phase);
    json_real(&j, spec->fidelity);
    json_string(&j, spec->params);
    json_end_array(&j);
    const status st = text_check(&t, err);
    if (st == OK) hash_hex(out, t.s, t.n);
    text_release(&t);
    return st;
}

status trial_add(store *s, uint64_t study, const store_trial_spec *spec, store_trial *out, arena *a,
    bool *out_is_new, error *err)
{
    char identity[33];
    status st = check_search(&spec->search, err);
    if (st != OK) return st;
    st = read_json("params", spec->params, read_params, err);
    if (st != OK) return st;
    if (!(spec->fidelity >= 0.0) || !isfinite(spec->fidelity)) {
        return fail(
            err, E_RANGE, "a fidelity of %g: it must be finite and not below 0", spec->fidelity);
    }
    st = identify(spec, identity, err);
    if (st != OK) return st;
    return s->ops->trial_add(s, study, spec, identity, out, a, out_is_new, err);
}

status trial_find(store *s, uint64_t study, uint64_t number, arena *a, store_trial *out, error *err)
{
    return s->ops->trial_find(s, study, number, a, out, err);
}

status trial_claim(store *s, uint64_t study, double lease_s, arena *a, store_trial *out,
    bool *out_is_found, error *err)
{
    const status st = check_lease(lease_s, err);
    return st == OK ? s->ops->trial_claim(s, study, lease_s, a, out, out_is_found, err) : st;
}

status trial_renew(store *s, store_hold held, double lease_s, error *err)
{
    const status st = check_lease(lease_s, err);
    return st == OK ? s->ops->trial_renew(s, held, lease_s, err) : st;
}

static status check_points(const store_point *points, size_t n_points, error *err)
{
    for (size_t i = 0; i < n_points; i++) {
        const store_point *p = &points[i];
        if (!p->metric[0] || !store_is_text(p->metric, LONGEST_NAME)) {
            return fail(err, E_RANGE, "the metric %s of a point: 1 to %d bytes of UTF-8",
                quote_name(p->metric).s, LONGEST_NAME);
        }
        if (p->step > INT64_MAX) {
            return fail(err, E_RANGE, "step %" PRIu64 " of a point is too large", p->step);
        }
    }
    return OK;
}

status trial_report(store *s, store_hold held, const store_point *points, size_t n_points,
    const store_news *news, error *err)
{
    const status st = check_points(points, n_points, err);
    if (st != OK) return st;
    if (news && !(news->fidelity >= 0.0)) {
        return fail(err, E_RANGE, "a fidelity of %g: it must not be below 0", news->fidelity);
    }
    return s->ops->trial_report(s, held, points, n_points, news, err);
}

/* One line of UTF-8 from whatever a worker wrote; NULL where memory is out. */
static char *clean(const char *reason)
{
    if (!reason) reason = "";
    const size_t n = strlen(reason);
    char *out = malloc(n + 1);
    if (!out) return NULL;
    for (size_t i = 0; i < n;) {
        const size_t bytes = utf8_sequence(reason + i, n - i);
        const bool is_plain = bytes > 0 && (unsigned char)reason[i] >= 0x20 && reason[i] != 0x7f;
        if (is_plain) {
            memcpy(out + i, reason + i, bytes);
        } else {
            out[i] = bytes ? ' ' : '?';
        }
        i += is_plain ? bytes : 1;
    }
    out[n] = '\0';
    return out;
}

static status check_class(int attempt_class, error *err)
{
    if (attempt_class >= 0) return OK;
    return fail(err, E_RANGE, "an attempt that has ended cannot have class %d", attempt_class);
}

static status check_result(const store_result *r, error *err)
{
    if (r->state < TRIAL_DONE || r->state >= N_TRIAL_STATES) {
        return fail(err, E_RANGE, "a trial cannot end as state %d", (int)r->state);
    }
    if (r->state == TRIAL_DONE && !isfinite(r->value)) {
        return fail(err, E_RANGE,
            "a trial cannot be done with the value %g: without a finite one it has diverged",
            r->value);
    }
    status st = check_class(r->attempt_class, err);
    if (st == OK) st = check_points(r->points, r->n_points, err);
    if (st == OK && r->record && r->record[0]) {
        st = read_json("record", r->record, read_record, err);
    }
    return st;
}

status trial_finish(store *s, store_hold held, const store_result *result, error *err)
{
    status st = check_result(result, err);
    if (st != OK) return st;
    store_result r = *result;
    char *reason = clean(r.reason);
    if (!reason) return fail_nomem(err, "the trial's result");
    r.reason = reason;
    if (!r.record) r.record = "";
    st = s->ops->trial_finish(s, held, &r, err);
    free(reason);
    return st;
}

status trial_release(store *s, store_hold held, int attempt_class, const char *reason, error *err)
{
    status st = check_class(attempt_class, err);
    if (st != OK) return st;
    char *cleaned = clean(reason);
    if (!cleaned) return fail_nomem(err, "the reason");
    st = s->ops->trial_release(s, held, attempt_class, cleaned, err);
    free(cleaned);
    return st;
}

static bool is_gone(const char *owner, void *self)
{
    (void)self;
    return owner_is_dead(owner);
}

status store_recover(store *s, uint64_t study, bool (*is_dead)(const char *owner, void *self),
    void *self, uint64_t *out_n_lost, error *err)
{
    return s->ops->recover(s, study, is_dead ? is_dead : is_gone, self, out_n_lost, err);
}

status trial_count(store *s, uint64_t study, uint64_t out[N_TRIAL_STATES], error *err)
{
    return s->ops->trial_count(s, study, out, err);
}

/* -- Reading -- */

void store_cursor_close(store_cursor *c)
{
    if (c) c->s->ops->cursor_close(c);
}

status studies_open(store *s, store_cursor **out, error *err)
{
    return s->ops->studies_open(s, out, err);
}

status studies_next(store_cursor *c, store_study *out, bool *out_is_row, error *err)
{
    return c->s->ops->studies_next(c, out, out_is_row, err);
}

status store_trials_open(
    store *s, uint64_t study, const store_search *search, store_cursor **out, error *err)
{
    const status st = search ? check_search(search, err) : OK;
    return st == OK ? s->ops->trials_open(s, study, search, out, err) : st;
}

status store_trials_next(store_cursor *c, store_trial *out, bool *out_is_row, error *err)
{
    return c->s->ops->trials_next(c, out, out_is_row, err);
}

status attempts_open(store *s, uint64_t trial, store_cursor **out, error *err)
{
    return s->ops->attempts_open(s, trial, out, err);
}

status attempts_next(store_cursor *c, store_attempt *out, bool *out_is_row, error *err)
{
    return c->s->ops->attempts_next(c, out, out_is_row, err);
}

status store_points_open(
    store *s, uint64_t trial, const char *metric, store_cursor **out, error *err)
{
    return s->ops->points_open(s, trial, metric, out, err);
}

status store_points_next(store_cursor *c, store_trial_point *out, bool *out_is_row, error *err)
{
    return c->s->ops->points_next(c, out, out_is_row, err);
}

status store_events_open(store *s, uint64_t study, const store_search *search, uint64_t after,
    store_cursor **out, error *err)
{
    const status st = check_search(search, err);
    return st == OK ? s->ops->events_open(s, study, search, after, out, err) : st;
}

status store_events_next(store_cursor *c, store_event *out, bool *out_is_row, error *err)
{
    return c->s->ops->events_next(c, out, out_is_row, err);
}

/* -- The whole -- */

status store_check(store *s, text *findings, bool *out_is_sound, error *err)
{
    return s->ops->check(s, findings, out_is_sound, err);
}

status store_export_optuna(
    store *s, uint64_t study, const char *path, const char *version, error *err)
{
    const status st = check_version(version, err);
    return st == OK ? s->ops->export_optuna(s, study, path, optuna_revision(version), err) : st;
}
