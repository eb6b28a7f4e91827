/* What the columns are: names, roles from the config, numbers or categories from the cells.
 *
 * A column holds numbers when more than half of its cells that are not missing are numbers; a cell that is not one is then
 * an error with its line. Otherwise it is a category. The main file alone decides, so that a test file cannot change the
 * features. */
#include "source.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *source_text(const struct source *s, const char *format, ...)
{
    char buffer[512];
    va_list args;
    va_start(args, format);
    vsnprintf(buffer, sizeof(buffer), format, args);
    va_end(args);
    const size_t n = strlen(buffer) + 1;
    char *out = s->ctx->host->alloc(s->ctx, n);
    if (out != NULL) memcpy(out, buffer, n);
    return out;
}

const char *source_cell(const struct source *s, size_t table, size_t row, size_t column)
{
    const size_t at = s->mapping[table].at[column];
    if (at == SIZE_MAX) return NULL;
    const char *cell = table_cell(&s->table[table], row, at);
    return table_is_missing(&s->hyper->missing_values, cell) ? NULL : cell;
}

int source_fail(
    const struct source *s, size_t table, size_t row, size_t column, const char *format, ...)
{
    char message[360];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    const struct table *t = &s->table[table];
    return table_fail(s->ctx, ASSAY_E_DATA, t, t->line[row], "column \"%.60s\": %s",
        s->column[column].name, message);
}

int source_number(const struct source *s, size_t table, size_t row, size_t column, double *out)
{
    const struct table *t = &s->table[table];
    return table_number(s->ctx, t, t->line[row], s->column[column].name,
        source_cell(s, table, row, column),
        "add it to missing_values, or the column to categorical or drop", out);
}

/* By name, as "last", or by number from 0. */
static int find_column(const struct source *s, const char *key, const char *name, size_t *out)
{
    return table_find_column(s->ctx, &s->table[TABLE_MAIN], key, name, out);
}

static int give_role(
    struct source *s, const char *key, const char *name, enum role role, size_t *out)
{
    const int code = find_column(s, key, name, out);
    if (code != ASSAY_OK) return code;
    struct column *c = &s->column[*out];
    if (c->role != ROLE_FEATURE) {
        char message[200];
        snprintf(message, sizeof(message),
            "column \"%.60s\" is named twice among target, weight, group and drop", c->name);
        return s->ctx->host->fail(s->ctx, ASSAY_E_INVALID, key, message);
    }
    c->role = role;
    return ASSAY_OK;
}

/* The one target, or several, or the last column. */
static int give_targets(struct source *s)
{
    const struct csv *h = s->hyper;
    const char *const one[] = { h->target != NULL ? h->target : "last" };
    const assay_strings names = h->targets.n > 0 ? h->targets : (assay_strings){ one, 1 };
    const char *key = h->targets.n > 0 ? "targets" : "target";
    s->target = calloc(names.n, sizeof(size_t));
    if (s->target == NULL) return table_nomem(s->ctx);
    s->n_targets = names.n;
    for (uint64_t i = 0; i < names.n; i++) {
        const int code = give_role(s, key, names.item[i], ROLE_TARGET, &s->target[i]);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

static int give_roles(struct source *s)
{
    const struct csv *h = s->hyper;
    size_t column = 0;
    int code = give_targets(s);
    if (code == ASSAY_OK && h->weight != NULL) {
        code = give_role(s, "weight", h->weight, ROLE_WEIGHT, &column);
    }
    if (code == ASSAY_OK && h->group != NULL) {
        code = give_role(s, "group", h->group, ROLE_GROUP, &column);
    }
    for (uint64_t i = 0; i < h->drop.n && code == ASSAY_OK; i++) {
        code = give_role(s, "drop", h->drop.item[i], ROLE_DROPPED, &column);
    }
    for (uint64_t i = 0; i < h->categorical.n && code == ASSAY_OK; i++) {
        code = find_column(s, "categorical", h->categorical.item[i], &column);
        if (code == ASSAY_OK) s->column[column].is_category = true;
    }
    return code;
}

/* Columns by place, where there is no header. A test file may leave the targets out. */
static int map_places(struct source *s, size_t table)
{
    const struct table *t = &s->table[table];
    const bool no_targets = table == TABLE_TEST && t->n_columns + s->n_targets == s->n_columns;
    if (t->n_columns != s->n_columns && !no_targets) {
        return table_fail(s->ctx, ASSAY_E_DATA, t, t->line[0],
            "expected %zu fields as in %.100s, found %zu", s->n_columns, s->table[0].name,
            t->n_columns);
    }
    for (size_t i = 0, k = 0; i < s->n_columns; i++) {
        const bool is_out = no_targets && s->column[i].role == ROLE_TARGET;
        s->mapping[table].at[i] = is_out ? SIZE_MAX : k++;
    }
    return ASSAY_OK;
}

/* Columns by name. */
static void map_names(struct source *s, size_t table)
{
    const struct table *t = &s->table[table];
    size_t *at = s->mapping[table].at;
    for (size_t i = 0; i < s->n_columns; i++) {
        const char *wanted = table_cell(&s->table[TABLE_MAIN], 0, i);
        at[i] = SIZE_MAX;
        for (size_t k = 0; k < t->n_columns && at[i] == SIZE_MAX; k++) {
            if (strcmp(table_cell(t, 0, k), wanted) == 0) at[i] = k;
        }
    }
}

static void warn_unlabelled(const struct source *s, const struct table *t, size_t column)
{
    char message[300];
    snprintf(message, sizeof(message),
        "%.100s has no column \"%.60s\", the target: its rows can be predicted, but not judged",
        t->name, s->column[column].name);
    s->ctx->host->log(s->ctx, ASSAY_LOG_WARNING, message);
}

/* Without a target the rows of a test file are to be predicted, and need neither weight nor group. */
static int check_map(struct source *s, size_t table)
{
    const struct table *t = &s->table[table];
    struct mapping *m = &s->mapping[table];
    for (size_t k = 0; k < s->n_targets && table == TABLE_TEST; k++) {
        if (m->at[s->target[k]] != SIZE_MAX || m->unlabelled) continue;
        m->unlabelled = true;
        warn_unlabelled(s, t, s->target[k]);
    }
    for (size_t i = 0; i < s->n_columns; i++) {
        const enum role role = s->column[i].role;
        if (m->at[i] != SIZE_MAX || role == ROLE_DROPPED) continue;
        if (m->unlabelled && role != ROLE_FEATURE) continue;
        return table_fail(s->ctx, ASSAY_E_DATA, t, t->line[0],
            "has no column \"%.60s\", which %.100s has", s->column[i].name,
            s->table[TABLE_MAIN].name);
    }
    return ASSAY_OK;
}

/* Where the main table's columns are in another one: by name below a header, else by place. */
static int map_columns(struct source *s, size_t table)
{
    s->mapping[table].at = calloc(s->n_columns, sizeof(size_t));
    if (s->mapping[table].at == NULL) return table_nomem(s->ctx);
    if (s->table[table].first_row > 0 && table != TABLE_MAIN) {
        map_names(s, table);
    } else {
        const int code = map_places(s, table);
        if (code != ASSAY_OK) return code;
    }
    return check_map(s, table);
}

/* Numbers or categories, by the majority of the main file's cells. */
static int find_kind(struct source *s, size_t column)
{
    const struct table *t = &s->table[TABLE_MAIN];
    struct column *c = &s->column[column];
    size_t n_numbers = 0;
    const size_t n_cells = table_count_numbers(t, &s->hyper->missing_values, column, &n_numbers);
    if (n_cells == 0) {
        return table_fail(s->ctx, ASSAY_E_DATA, t, 0,
            "column \"%.60s\": every value is missing: name it in drop", c->name);
    }
    if (2 * n_numbers <= n_cells) c->is_category = true;
    return ASSAY_OK;
}

int columns_make(struct source *s)
{
    const struct table *main_table = &s->table[TABLE_MAIN];
    s->n_columns = main_table->n_columns;
    s->column = calloc(s->n_columns, sizeof(struct column));
    if (s->column == NULL) return table_nomem(s->ctx);
    int code = table_names(s->ctx, &s->table[TABLE_MAIN]);
    for (size_t i = 0; i < s->n_columns && code == ASSAY_OK; i++)
        s->column[i].name = main_table->column[i];
    if (code == ASSAY_OK) code = give_roles(s);
    for (size_t i = 0; i < N_TABLES && code == ASSAY_OK; i++) {
        if (s->table[i].path != NULL) code = map_columns(s, i);
    }
    for (size_t i = 0; i < s->n_columns && code == ASSAY_OK; i++) {
        const enum role role = s->column[i].role;
        if (role == ROLE_FEATURE || role == ROLE_TARGET) code = find_kind(s, i);
    }
    return code;
}
