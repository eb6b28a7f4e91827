/* The names of a table's columns, and columns by what a config calls them. */
#include "../shared/csv_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *copy_name(assay_ctx *ctx, const char *name)
{
    const size_t n = strlen(name) + 1;
    char *out = ctx->host->alloc(ctx, n);
    if (out != NULL) memcpy(out, name, n);
    return out;
}

int table_names(assay_ctx *ctx, struct table *t)
{
    char number[32], cut[512];
    t->column = ctx->host->alloc(ctx, t->n_columns * sizeof(char *));
    if (t->column == NULL) return table_nomem(ctx);
    for (size_t i = 0; i < t->n_columns; i++) {
        const char *name = t->first_row > 0 ? table_cell(t, 0, i) : "";
        for (size_t j = 0; j < i && name[0] != '\0'; j++) {
            if (strcmp(t->column[j], name) == 0) {
                return table_fail(
                    ctx, ASSAY_E_DATA, t, t->line[0], "two columns are named \"%.60s\"", name);
            }
        }
        snprintf(number, sizeof(number), "%zu", i);
        snprintf(cut, sizeof(cut), "%s", name);
        t->column[i] = copy_name(ctx, name[0] != '\0' ? cut : number);
        if (t->column[i] == NULL) return table_nomem(ctx);
    }
    return ASSAY_OK;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Edit distance over the first 63 bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64];
    const size_t n_a = strlen(a) < 63 ? strlen(a) : 63, n_b = strlen(b) < 63 ? strlen(b) : 63;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t above = row[j];
            row[j] = smallest(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n_b];
}

/* The column's name that is closest to `name`, or NULL. */
static const char *nearest(const struct table *t, const char *name)
{
    const char *best = NULL;
    size_t best_distance = strlen(name) / 3 + 2;
    for (size_t i = 0; i < t->n_columns; i++) {
        const size_t d = distance(name, t->column[i]);
        if (d < best_distance) {
            best = t->column[i];
            best_distance = d;
        }
    }
    return best;
}

static int fail_unknown(assay_ctx *ctx, const struct table *t, const char *key, const char *name)
{
    char message[400];
    const char *guess = nearest(t, name);
    if (guess != NULL) {
        snprintf(message, sizeof(message),
            "%.100s has no column \"%.60s\": did you mean \"%.60s\"?", t->name, name, guess);
    } else {
        snprintf(message, sizeof(message),
            "%.100s has no column \"%.60s\": it has %zu, from \"%.60s\" to \"%.60s\"", t->name,
            name, t->n_columns, t->column[0], t->column[t->n_columns - 1]);
    }
    return ctx->host->fail(ctx, ASSAY_E_INVALID, key, message);
}

int table_find_column(
    assay_ctx *ctx, const struct table *t, const char *key, const char *name, size_t *out)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (strcmp(t->column[i], name) == 0) {
            *out = i;
            return ASSAY_OK;
        }
    }
    char *end = NULL;
    const unsigned long number = strtoul(name, &end, 10);
    if (strcmp(name, "last") == 0) {
        *out = t->n_columns - 1;
    } else if (name[0] >= '0' && name[0] <= '9' && *end == '\0' && number < t->n_columns) {
        *out = number;
    } else {
        return fail_unknown(ctx, t, key, name);
    }
    return ASSAY_OK;
}
