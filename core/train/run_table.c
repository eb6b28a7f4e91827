/* Bringing a table to other columns.
 *
 * No name and no number has a comma or a quote in it, so cells are what lies between commas. The table is written anew as a whole
 * and takes the old one's place at once. */
#include "train/run_table.h"

#include "base/arena.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>

void run_table_header(const char *const *columns, size_t n, text *out)
{
    text_add(out, "step,epoch,wall_s");
    for (size_t i = 0; i < n; i++) {
        text_printf(out, ",%s", columns[i]);
    }
    text_add(out, "\n");
}

/* Cuts a line into cells, in place; those that it lacks are "". */
static void cut(char *line, char **cells, size_t n)
{
    char *at = line, *const end = line + strlen(line);
    for (size_t i = 0; i < n; i++) {
        cells[i] = at ? at : end;
        char *comma = at ? strchr(at, ',') : NULL;
        if (comma) {
            *comma = '\0';
        }
        at = comma ? comma + 1 : NULL;
    }
}

static size_t count_cells(const char *line)
{
    size_t n = 1;
    for (const char *at = line; (at = strchr(at, ',')); at++) {
        n++;
    }
    return n;
}

/* Every whole line of `rows` (a last one that was cut off is left out) with the cells that the new header asks for. */
static status write_rows(char *header, char *rows, char *wanted, text *out, error *err)
{
    arena a = { 0 };
    status st = OK;
    const size_t n_old = count_cells(header), n_new = count_cells(wanted);
    char **old = arena_alloc_array(&a, n_old, sizeof *old);
    char **new = arena_alloc_array(&a, n_new, sizeof *new);
    size_t *from = arena_alloc_array(&a, n_new, sizeof *from);
    if (!old || !new || !from) {
        TRY(fail_nomem(err, "metrics.csv"));
    }
    cut(header, old, n_old);
    cut(wanted, new, n_new);
    for (size_t i = 0; i < n_new; i++) {
        for (from[i] = 0; from[i] < n_old && strcmp(old[from[i]], new[i]) != 0;) {
            from[i]++;
        }
    }
    for (char *line = rows, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        cut(line, old, n_old);
        for (size_t i = 0; i < n_new; i++) {
            text_printf(out, "%s%s", i ? "," : "", from[i] < n_old ? old[from[i]] : "");
        }
        text_add(out, "\n");
    }
    TRY(text_check(out, err));
done:
    arena_release(&a);
    return st;
}

status run_table_fit(const char *path, const char *const *columns, size_t n, error *err)
{
    char *all = NULL;
    size_t n_all = 0;
    text wanted = { 0 }, out = { 0 };
    status st = OK;
    if (!file_exists(path)) {
        return OK;
    }
    TRY(file_read(path, &all, &n_all, err));
    run_table_header(columns, n, &wanted);
    TRY(text_check(&wanted, err));
    char *newline = memchr(all, '\n', n_all);
    if (!newline || (n_all >= wanted.n && memcmp(all, wanted.s, wanted.n) == 0)) {
        goto done;
    }
    *newline = '\0';
    text_add(&out, wanted.s);
    wanted.s[wanted.n - 1] = '\0';
    TRY(write_rows(all, newline + 1, wanted.s, &out, err));
    TRY(file_write_atomic(path, out.s, out.n, err));
done:
    free(all);
    text_release(&wanted);
    text_release(&out);
    return st;
}
