#ifdef ASSAY_HAS_STUDIES
#include "cli/search_request.h"

#include "base/file.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ASK = 10000 };

static const char *const verbs[] = { "ask", "tell", "report", "explain", "pending", "best" };

enum { N_VERBS = sizeof verbs / sizeof verbs[0] };

static status read_verb(json_in *j, size_t i, request *q, error *err)
{
    q->verb = (verb)i;
    q->n_verbs++;
    return q->verb >= VERB_PENDING ? json_in_skip(j, err) : json_in_u64(j, &q->number, err);
}

static status read_state(json_in *j, request *q, error *err)
{
    const char *name;
    const status st = json_in_string(j, &name, err);
    if (st != OK) return st;
    q->result.state = search_state_find(name);
    q->has_state = true;
    if (q->result.state && q->result.state != ASSAY_TRIAL_RUNNING) return OK;
    return fail(err, E_UNKNOWN,
        "state: expected reported, done, paused, pruned, diverged, failed or lost, found %s",
        quote_name(name).s);
}

static status read_key(json_in *j, const char *key, request *q, error *err)
{
    static const char *const known[] = { "ask", "tell", "report", "explain", "pending", "best",
        "value", "state", "fidelity", "error" };
    for (size_t i = 0; i < N_VERBS; i++) {
        if (strcmp(key, verbs[i]) == 0) return read_verb(j, i, q, err);
    }
    if (strcmp(key, "value") == 0) {
        q->has_value = true;
        return json_in_real(j, &q->result.value, err);
    }
    if (strcmp(key, "state") == 0) return read_state(j, q, err);
    if (strcmp(key, "fidelity") == 0) return json_in_real(j, &q->result.fidelity, err);
    if (strcmp(key, "error") == 0) return json_in_real(j, &q->result.standard_error, err);
    const char *nearest = text_nearest(key, known, sizeof known / sizeof known[0]);
    return fail(err, E_UNKNOWN, "unknown key %s%s%s%s", quote_name(key).s,
        nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static status check_request(request *q, error *err)
{
    if (q->n_verbs != 1) {
        return fail(err, E_PARSE,
            "expected one of \"ask\", \"tell\", \"report\", \"explain\", \"pending\" and \"best\" "
            "in each line");
    }
    if (q->verb == VERB_ASK && (q->number < 1 || q->number > MOST_ASK)) {
        return fail(err, E_RANGE, "ask: expected 1 to %d, found %" PRIu64, MOST_ASK, q->number);
    }
    if (q->verb == VERB_REPORT) q->result.state = ASSAY_TRIAL_REPORTED;
    if (q->verb == VERB_TELL && !q->has_state) q->result.state = ASSAY_TRIAL_DONE;
    q->result.trial = q->number;
    const bool needs_value = q->result.state && q->result.state <= ASSAY_TRIAL_PAUSED;
    if (needs_value && !q->has_value) {
        return fail(err, E_MISSING, "\"value\" is missing; a trial without one has a \"state\"");
    }
    return OK;
}

status request_read(const char *line, size_t n, request *out, error *err)
{
    status st = OK;
    bool more;
    char *strings = malloc(n + 1);
    json_in j = { .what = "line", .s = line, .n = n, .strings = strings };
    *out = (request){ .result = { .value = (double)NAN, .standard_error = (double)NAN } };
    if (!strings) return fail_nomem(err, "a line");
    TRY(json_in_open(&j, '{', err));
    for (size_t i = 0;; i++) {
        const char *key;
        TRY(json_in_more(&j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(&j, &key, err));
        TRY(read_key(&j, key, out, err));
    }
    TRY(json_in_end(&j, err));
    TRY(check_request(out, err));
done:
    free(strings);
    return st;
}
#else
typedef int no_studies; /* a file holds something */
#endif
