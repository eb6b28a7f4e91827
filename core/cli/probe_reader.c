/* Reading a run's probes.
 *
 * The file is gone through twice: first for the steps that have probes, then for their numbers, since how many there are sizes
 * every array. The lines of other records are told by how they begin and left alone. A last line without its end is of a run
 * that goes on, or that was killed while it wrote; it is left out. */
#include "cli/probe_reader.h"

#include "base/file.h"
#include "base/json_in.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct reading {
    arena *a;
    probe_history h;
    size_t room; /* for series */
    size_t i_step; /* of the line under way */
    const char *path;
    char *strings; /* [longest line] */
} reading;

static const char probe_line[] = "{\"record\": \"probe\", \"step\": ";

static bool is_probe(const char *line)
{
    return strncmp(line, probe_line, sizeof probe_line - 1) == 0;
}

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

const probe_series *probe_find(
    const probe_history *h, const char *quantity, const char *slot_name, const char *of)
{
    for (size_t i = 0; i < h->n_series; i++) {
        const probe_series *s = &h->series[i];
        if (same(s->quantity, quantity) && same(s->slot, slot_name) && same(s->of, of)) {
            return s;
        }
    }
    return NULL;
}

static status grow(reading *r, error *err)
{
    const size_t room = 2 * r->room + 64;
    probe_series *more = arena_alloc_array(r->a, room, sizeof *more);
    if (!more) {
        return fail_nomem(err, "a run's probes");
    }
    if (r->h.n_series) {
        memcpy(more, r->h.series, r->h.n_series * sizeof *more);
    }
    r->h.series = more;
    r->room = room;
    return OK;
}

/* "quantity", "quantity/of", "slot_.../slot/of": the last may hold slashes. */
static bool split_name(reading *r, const char *name, probe_series *s)
{
    const char *slash = strchr(name, '/'), *rest = slash ? slash + 1 : NULL;
    s->quantity = arena_strndup(r->a, name, slash ? (size_t)(slash - name) : strlen(name));
    const bool has_slot = strncmp(name, "slot_", 5) == 0;
    const char *end = has_slot && rest ? strchr(rest, '/') : NULL;
    if (end) {
        s->slot = arena_strndup(r->a, rest, (size_t)(end - rest));
        rest = end + 1;
    }
    s->of = rest ? arena_strdup(r->a, rest) : NULL;
    s->value = arena_alloc_array(r->a, r->h.n_steps, sizeof *s->value);
    for (size_t i = 0; s->value && i < r->h.n_steps; i++) {
        s->value[i] = NAN;
    }
    return s->quantity && (!end || s->slot) && (!rest || s->of) && s->value;
}

/* Lines have their numbers in the same order: the i-th is nearly always the i-th series. */
static bool is_called(const probe_series *s, const char *name)
{
    const char *const parts[] = { s->quantity, s->slot, s->of };
    for (size_t i = 0; i < 3; i++) {
        const size_t n = parts[i] ? strlen(parts[i]) : 0;
        if (!parts[i]) {
            continue;
        }
        if (i > 0 && *name++ != '/') {
            return false;
        }
        if (strncmp(name, parts[i], n) != 0) {
            return false;
        }
        name += n;
    }
    return *name == '\0';
}

static status series_called(
    reading *r, const char *name, size_t hint, probe_series **out, error *err)
{
    for (size_t i = 0; i < r->h.n_series; i++) {
        probe_series *s = &r->h.series[(hint + i) % r->h.n_series];
        if (is_called(s, name)) {
            *out = s;
            return OK;
        }
    }
    if (r->h.n_series == r->room) {
        status st = grow(r, err);
        if (st != OK) {
            return st;
        }
    }
    *out = &r->h.series[r->h.n_series++];
    return split_name(r, name, *out) ? OK : fail_nomem(err, "a run's probes");
}

enum { MAX_BINS = 4096 };

/* A matrix: rows of equal length, at most MAX_BINS numbers. */
static status read_bins(reading *r, json_in *j, probe_series *s, error *err)
{
    double bins[MAX_BINS];
    size_t n = 0, rows = 0;
    status st = OK;
    bool more;
    TRY(json_in_open(j, '[', err));
    for (;; rows++) {
        TRY(json_in_more(j, ']', rows, &more, err));
        if (!more) break;
        TRY(json_in_open(j, '[', err));
        for (size_t i = 0;; i++) {
            TRY(json_in_more(j, ']', i, &more, err));
            if (!more) break;
            if (n == MAX_BINS) TRY(fail(err, E_PARSE, "a histogram of over %d bins", MAX_BINS));
            TRY(json_in_real(j, &bins[n++], err));
        }
    }
    if (r->i_step == r->h.shown && rows > 0) {
        if (n % rows != 0) TRY(fail(err, E_PARSE, "a histogram with rows of unequal length"));
        s->bins = arena_alloc_array(r->a, n, sizeof *s->bins);
        if (!s->bins) TRY(fail_nomem(err, "a run's probes"));
        memcpy(s->bins, bins, n * sizeof *bins);
        s->rows = rows;
        s->cols = n / rows;
    }
done:
    return st;
}

static status read_values(reading *r, json_in *j, error *err)
{
    status st = OK;
    TRY(json_in_open(j, '{', err));
    for (size_t i = 0;; i++) {
        bool more;
        const char *name;
        probe_series *s;
        TRY(json_in_more(j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(j, &name, err));
        TRY(series_called(r, name, i, &s, err));
        if (json_in_peek(j) == '[') {
            TRY(read_bins(r, j, s, err));
        } else {
            TRY(json_in_real(j, &s->value[r->i_step], err));
        }
    }
done:
    return st;
}

static status read_line(reading *r, const char *line, size_t n, error *err)
{
    json_in j = { .what = "line", .s = line, .n = n, .strings = r->strings };
    status st = OK;
    TRY(json_in_open(&j, '{', err));
    for (size_t i = 0;; i++) {
        bool more;
        const char *key;
        TRY(json_in_more(&j, '}', i, &more, err));
        if (!more) break;
        TRY(json_in_key(&j, &key, err));
        if (strcmp(key, "values") == 0) {
            TRY(read_values(r, &j, err));
        } else {
            TRY(json_in_skip(&j, err));
        }
    }
    TRY(json_in_end(&j, err));
done:
    return st;
}

static status find_steps(reading *r, const char *all, error *err)
{
    size_t n = 0, longest = 0;
    for (const char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
        n += is_probe(line);
        longest = (size_t)(end - line) > longest ? (size_t)(end - line) : longest;
    }
    if (n == 0) {
        return fail(err, E_MISSING,
            "%s holds no probes; train with train.probe = { every = 50; }, or "
            "'+train.probe.every=50' on the command line",
            r->path);
    }
    r->h.step = arena_alloc_array(r->a, n, sizeof *r->h.step);
    r->strings = arena_alloc(r->a, longest + 1);
    if (!r->h.step || !r->strings) {
        return fail_nomem(err, "a run's probes");
    }
    for (const char *line = all, *end; (end = strchr(line, '\n')); line = end + 1) {
        if (is_probe(line)) {
            r->h.step[r->h.n_steps++] = strtoull(line + sizeof probe_line - 1, NULL, 10);
        }
    }
    return OK;
}

static status choose_step(reading *r, const uint64_t *asked, error *err)
{
    const probe_history *h = &r->h;
    size_t nearest = h->n_steps - 1;
    for (size_t i = 0; asked && i < h->n_steps; i++) {
        const uint64_t a = h->step[i] > *asked ? h->step[i] - *asked : *asked - h->step[i];
        const uint64_t b =
            h->step[nearest] > *asked ? h->step[nearest] - *asked : *asked - h->step[nearest];
        nearest = a < b ? i : nearest;
    }
    r->h.shown = nearest;
    if (asked && h->step[nearest] != *asked) {
        return fail(err, E_MISSING,
            "step %llu was not probed: there are %zu probes from step %llu to %llu, the nearest at "
            "step %llu",
            (unsigned long long)*asked, h->n_steps, (unsigned long long)h->step[0],
            (unsigned long long)h->step[h->n_steps - 1], (unsigned long long)h->step[nearest]);
    }
    return OK;
}

status probe_history_read(
    const char *folder, const uint64_t *step, arena *a, probe_history *out, error *err)
{
    char *all = NULL;
    size_t n, i_line = 1;
    status st = OK;
    reading r = { .a = a, .path = path_join(a, folder, "metrics.jsonl") };
    if (!r.path) TRY(fail_nomem(err, "a run's probes"));
    if (!file_is_dir(folder)) TRY(fail(err, E_USAGE, "%s: not the folder of a run", folder));
    if (!file_exists(r.path)) {
        TRY(fail(err, E_MISSING, "%s: there is no metrics.jsonl in it", folder));
    }
    TRY(file_read(r.path, &all, &n, err));
    TRY(find_steps(&r, all, err));
    TRY(choose_step(&r, step, err));
    for (char *line = all, *end; (end = strchr(line, '\n')); line = end + 1, i_line++) {
        if (!is_probe(line)) {
            continue;
        }
        if (read_line(&r, line, (size_t)(end - line), err) != OK) {
            err->code =
                err->code == E_PARSE ? E_CORRUPT : err->code; /* it is ours, not the user's */
            st = error_where(err, "%s:%zu", r.path, i_line);
            goto done;
        }
        r.i_step++;
    }
    *out = r.h;
done:
    free(all);
    return st;
}
