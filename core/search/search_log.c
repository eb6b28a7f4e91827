/* Entries of a search's log as lines of JSON, and back.
 *
 *     {"ask": 2, "over": false, "trials": [{"id": 5, "x": [0.1, 2, "nan"], "fidelity": 3, "from": 4}]}
 *     {"tell": 5, "state": "reported", "value": 0.7, "error": 0.1, "fidelity": 3, "verdict": "stop"}
 *
 * What has its usual value is left out. Numbers read back equal. */
#include "search/search.h"

#include <math.h>
#include <string.h>

static const char *const state_names[] = { NULL, "running", "reported", "done", "paused", "pruned",
    "diverged", "failed", "lost" };
static const char *const verdict_names[] = { "go", "stop", "pause" };

enum { N_STATES = sizeof state_names / sizeof state_names[0] };

const char *search_state_name(uint64_t state)
{
    return state < N_STATES ? state_names[state] : NULL;
}

uint64_t search_state_find(const char *name)
{
    for (uint64_t i = 1; i < N_STATES; i++) {
        if (strcmp(state_names[i], name) == 0) return i;
    }
    return 0;
}

/* -- out -- */

static void trial_to_json(const space *s, const search_trial *t, json *j)
{
    json_begin_object(j);
    json_key_int(j, "id", (int64_t)t->number);
    json_key(j, "x");
    json_reals(j, t->x, s->n);
    if (t->fidelity > 0) json_key_real(j, "fidelity", t->fidelity);
    if (t->from != ASSAY_NO_TRIAL) json_key_int(j, "from", (int64_t)t->from);
    json_end_object(j);
}

static void told_to_json(const search_entry *e, json *j)
{
    const search_result *r = &e->result;
    json_key_int(j, "tell", (int64_t)r->trial);
    json_key_string(j, "state", search_state_name(r->state));
    json_key_real(j, "value", r->value);
    if (!isnan(r->standard_error)) json_key_real(j, "error", r->standard_error);
    if (r->fidelity > 0) json_key_real(j, "fidelity", r->fidelity);
    if (e->verdict) json_key_string(j, "verdict", verdict_names[e->verdict]);
}

void search_entry_to_json(const space *s, const search_entry *e, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    if (e->kind == SEARCH_ASKED) {
        json_key_int(&j, "ask", (int64_t)e->want);
        if (e->is_over) json_key_bool(&j, "over", true);
        json_key(&j, "trials");
        json_begin_array(&j);
        for (size_t i = 0; i < e->n_trials; i++)
            trial_to_json(s, &e->trials[i], &j);
        json_end_array(&j);
    } else {
        told_to_json(e, &j);
    }
    json_end_object(&j);
}

/* -- in -- */

static status read_x(const space *s, json_in *j, double *x, error *err)
{
    status st = OK;
    bool more;
    size_t i = 0;
    TRY(json_in_open(j, '[', err));
    for (;; i++) {
        TRY(json_in_more(j, ']', i, &more, err));
        if (!more) break;
        double v;
        TRY(json_in_real(j, &v, err));
        if (i < s->n) x[i] = v;
    }
    if (i != s->n) {
        TRY(fail(err, E_CORRUPT, "a point has %zu values, and the space %zu dimensions", i, s->n));
    }
done:
    return st;
}

static status read_trial(const space *s, json_in *j, arena *a, search_trial *out, error *err)
{
    status st = OK;
    bool more, has_x = false;
    double *x = arena_alloc_array(a, s->n + 1, sizeof *x);
    if (!x) return fail_nomem(err, "a log");
    *out = (search_trial){ .number = ASSAY_NO_TRIAL, .x = x, .from = ASSAY_NO_TRIAL };
    TRY(json_in_open(j, '{', err));
    for (size_t i = 0;; i++) {
        const char *key;
        TRY(json_in_more(j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(j, &key, err));
        if (strcmp(key, "id") == 0) {
            TRY(json_in_u64(j, &out->number, err));
        } else if (strcmp(key, "x") == 0) {
            TRY(read_x(s, j, x, err));
            has_x = true;
        } else if (strcmp(key, "fidelity") == 0) {
            TRY(json_in_real(j, &out->fidelity, err));
        } else if (strcmp(key, "from") == 0) {
            TRY(json_in_u64(j, &out->from, err));
        } else {
            TRY(fail(
                err, E_UNKNOWN, "a trial of the log has an unknown key %s", quote_name(key).s));
        }
    }
    if (out->number == ASSAY_NO_TRIAL || !has_x) {
        TRY(fail(err, E_MISSING, "a trial of the log has no id or no x"));
    }
done:
    return st;
}

static status read_trials(const space *s, json_in *j, arena *a, search_entry *out, error *err)
{
    status st = OK;
    bool more;
    size_t capacity = 0;
    search_trial *trials = NULL;
    TRY(json_in_open(j, '[', err));
    for (size_t n = 0;; n++) {
        TRY(json_in_more(j, ']', n, &more, err));
        out->trials = trials;
        out->n_trials = n;
        if (!more) break;
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 4;
            search_trial *longer = arena_alloc_array(a, capacity, sizeof *longer);
            if (!longer) TRY(fail_nomem(err, "a log"));
            if (n) memcpy(longer, trials, n * sizeof *longer);
            trials = longer;
        }
        TRY(read_trial(s, j, a, &trials[n], err));
    }
done:
    return st;
}

static status read_name(json_in *j, const char *const *names, size_t n, uint64_t *out, error *err)
{
    const char *name;
    const status st = json_in_string(j, &name, err);
    if (st != OK) return st;
    for (size_t i = 0; i < n; i++) {
        if (names[i] && strcmp(names[i], name) == 0) {
            *out = i;
            return OK;
        }
    }
    return fail(err, E_UNKNOWN, "the log has an unknown word %s", quote_name(name).s);
}

static status read_key(
    const space *s, json_in *j, arena *a, const char *key, search_entry *out, error *err)
{
    search_result *r = &out->result;
    if (strcmp(key, "ask") == 0) {
        out->kind = SEARCH_ASKED;
        return json_in_u64(j, &out->want, err);
    }
    if (strcmp(key, "over") == 0) {
        out->is_over = json_in_peek(j) == 't';
        return json_in_skip(j, err);
    }
    if (strcmp(key, "trials") == 0) return read_trials(s, j, a, out, err);
    if (strcmp(key, "tell") == 0) return json_in_u64(j, &r->trial, err);
    if (strcmp(key, "state") == 0) return read_name(j, state_names, N_STATES, &r->state, err);
    if (strcmp(key, "value") == 0) return json_in_real(j, &r->value, err);
    if (strcmp(key, "error") == 0) return json_in_real(j, &r->standard_error, err);
    if (strcmp(key, "fidelity") == 0) return json_in_real(j, &r->fidelity, err);
    if (strcmp(key, "verdict") == 0) return read_name(j, verdict_names, 3, &out->verdict, err);
    return fail(err, E_UNKNOWN, "an entry of the log has an unknown key %s", quote_name(key).s);
}

status search_entry_from_json(const space *s, json_in *j, arena *a, search_entry *out, error *err)
{
    status st = OK;
    bool more;
    search_entry e = { .kind = SEARCH_TOLD,
        .result = {
            .trial = ASSAY_NO_TRIAL, .value = (double)NAN, .standard_error = (double)NAN } };
    TRY(json_in_open(j, '{', err));
    for (size_t i = 0;; i++) {
        const char *key;
        TRY(json_in_more(j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(j, &key, err));
        TRY(read_key(s, j, a, key, &e, err));
    }
    if (e.kind == SEARCH_TOLD && (e.result.trial == ASSAY_NO_TRIAL || !e.result.state)) {
        TRY(fail(err, E_MISSING, "an entry of the log is neither an ask nor a tell with a state"));
    }
    *out = e;
done:
    return st;
}
