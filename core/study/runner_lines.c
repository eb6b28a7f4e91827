/* What a program says, line by line: metrics where a line is an object of JSON, log otherwise.
 *
 * Nothing that a program prints makes memory grow without end: a line is held up to a length, a log has a limit, and so have curves.
 * Lines are taken only while there is room for what they tell, so a program that is quicker than its listener waits in write(2). */
#define _GNU_SOURCE
#include "study/runner_command.h"

#include "base/json_in.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    TURN_BYTES = 1 << 20, /* of one program at a time, so that others get their turn */
    NAME_BYTES = 64
};

/* -- The log -- */

/* The last line is the reason where it fails, and reasons are told on standard error. */
static void to_log(run *n, const char *s, size_t length, bool ends, bool is_error)
{
    command *c = n->command;
    const bool is_reason = is_error || !c->has_error_line;
    const size_t most = n->owner->declaration->limits.log_bytes;
    size_t k = 0;
    for (size_t i = 0; i < length + ends; i++) {
        const char was = i < length ? s[i] : '\n';
        const char put = (was >= ' ' && was <= '~') || was == '\n' || was == '\t' ? was : '?';
        if (is_reason && i < length && put != '\n' && k + 1 < sizeof c->last_line)
            c->last_line[k++] = put;
        if (n->log.n < most) {
            text_add_bytes(&n->log, &put, 1);
        } else {
            c->log_is_full = true;
        }
    }
    if (k > 0) c->last_line[k] = '\0';
    if (k > 0 && is_error) c->has_error_line = true;
}

/* -- Lines of JSON -- */

typedef struct told {
    run_value v[RUN_MOST_NAMES]; /* names are the line's */
    size_t n;
    double step, fidelity; /* NaN: not told */
} told;

static bool is_name(const char *s)
{
    const size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        if (s[i] <= ' ' || s[i] > '~') return false;
    }
    return n > 0 && n < NAME_BYTES;
}

/* A number, or what JSON has no number for; false: something else, which is passed over. */
static status take_number(json_in *j, double *out, bool *is_number, error *err)
{
    const char first = json_in_peek(j);
    *is_number = first == '-' || (first >= '0' && first <= '9');
    if (*is_number) return json_in_real(j, out, err);
    if (first != '"') return json_in_skip(j, err);
    const char *s;
    const status st = json_in_string(j, &s, err);
    if (st != OK) return st;
    *is_number = strcmp(s, "nan") == 0 || strcmp(s, "inf") == 0 || strcmp(s, "-inf") == 0;
    *out = *s == 'n' ? (double)NAN : *s == '-' ? -(double)INFINITY : (double)INFINITY;
    return OK;
}

static status read_line(command *c, const char *s, size_t n, told *out, error *err)
{
    status st = OK;
    json_in j = { .what = "line", .s = s, .n = n, .strings = c->strings };
    *out = (told){ .n = 0, .step = (double)NAN, .fidelity = (double)NAN };
    TRY(json_in_open(&j, '{', err));
    for (size_t i = 0;; i++) {
        bool more, is_number;
        const char *key;
        double v = (double)NAN;
        TRY(json_in_more(&j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(&j, &key, err));
        TRY(take_number(&j, &v, &is_number, err));
        if (!is_number) continue;
        if (strcmp(key, "step") == 0) {
            out->step = v;
        } else if (strcmp(key, "fidelity") == 0) {
            out->fidelity = v;
        } else if (is_name(key) && out->n < RUN_MOST_NAMES) {
            out->v[out->n++] = (run_value){ .name = key, .value = v };
        }
    }
    TRY(json_in_end(&j, err));
done:
    return st;
}

static const run_value *find(const run_value *v, size_t n, const char *name)
{
    for (size_t i = n; i > 0; i--) {
        if (strcmp(v[i - 1].name, name) == 0) return &v[i - 1];
    }
    return NULL;
}

static bool is_better(const run *n, double v)
{
    const bool is_max = n->owner->declaration->direction == STORE_MAXIMIZE;
    return isfinite(v) && (!n->best.has || (is_max ? v > n->best.v : v < n->best.v));
}

static void note_last(run *n, const run_value *v)
{
    command *c = n->command;
    size_t i = 0;
    while (i < c->n_last && strcmp(c->last[i].name, v->name) != 0)
        i++;
    if (i == RUN_MOST_NAMES) return;
    const char *name = i < c->n_last ? c->last[i].name : arena_strdup(&n->memory, v->name);
    if (!name) {
        c->is_out_of_memory = true;
        return;
    }
    if (i == c->n_last) c->n_last++;
    c->last[i] = *v;
    c->last[i].name = name;
}

/* The judged number is that of the line with the best one; of a program that tells it apart, the last. */
static void take_told(run *n, told *t)
{
    error err;
    command *c = n->command;
    const declaration *d = n->owner->declaration;
    const run_value *metric = find(t->v, t->n, d->metric), *judged = find(t->v, t->n, d->judged);
    const bool has_step = t->step >= 0 && t->step < 1e18;
    const uint64_t step = has_step ? (uint64_t)t->step : ++c->n_lines;
    if (isfinite(t->fidelity)) c->fidelity = t->fidelity;
    for (size_t i = 0; i < t->n; i++) {
        t->v[i].step = step;
        if (run_add_value(n, &t->v[i], &err) != OK) c->is_out_of_memory = true;
        note_last(n, &t->v[i]);
    }
    if (judged && n->spec.judges) n->judged = (number){ judged->value, true };
    if (!metric) return;
    n->value = (number){ metric->value, true };
    if (is_better(n, metric->value)) {
        n->best = n->value;
        n->judged_best = judged && n->spec.judges ? n->judged : (number){ 0 };
    }
    const double place = isfinite(t->fidelity) ? t->fidelity : (double)step;
    if (run_tell(n, place, metric->value, &err) != OK) c->is_out_of_memory = true;
}

/* -- Lines -- */

static void take_line(run *n, const stream *s, const char *line, size_t length, bool is_whole)
{
    error err;
    told t;
    command *c = n->command;
    const bool may_be = s == &c->out && is_whole && length > 0 && line[0] == '{';
    if (may_be && read_line(c, line, length, &t, &err) == OK) {
        take_told(n, &t);
    } else {
        to_log(n, line, length, !s->is_long, s == &c->err);
    }
}

/* Whole lines among the bytes that are there. */
static void take_lines(run *n, stream *s)
{
    size_t at = 0;
    while (at < s->n && (s != &n->command->out || run_has_room_for_news(n))) {
        const char *end = memchr(s->bytes + at, '\n', s->n - at);
        if (!end) break;
        const size_t length = (size_t)(end - s->bytes) - at;
        const bool is_whole = !s->is_long;
        s->is_long = false;
        take_line(n, s, s->bytes + at, length, is_whole);
        at += length + 1;
    }
    if (at == 0 && s->n == sizeof s->bytes && !memchr(s->bytes, '\n', s->n)) {
        s->is_long = true;
        take_line(n, s, s->bytes, s->n, false);
        at = s->n;
    }
    memmove(s->bytes, s->bytes + at, s->n - at);
    s->n -= at;
}

/* True: nothing more is there for now. */
static bool take_stream(run *n, stream *s)
{
    command *c = n->command;
    for (size_t taken = 0; taken < TURN_BYTES;) {
        take_lines(n, s);
        if (s->n == sizeof s->bytes) return false; /* no room for news */
        if (s->fd < 0) return !memchr(s->bytes, '\n', s->n);
        const ssize_t got = read(s->fd, s->bytes + s->n, sizeof s->bytes - s->n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return !memchr(s->bytes, '\n', s->n);
        if (got <= 0) {
            close(s->fd);
            s->fd = -1;
            continue;
        }
        s->n += (size_t)got;
        taken += (size_t)got;
        c->n_after += c->has_exited ? (size_t)got : 0;
    }
    return false;
}

bool lines_take(run *n)
{
    const bool of_err = take_stream(n, &n->command->err);
    return take_stream(n, &n->command->out) && of_err;
}

void lines_end(run *n)
{
    error err;
    command *c = n->command;
    stream *const both[] = { &c->err, &c->out };
    for (size_t i = 0; i < 2; i++) {
        if (both[i]->n) take_line(n, both[i], both[i]->bytes, both[i]->n, !both[i]->is_long);
        both[i]->n = 0;
    }
    for (size_t i = 0; i < c->n_last; i++) {
        run_value v = c->last[i];
        v.is_last = true;
        if (run_add_value(n, &v, &err) != OK) c->is_out_of_memory = true;
    }
    if (n->best.has && !n->judged_best.has) n->judged_best = n->judged;
}
