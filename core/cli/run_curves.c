/* A run's records as arrays.
 *
 * The files are our own (run_records.c): no quotes, no blanks around cells, "step" first. A row may be cut off where the machine
 * died; what is there is used. Which check was best is told by metrics.jsonl alone. */
#include "cli/run_curves.h"

#include "base/file.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static status read_best(run_curves *r, const char *path, error *err)
{
    char *all = NULL;
    size_t n;
    if (!file_exists(path)) {
        return OK;
    }
    const status st = file_read(path, &all, &n, err);
    for (const char *line = all; st == OK && line && *line;) {
        const char *end = line + strcspn(line, "\n");
        const char *step = strstr(line, "\"step\": "), *best = strstr(line, "\"best\": true");
        if (step && best && step < end && best < end) {
            r->best_step = strtoull(step + strlen("\"step\": "), NULL, 10);
        }
        line = *end ? end + 1 : end;
    }
    free(all);
    return st;
}

/* "runs/digits-1/" and "runs/digits-1" are called "digits-1". */
static const char *name_of(const char *folder, arena *a)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') {
        n--;
    }
    const char *bare = arena_strndup(a, folder, n);
    return bare ? path_base(bare) : NULL;
}

status run_curves_open(const char *folder, arena *a, run_curves *out, error *err)
{
    status st = OK;
    size_t n;
    run_curves r = { .folder = folder };
    const char *csv = path_join(a, folder, "metrics.csv");
    const char *jsonl = path_join(a, folder, "metrics.jsonl");
    r.name = name_of(folder, a);
    if (!csv || !jsonl || !r.name) {
        TRY(fail_nomem(err, "a run's curves"));
    }
    if (!file_is_dir(folder)) {
        TRY(fail(err, E_USAGE, "%s: not the folder of a run", folder));
    }
    if (!file_exists(csv)) {
        TRY(fail(
            err, E_MISSING, "%s: not the folder of a run: there is no metrics.csv in it", folder));
    }
    TRY(file_read(csv, &r.table, &n, err));
    TRY(read_best(&r, jsonl, err));
    *out = r;
    r.table = NULL;
done:
    free(r.table);
    return st;
}

void run_curves_close(run_curves *r)
{
    free(r->table);
    r->table = NULL;
}

/* The i-th cell of a line, up to its comma or the line's end; NULL when the line is shorter. */
static const char *cell(const char *line, size_t i, size_t *out_n)
{
    for (; i > 0; i--) {
        line += strcspn(line, ",\n");
        if (*line != ',') return NULL;
        line++;
    }
    *out_n = strcspn(line, ",\r\n");
    return line;
}

static bool find_column(const char *table, const char *name, size_t *out)
{
    size_t n;
    const char *c;
    for (size_t i = 0; (c = cell(table, i, &n)) != NULL; i++) {
        if (strlen(name) == n && strncmp(c, name, n) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return *line ? line + 1 : line;
}

status run_curves_column(
    const run_curves *r, const char *name, arena *a, run_curve *out, error *err)
{
    size_t i_column, n_lines = 0, n;
    run_curve c = { 0 };
    *out = c;
    if (!find_column(r->table, name, &i_column)) {
        return OK;
    }
    for (const char *line = r->table; *line; line = next_line(line)) {
        n_lines++;
    }
    c.step = arena_alloc_array(a, n_lines, sizeof *c.step);
    c.value = arena_alloc_array(a, n_lines, sizeof *c.value);
    if (!c.step || !c.value) {
        return fail_nomem(err, "a run's curves");
    }
    for (const char *line = next_line(r->table); *line; line = next_line(line)) {
        const char *end, *at = cell(line, i_column, &n);
        if (!at || n == 0) continue;
        c.step[c.n] = text_to_real(line, &end);
        c.value[c.n] = text_to_real(at, &end);
        c.n += end == at + n; /* what is no number is passed over */
    }
    *out = c;
    return OK;
}

status run_curves_names(
    const run_curves *r, arena *a, const char *const **out, size_t *out_n, error *err)
{
    size_t n = 0, n_bytes;
    while (cell(r->table, n, &n_bytes)) {
        n++;
    }
    const char **names = arena_alloc_array(a, n, sizeof *names);
    for (size_t i = 0; names && i < n; i++) {
        const char *at = cell(r->table, i, &n_bytes);
        names[i] = arena_strndup(a, at, n_bytes);
        if (!names[i]) return fail_nomem(err, "a run's columns");
    }
    *out = names;
    *out_n = n;
    return names ? OK : fail_nomem(err, "a run's columns");
}
