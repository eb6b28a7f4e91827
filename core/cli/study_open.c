/* Finding and opening stores. A study lies in studies/NAME.study below the working directory, or wherever --store says. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study.h"

#include "base/file.h"
#include "base/json_in.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

static const char folder[] = "studies", ending[] = ".study";

enum {
    MOST_NAMES = 256,
    LEAST_PLAIN = -4,
    MOST_PLAIN = 5 /* powers of ten of what is written without an exponent */
};

const char *study_path(arena *a, const char *name)
{
    return arena_printf(a, "%s/%s%s", folder, name, ending);
}

static bool ends_in_study(const char *name)
{
    const size_t n = strlen(name), k = sizeof ending - 1;
    return n > k && strcmp(name + n - k, ending) == 0;
}

static bool is_file(const char *path, double *out_changed)
{
    struct stat about;
    if (stat(path, &about) != 0 || S_ISDIR(about.st_mode)) return false;
    *out_changed = (double)about.st_mtim.tv_sec + 1e-9 * (double)about.st_mtim.tv_nsec;
    return true;
}

/* Of the log, too, into which a study is written first. */
static double changed(arena *a, const char *path)
{
    double file = 0.0, log = 0.0;
    const char *beside = arena_printf(a, "%s-wal", path);
    if (!is_file(path, &file)) return -1.0;
    if (beside && is_file(beside, &log) && log > file) return log;
    return file;
}

static status find_newest(arena *a, const char **out, error *err)
{
    const char *found = NULL;
    double when = -1.0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (!ends_in_study(e->d_name)) continue;
        const char *path = arena_printf(a, "%s/%s", folder, e->d_name);
        const double then = path ? changed(a, path) : -1.0;
        const bool is_later = then > when || (found && then >= when && strcmp(path, found) < 0);
        if (path && is_later) found = path, when = then;
    }
    if (d) closedir(d);
    if (!found) {
        return fail(err, E_MISSING,
            "there is no study in %s/: name a store, or begin one: assay study run CONFIG", folder);
    }
    *out = found;
    return OK;
}

/* The name in studies/ that the word may have meant. */
static const char *nearest(arena *a, const char *word)
{
    const char *names[MOST_NAMES];
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && n < MOST_NAMES && (e = readdir(d)) != NULL;) {
        const size_t length = strlen(e->d_name);
        if (!ends_in_study(e->d_name)) continue;
        names[n] = arena_strndup(a, e->d_name, length - (sizeof ending - 1));
        n += names[n] != NULL;
    }
    if (d) closedir(d);
    return text_nearest(word, names, n);
}

bool study_is_store(const char *path)
{
    char head[16] = "";
    FILE *f = file_is_dir(path) ? NULL : fopen(path, "rb");
    const size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f) fclose(f);
    return n == sizeof head && memcmp(head, "SQLite format 3", 16) == 0;
}

/* A file, or a name below studies/; NULL: the newest there. */
static status find_file(arena *a, const char *word, const char **out, error *err)
{
    double when;
    if (!word) return find_newest(a, out, err);
    if (is_file(word, &when)) {
        if (!study_is_store(word)) {
            return fail(err, E_UNSUPPORTED,
                "%s: no store of a study; of a config: assay study run %s", word, word);
        }
        *out = word;
        return OK;
    }
    const char *path = study_path(a, word);
    if (!path) return fail_nomem(err, "a path");
    if (is_file(path, &when)) {
        *out = path;
        return OK;
    }
    const char *near = nearest(a, word);
    return fail(err, E_MISSING, "%s: no such store, and there is no %s%s%s%s", word, path,
        near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* The only study of a store, or the one of that name. */
static status pick(open_study *s, const char *name, error *err)
{
    status st = OK;
    store_cursor *c = NULL;
    store_study y;
    const char *only = NULL;
    text names = { 0 };
    size_t n = 0;
    TRY(studies_open(s->store, &c, err));
    for (bool is_row = true;;) {
        TRY(studies_next(c, &y, &is_row, err));
        if (!is_row) break;
        text_printf(&names, "%s%s", n++ ? ", " : "", y.name);
        only = arena_strdup(&s->memory, y.name);
        if (!only) TRY(fail_nomem(err, s->path));
    }
    store_cursor_close(c);
    c = NULL;
    if (!name && n == 0) TRY(fail(err, E_MISSING, "%s: has no study yet", s->path));
    if (!name && n > 1) {
        TRY(fail(err, E_USAGE, "%s: has %zu studies (%s): which one? --name NAME", s->path, n,
            names.s ? names.s : ""));
    }
    TRY(study_find(s->store, name ? name : only, &s->memory, &s->study, err));
done:
    store_cursor_close(c);
    text_release(&names);
    return st;
}

status study_open(
    open_study *s, const cli *c, const char *word, const char *name, store_mode mode, error *err)
{
    status st = OK;
    const store_options o = { .mode = mode };
    s->cli = c;
    TRY(session_open_registry(&s->session, c, err));
    TRY(find_file(&s->memory, word, &s->path, err));
    if (!word) cli_say(c, "  %s", s->path);
    TRY(store_open(s->path, &o, &s->store, err));
    TRY(pick(s, name, err));
    TRY(declaration_read(
        s->session.registry, s->study.name, s->study.declaration, &s->declaration, err));
done:
    return st;
}

void study_release(open_study *s)
{
    declaration_free(s->declaration);
    store_close(s->store);
    session_close(&s->session);
    arena_release(&s->memory);
}

status study_results(const open_study *s, results **out, error *err)
{
    return results_read(s->store, &s->study, s->declaration, out, err);
}

/* Whether a tuning begins no further trial: it has all that it may have, has spent its budget, or a grid has no more points. */
static bool is_spent(const results *r, size_t w, size_t c, uint64_t repeat)
{
    const declaration *d = r->declaration;
    const result_repeat *p = &r->workloads[w].contenders[c].repeats[repeat];
    double samples = 0.0, seconds = 0.0;
    if (p->n_tuning >= d->contenders[c].trials || p->n_runs > 0) return true;
    const bool is_grid = strcmp(block_type(d->contenders[c].strategy), "grid") == 0;
    if (is_grid && (double)p->n_tuning >= space_count(&d->contenders[c].space)) return true;
    for (size_t i = 0; i < r->n_rows; i++) {
        const trial_row *t = &r->rows[i];
        const bool is_of_it =
            t->phase == STORE_TUNE && t->workload == w && t->contender == c && t->repeat == repeat;
        if (!is_of_it) continue;
        samples += t->samples > 0.0 ? t->samples : 0.0;
        seconds += t->wall_s > 0.0 ? t->wall_s : 0.0;
    }
    return (d->budget_samples > 0.0 && samples >= d->budget_samples) ||
        (d->budget_seconds > 0.0 && seconds >= d->budget_seconds);
}

bool study_is_over(const results *r)
{
    const declaration *d = r->declaration;
    if (r->n_rows == 0 || r->count[TRIAL_WAITING] + r->count[TRIAL_RUNNING] > 0) return false;
    for (size_t w = 0; w < d->n_workloads; w++) {
        for (size_t c = 0; c < d->n_contenders; c++) {
            for (uint64_t k = 0; k < d->n_repeats; k++) {
                const result_repeat *p = &r->workloads[w].contenders[c].repeats[k];
                const bool has_ended = d->n_evaluations > 0 && p->n_runs >= d->n_evaluations;
                const bool wants_runs = d->n_evaluations > 0 && p->winner;
                if (!has_ended && (!is_spent(r, w, c, k) || wants_runs)) return false;
            }
        }
    }
    return true;
}

bool study_is_at_work(const trial_row *t)
{
    struct timespec now;
    if (t->state != TRIAL_RUNNING) return false;
    clock_gettime(CLOCK_REALTIME, &now);
    return t->lease > (double)now.tv_sec && !owner_is_dead(t->owner);
}

uint64_t study_n_at_work(const results *r)
{
    uint64_t n = 0;
    for (size_t i = 0; i < r->n_rows; i++)
        n += study_is_at_work(&r->rows[i]);
    return n;
}

const char *study_condition(const results *r, bool is_over)
{
    const bool is_paused = r->study.paused;
    if (!isnan(r->study.closed)) return "closed";
    if (is_over) return "done";
    if (study_n_at_work(r) > 0) return is_paused ? "stopping" : "running";
    if (is_paused) return "stopped";
    return r->count[TRIAL_RUNNING] > 0 ? "interrupted" : "waiting";
}

status option_count(
    const arguments *a, const char *name, unsigned otherwise, unsigned *out, error *err)
{
    const char *given = option_get(a, name);
    unsigned n = 0;
    const char *s = given;
    if (!given) {
        *out = otherwise;
        return OK;
    }
    for (; *s >= '0' && *s <= '9' && n < 100000; s++)
        n = 10 * n + (unsigned)(*s - '0');
    if (*s || s == given || n < 1 || n > 10000) {
        return fail(err, E_USAGE, "--%s: expected a whole number from 1 to 10000, found \"%s\"",
            name, given);
    }
    *out = n;
    return OK;
}

/* -- text -- */

void study_number(char out[48], double v)
{
    if (isnan(v) || isinf(v) || v == 0.0) {
        snprintf(out, 48, isnan(v) ? "-" : "%g", v);
        return;
    }
    snprintf(out, 48, "%.3e", v); /* rounded: 0.99996 has the exponent of 1 */
    const long exponent = strtol(strchr(out, 'e') + 1, NULL, 10);
    if (exponent < LEAST_PLAIN || exponent > MOST_PLAIN) return;
    snprintf(out, 48, "%.*f", exponent < 3 ? (int)(3 - exponent) : 0, v);
}

void study_add_plain(text *t, const char *s, size_t most)
{
    const size_t n = strlen(s);
    size_t columns = 0;
    for (size_t i = 0; i < n; columns++) {
        const size_t bytes = utf8_sequence(s + i, n - i);
        const unsigned char first = (unsigned char)s[i];
        const bool is_c1 = bytes == 2 && first == 0xc2 && (unsigned char)s[i + 1] < 0xa0;
        if (most && columns + 3 >= most && text_columns(s + i) > 3) {
            text_add(t, "...");
            return;
        }
        if (bytes == 0 || first < 0x20 || first == 0x7f || is_c1) {
            text_add(t, first == '\t' || first == '\n' ? " " : "?");
        } else {
            text_add_bytes(t, s + i, bytes);
        }
        i += bytes ? bytes : 1;
    }
}

/* A number of params; what json_in has not taken is not shown. */
static void add_number(text *t, double v, int digits)
{
    if (digits == 0) {
        text_add_real(t, v);
    } else {
        text_printf(t, "%.*g", digits, v);
    }
}

void study_add_params(text *t, const char *params, int digits)
{
    const size_t n = strlen(params);
    bool more = true;
    arena a = { 0 };
    json_in j = { .what = "params", .s = params, .n = n, .strings = arena_alloc(&a, n + 1) };
    status st = j.strings ? json_in_open(&j, '{', NULL) : E_NOMEM;
    for (size_t i = 0; st == OK; i++) {
        const char *key = NULL, *word = NULL;
        double v = 0.0;
        st = json_in_more(&j, '}', i, &more, NULL);
        if (st != OK || !more) break;
        st = json_in_key(&j, &key, NULL);
        if (st != OK) break;
        if (i) text_add(t, " ");
        study_add_plain(t, key, 0);
        text_add(t, "=");
        const char c = json_in_peek(&j);
        if (c == '"') {
            st = json_in_string(&j, &word, NULL);
            if (word) study_add_plain(t, word, 0);
        } else if (c == 't' || c == 'f') {
            text_add(t, c == 't' ? "true" : "false");
            st = json_in_skip(&j, NULL);
        } else {
            st = json_in_real(&j, &v, NULL);
            if (st == OK) add_number(t, v, digits);
        }
    }
    arena_release(&a);
}

void study_add_command(text *t, const open_study *s, const char *what)
{
    arena a = { 0 };
    const char *usual = study_path(&a, s->study.name);
    const bool is_usual = usual && strcmp(usual, s->path) == 0;
    text_printf(t, "assay study %s %s", what, is_usual ? s->study.name : s->path);
    arena_release(&a);
}
#else
typedef int no_studies; /* a file holds something */
#endif
