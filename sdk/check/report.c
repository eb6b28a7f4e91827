/* A report on its way between two processes: one line of JSON. */
#include "base/json.h"
#include "base/json_in.h"
#include "check/runner.h"

#include <stdio.h>
#include <string.h>

void check_report_to_json(const check_report *r, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "outcome", (int64_t)r->outcome);
    json_key_string(&j, "message", r->message);
    json_key(&j, "figures");
    json_begin_array(&j);
    for (size_t i = 0; i < r->n_figures; i++) {
        json_begin_object(&j);
        json_key_string(&j, "name", r->figure[i].name);
        json_key_string(&j, "unit", r->figure[i].unit);
        json_key_real(&j, "value", r->figure[i].value);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(t, "\n");
}

static status read_copy(json_in *in, arena *a, const char **out, error *err)
{
    const char *s;
    const status st = json_in_string(in, &s, err);
    if (st != OK) return st;
    *out = arena_strdup(a, s);
    return *out ? OK : fail_nomem(err, "a report");
}

static status read_figure(json_in *in, arena *a, check_report *r, error *err)
{
    check_figure f = { .name = "", .unit = "" };
    status st = json_in_open(in, '{', err);
    for (size_t i = 0; st == OK; i++) {
        bool more;
        const char *key = "";
        TRY(json_in_more(in, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(in, &key, err));
        if (strcmp(key, "name") == 0) {
            TRY(read_copy(in, a, &f.name, err));
        } else if (strcmp(key, "unit") == 0) {
            TRY(read_copy(in, a, &f.unit, err));
        } else {
            TRY(json_in_real(in, &f.value, err));
        }
    }
    if (st == OK && r->n_figures < CHECK_MAX_FIGURES) r->figure[r->n_figures++] = f;
done:
    return st;
}

static status read_figures(json_in *in, arena *a, check_report *r, error *err)
{
    status st = json_in_open(in, '[', err);
    for (size_t i = 0; st == OK; i++) {
        bool more;
        TRY(json_in_more(in, ']', i, &more, err));
        if (!more) break;
        TRY(read_figure(in, a, r, err));
    }
done:
    return st;
}

static status read_field(json_in *in, const char *key, arena *a, check_report *r, error *err)
{
    if (strcmp(key, "figures") == 0) return read_figures(in, a, r, err);
    if (strcmp(key, "message") == 0) {
        const char *s;
        const status st = json_in_string(in, &s, err);
        if (st == OK) snprintf(r->message, sizeof r->message, "%s", s);
        return st;
    }
    uint64_t outcome;
    const status st = json_in_u64(in, &outcome, err);
    if (st != OK) return st;
    if (outcome > CHECK_FAILED) return fail(err, E_PARSE, "an outcome that there is not");
    r->outcome = (check_outcome)outcome;
    return OK;
}

status check_report_from_json(const char *line, size_t n, arena *a, check_report *out, error *err)
{
    check_report r = { 0 };
    if (n > 0 && line[n - 1] == '\n') n--;
    json_in in = { .what = "report", .s = line, .n = n, .strings = arena_alloc(a, n + 1) };
    if (!in.strings) return fail_nomem(err, "a report");
    status st = json_in_open(&in, '{', err);
    for (size_t i = 0; st == OK; i++) {
        bool more;
        const char *key;
        TRY(json_in_more(&in, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(&in, &key, err));
        TRY(read_field(&in, key, a, &r, err));
    }
    if (st == OK) TRY(json_in_end(&in, err));
    if (st == OK) *out = r;
done:
    return st;
}
