/* Targets of the kept rows.
 *
 * task = "auto": text is classes; one column of whole numbers with at most 20 different ones, each of which comes twice on
 * average, is classes; several columns of nothing but 0 and 1 are binary; everything else is real numbers. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_AUTO_CLASSES = 20 };

/* Whether all of a column's kept values in the main file are numbers of [low, high] without a fraction. */
static bool is_whole(const struct source *s, size_t column, double low, double high)
{
    for (size_t i = 0; i < s->n_places; i++) {
        double v = 0;
        if (s->place[i].table != TABLE_MAIN) continue;
        const char *cell = source_cell(s, TABLE_MAIN, s->place[i].row, column);
        if (cell == NULL || !number_parse(cell, &v)) return false;
        if (!(v >= low && v <= high) || v != (double)(int64_t)v) return false;
    }
    return true;
}

static size_t n_main_places(const struct source *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_places; i++)
        n += s->place[i].table == TABLE_MAIN;
    return n;
}

static int64_t find_task(const struct source *s)
{
    const struct column *first = &s->column[s->target[0]];
    if (s->hyper->task != TASK_AUTO) return s->hyper->task;
    if (s->n_targets > 1) {
        for (size_t i = 0; i < s->n_targets; i++) {
            if (!is_whole(s, s->target[i], 0, 1)) return TASK_REAL;
        }
        return TASK_BINARY;
    }
    if (first->is_category) return TASK_CLASS;
    const size_t n = first->categories.n;
    const bool few = n <= MAX_AUTO_CLASSES && 2 * n <= n_main_places(s);
    return few && is_whole(s, s->target[0], -1e9, 1e9) ? TASK_CLASS : TASK_REAL;
}

static int names_make(const struct source *s, const struct categories *c, const char *const **out)
{
    const char **names = s->ctx->host->alloc(s->ctx, c->n * sizeof(char *));
    if (names == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < c->n; i++) {
        char name[256];
        categories_name(c, i, name, sizeof(name));
        names[i] = source_text(s, "%s", name);
        if (names[i] == NULL) return table_nomem(s->ctx);
    }
    *out = names;
    return ASSAY_OK;
}

static int fail_unknown_class(const struct source *s, size_t i, size_t column, const char *cell)
{
    return source_fail(s, s->place[i].table, s->place[i].row, column,
        "class \"%.60s\" does not occur in %.100s", cell, s->table[TABLE_MAIN].name);
}

static int class_make(struct source *s, assay_data *out)
{
    const size_t column = s->target[0];
    const struct categories *c = &s->column[column].categories;
    if (s->n_targets > 1) {
        return s->ctx->host->fail(s->ctx, ASSAY_E_INVALID, "targets",
            "classes come from one column: name one, or set task to real or binary");
    }
    if (c->n < 2) {
        return table_fail(s->ctx, ASSAY_E_DATA, &s->table[TABLE_MAIN], 0,
            "column \"%.60s\": every row is of one class", s->column[column].name);
    }
    int32_t *label = s->ctx->host->alloc(s->ctx, s->n_places * sizeof(int32_t));
    if (label == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < s->n_places; i++) {
        label[i] = 0;
        if (s->mapping[s->place[i].table].unlabelled) continue;
        const char *cell = source_cell(s, s->place[i].table, s->place[i].row, column);
        const size_t k = categories_find(c, cell);
        if (k == SIZE_MAX) return fail_unknown_class(s, i, column, cell);
        label[i] = (int32_t)k;
    }
    out->target = ASSAY_TARGET_CLASS;
    out->n_classes = c->n;
    out->label = label;
    return names_make(s, c, &out->class_names);
}

/* A value of a binary target: 0 or 1 as it stands, or which of two texts. */
static int binary_value(const struct source *s, size_t i, size_t column, double *out)
{
    const struct column *c = &s->column[column];
    const struct place at = s->place[i];
    if (c->is_category) {
        const char *cell = source_cell(s, at.table, at.row, column);
        const size_t k = categories_find(&c->categories, cell);
        if (k == SIZE_MAX) return fail_unknown_class(s, i, column, cell);
        *out = (double)k;
        return c->categories.n == 2
            ? ASSAY_OK
            : source_fail(s, at.table, at.row, column,
                  "a binary target has two different texts, this has %zu", c->categories.n);
    }
    const int code = source_number(s, at.table, at.row, column, out);
    if (code == ASSAY_OK && *out != 0 && *out != 1) {
        return source_fail(
            s, at.table, at.row, column, "expected 0 or 1 of a binary target, found %g", *out);
    }
    return code;
}

static int real_value(const struct source *s, size_t i, size_t column, double *out)
{
    if (s->column[column].is_category) {
        char message[200];
        snprintf(message, sizeof(message), "column \"%.60s\" is a category, not real numbers",
            s->column[column].name);
        return s->ctx->host->fail(s->ctx, ASSAY_E_INVALID, "task", message);
    }
    return source_number(s, s->place[i].table, s->place[i].row, column, out);
}

static int numbers_make(struct source *s, bool is_binary, assay_data *out)
{
    const assay_host *host = s->ctx->host;
    const size_t n = s->n_targets;
    float *targets = host->alloc(s->ctx, s->n_places * n * sizeof(float)); // [n_places, n]
    const char **names = host->alloc(s->ctx, n * sizeof(char *));
    if (targets == NULL || names == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < s->n_places; i++) {
        for (size_t k = 0; k < n; k++) {
            double v = 0;
            const int code = s->mapping[s->place[i].table].unlabelled ? ASSAY_OK
                : is_binary ? binary_value(s, i, s->target[k], &v)
                            : real_value(s, i, s->target[k], &v);
            if (code != ASSAY_OK) return code;
            targets[i * n + k] = (float)v;
        }
    }
    for (size_t k = 0; k < n; k++) {
        const struct column *c = &s->column[s->target[k]];
        names[k] = is_binary && c->is_category
            ? source_text(s, "%.200s=%.200s", c->name, c->categories.item[1].text)
            : c->name;
        if (names[k] == NULL) return table_nomem(s->ctx);
    }
    out->target = is_binary ? ASSAY_TARGET_BINARY : ASSAY_TARGET_REAL;
    out->targets = targets;
    out->n_targets = n;
    out->target_names = names;
    return ASSAY_OK;
}

int target_make(struct source *s, assay_data *out)
{
    for (size_t k = 0; k < s->n_targets; k++) {
        const int code = categories_make(s, s->target[k], &s->column[s->target[k]].categories);
        if (code != ASSAY_OK) return code;
    }
    const int64_t task = find_task(s);
    out->n_targets = 1;
    return task == TASK_CLASS ? class_make(s, out) : numbers_make(s, task == TASK_BINARY, out);
}
