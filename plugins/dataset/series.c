/* Time series from a CSV file: the next value of one column, from the last values of some.
 *
 *   sample i: x_t = row[i stride + t], t = 0..history-1;   target = row[i stride + history - 1 + horizon][target]
 *
 * (Box, Jenkins 1970, "Time series analysis": the airline passengers that transform = "log" is for; windows as they are usual
 * since Weigend, Gershenfeld 1993, "Time series prediction".) Each sample is a sequence of `history` steps with one real target.
 * Windows overlap, and share one array [rows, columns]: no value is stored twice.
 *
 * Neighbouring windows share values, so a random split would test on what was trained on: data.split.method = "time" belongs
 * to a series. Even then the first windows of a later part look back at rows that the part before predicts, as in real
 * forecasting.
 *
 * The table is read as the csv dataset reads its own. Columns are numbers; text ones are left out unless they are named,
 * which is an error; `index` (a date, a row number) always is. transform = "log" takes the natural logarithm of all columns and
 * the target: loss and metrics are then of logarithms. missing = "mean" leaves gaps in the columns to the host, which fills in the
 * training part's mean; the target may have none. */
#include "shared/csv_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MISSING_ERROR, MISSING_MEAN };
enum { TRANSFORM_NONE, TRANSFORM_LOG };

static const char *const headers[] = TABLE_HEADER_CHOICES;
static const char *const policies[] = { "error", "mean" };
static const char *const transforms[] = { "none", "log" };

struct series {
    const char *file;
    assay_strings columns;
    const char *index, *target;
    int64_t history, horizon, stride, transform;
    const char *separator;
    int64_t header;
    assay_strings missing_values;
    int64_t missing;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(series, file, NULL, "the table, a row a time step in their order",
        .flags = ASSAY_PATH | ASSAY_REQUIRED),
    ASSAY_STRINGS(series, columns, "", "what is seen of each step; none: every column of numbers"),
    ASSAY_STRING(series, index, NULL, "the column that counts the steps: not seen"),
    ASSAY_STRING(series, target, NULL, "the column to predict; none: the first of columns"),
    ASSAY_INT(series, history, 0, 1, 1e9, "steps that are seen", .flags = ASSAY_REQUIRED,
        .unit = "steps"),
    ASSAY_INT(series, horizon, 1, 1, 1e9, "the target is so many steps after the last one seen",
        .unit = "steps"),
    ASSAY_INT(series, stride, 1, 1, 1e9, "from the beginning of one sample to that of the next",
        .unit = "steps"),
    ASSAY_ENUM(series, transform, TRANSFORM_NONE, transforms,
        "of columns and target; log: the natural logarithm"),
    TABLE_HYPERS(series, headers),
    ASSAY_ENUM(series, missing, MISSING_ERROR, policies,
        "for missing values: an error, or the training part's mean (not of the target)"),
};

struct source {
    assay_ctx *ctx;
    const struct series *hyper;
    assay_data *out;
    struct table table;
    size_t *column; /* [n_columns] */
    size_t n_columns, target;
    size_t n_rows; /* below the header */
};

/* Whether it is text by the rule of the csv dataset: half of its values or more. */
static int check_kind(const struct source *s, size_t column, bool *out_is_text)
{
    const struct table *t = &s->table;
    size_t n_numbers = 0;
    const size_t n = table_count_numbers(t, &s->hyper->missing_values, column, &n_numbers);
    *out_is_text = 2 * n_numbers <= n;
    return n > 0 ? ASSAY_OK
                 : table_fail(s->ctx, ASSAY_E_DATA, t, 0,
                       "column \"%.60s\": every value is missing: leave it out of columns",
                       t->column[column]);
}

/* A column that the config names, which must be one of numbers and not the index. */
static int find_column(
    const struct source *s, const char *key, const char *name, size_t index, size_t *out)
{
    char message[200];
    bool is_text = false;
    int code = table_find_column(s->ctx, &s->table, key, name, out);
    if (code == ASSAY_OK) code = check_kind(s, *out, &is_text);
    if (code != ASSAY_OK || (!is_text && *out != index)) return code;
    snprintf(message, sizeof(message), "column \"%.60s\" %s", s->table.column[*out],
        is_text ? "is text, and a series is numbers" : "is the index, which is not seen");
    return s->ctx->host->fail(s->ctx, ASSAY_E_INVALID, key, message);
}

static int name_twice(const struct source *s, size_t column)
{
    char message[200];
    snprintf(message, sizeof(message), "column \"%.60s\" is named twice", s->table.column[column]);
    return s->ctx->host->fail(s->ctx, ASSAY_E_INVALID, "columns", message);
}

static int columns_named(struct source *s, size_t index)
{
    const assay_strings *names = &s->hyper->columns;
    for (uint64_t i = 0; i < names->n; i++) {
        size_t column = 0;
        const int code = find_column(s, "columns", names->item[i], index, &column);
        if (code != ASSAY_OK) return code;
        for (size_t k = 0; k < s->n_columns; k++) {
            if (s->column[k] == column) return name_twice(s, column);
        }
        s->column[s->n_columns++] = column;
    }
    return ASSAY_OK;
}

static int columns_of_numbers(struct source *s, size_t index)
{
    for (size_t i = 0; i < s->table.n_columns; i++) {
        bool is_text = false;
        const int code = i != index ? check_kind(s, i, &is_text) : ASSAY_OK;
        if (code != ASSAY_OK) return code;
        if (i != index && !is_text) s->column[s->n_columns++] = i;
    }
    if (s->n_columns > 0) return ASSAY_OK;
    return table_fail(s->ctx, ASSAY_E_DATA, &s->table, 0, "no column of numbers");
}

static int columns_make(struct source *s)
{
    const struct series *h = s->hyper;
    size_t index = SIZE_MAX;
    const size_t n = s->table.n_columns > h->columns.n ? s->table.n_columns : h->columns.n;
    s->column = calloc(n, sizeof(size_t));
    if (s->column == NULL) return table_nomem(s->ctx);
    int code = h->index != NULL ? table_find_column(s->ctx, &s->table, "index", h->index, &index)
                                : ASSAY_OK;
    if (code == ASSAY_OK) {
        code = h->columns.n > 0 ? columns_named(s, index) : columns_of_numbers(s, index);
    }
    if (code != ASSAY_OK) return code;
    s->target = s->column[0];
    return h->target != NULL ? find_column(s, "target", h->target, index, &s->target) : ASSAY_OK;
}

/* A value, transformed; NaN where it is missing and may be. */
static int read_value(const struct source *s, size_t row, size_t column, bool may_miss, float *out)
{
    const struct table *t = &s->table;
    const char *name = t->column[column];
    const size_t line = t->line[t->first_row + row];
    const char *cell = table_cell(t, t->first_row + row, column);
    double v = 0;
    if (table_is_missing(&s->hyper->missing_values, cell)) {
        if (may_miss) {
            *out = NAN;
            return ASSAY_OK;
        }
        return table_fail(s->ctx, ASSAY_E_DATA, t, line, "column \"%.60s\": a missing value%s",
            name,
            s->hyper->missing == MISSING_MEAN
                ? ", and no mean for it as it is the target"
                : ": set missing to \"mean\", or leave the column out");
    }
    const int code = table_number(
        s->ctx, t, line, name, cell, "add it to missing_values, or leave the column out", &v);
    if (code != ASSAY_OK) return code;
    if (s->hyper->transform == TRANSFORM_LOG && !(v > 0)) {
        return table_fail(s->ctx, ASSAY_E_DATA, t, line,
            "column \"%.60s\": %.60s has no logarithm: set transform to \"none\"", name, cell);
    }
    *out = (float)(s->hyper->transform == TRANSFORM_LOG ? log(v) : v);
    return ASSAY_OK;
}

static int features_make(struct source *s)
{
    assay_data *out = s->out;
    const size_t n = s->n_columns;
    const bool may_miss = s->hyper->missing == MISSING_MEAN;
    const char **names = s->ctx->host->alloc(s->ctx, n * sizeof(char *));
    float *x = s->ctx->host->alloc(s->ctx, s->n_rows * n * sizeof(float)); // [n_rows, n]
    if (names == NULL || x == NULL) return table_nomem(s->ctx);
    for (size_t k = 0; k < n; k++)
        names[k] = s->table.column[s->column[k]];
    for (size_t i = 0; i < s->n_rows * n; i++) {
        const int code = read_value(s, i / n, s->column[i % n], may_miss, &x[i]);
        if (code != ASSAY_OK) return code;
    }
    out->x_shape = (assay_shape){ 1, { n } };
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x = x;
    out->x_stride = n * sizeof(float);
    out->feature_names = names;
    out->missing = may_miss;
    return ASSAY_OK;
}

static int windows_make(struct source *s)
{
    const struct series *h = s->hyper;
    assay_data *out = s->out;
    const size_t history = (size_t)h->history, horizon = (size_t)h->horizon;
    if (s->n_rows < history + horizon) {
        return table_fail(s->ctx, ASSAY_E_DATA, &s->table, 0,
            "%zu rows are too few: a history of %zu and a horizon of %zu take %zu", s->n_rows,
            history, horizon, history + horizon);
    }
    const size_t n = (s->n_rows - history - horizon) / (size_t)h->stride + 1;
    uint64_t *first = s->ctx->host->alloc(s->ctx, n * sizeof(uint64_t));
    uint64_t *steps = s->ctx->host->alloc(s->ctx, n * sizeof(uint64_t));
    float *targets = s->ctx->host->alloc(s->ctx, n * sizeof(float)); // [n, 1]
    const char **name = s->ctx->host->alloc(s->ctx, sizeof(char *));
    if (first == NULL || steps == NULL || targets == NULL || name == NULL) {
        return table_nomem(s->ctx);
    }
    for (size_t i = 0; i < n; i++) {
        first[i] = i * (size_t)h->stride;
        steps[i] = history;
        const size_t row = i * (size_t)h->stride + history - 1 + horizon;
        const int code = read_value(s, row, s->target, false, &targets[i]);
        if (code != ASSAY_OK) return code;
    }
    *name = s->table.column[s->target];
    out->n_samples = n;
    out->first_step = first;
    out->n_steps = steps;
    out->target = ASSAY_TARGET_REAL;
    out->targets = targets;
    out->n_targets = 1;
    out->target_names = name;
    return ASSAY_OK;
}

static int source_make(void *arg)
{
    struct source *s = arg;
    const struct series *h = s->hyper;
    int code = table_read(s->ctx, &s->table, (char)table_separator(h->separator), h->header);
    if (code != ASSAY_OK) return code;
    s->n_rows = s->table.n_rows - s->table.first_row;
    code = table_names(s->ctx, &s->table);
    if (code == ASSAY_OK) code = columns_make(s);
    if (code == ASSAY_OK) code = features_make(s);
    return code == ASSAY_OK ? windows_make(s) : code;
}

static int open_series(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    const struct series *h = hyper;
    struct source s = { .ctx = ctx, .hyper = h, .out = out };
    s.table.key = "file";
    s.table.path = h->file;
    const char **files = ctx->host->alloc(ctx, sizeof(char *));
    if (files == NULL) return table_nomem(ctx);
    *files = h->file;
    const int code = number_in_c_locale(ctx, source_make, &s);
    table_free(&s.table);
    free(s.column);
    out->files = files;
    out->n_files = 1;
    return code;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct series *h = hyper;
    return table_check_separator(ctx, h->separator);
}

ASSAY_DATASET(series, "0.1.0", "windows of a time series from a CSV file",
    ASSAY_HYPERS(series, hypers), .open = open_series, .validate = validate);
