/* Tables from CSV files.
 *
 * Each file is read once into cells (table.c); the main file decides what the columns are (columns.c) and which categories
 * and classes there are; then features and targets are laid out. Columns of text become one feature per category, 0 or 1
 * ("origin=usa"). A missing category under missing = "mean" is missing in all of its features, so that the host fills in how
 * frequent each category is. A category that only a test or validation file has is all zero, with a warning. A test file
 * without the target has rows to be predicted: their target is a placeholder and their weight 0, so that nothing counts it. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const tasks[] = { "auto", "class", "real", "binary" };
static const char *const headers[] = TABLE_HEADER_CHOICES;
static const char *const policies[] = { "error", "drop", "mean" };

static const assay_hyper hypers[] = {
    ASSAY_STRING(csv, file, NULL, "the table", .flags = ASSAY_PATH | ASSAY_REQUIRED),
    ASSAY_STRING(csv, validation_file, NULL, "a table whose rows are the validation part",
        .flags = ASSAY_PATH),
    ASSAY_STRING(csv, test_file, NULL,
        "a table whose rows are the test part; without the target they are only predicted",
        .flags = ASSAY_PATH),
    ASSAY_STRING(csv, target, NULL,
        "the column to predict: its name, its number from 0, or last; the last one if none is "
        "named"),
    ASSAY_STRINGS(csv, targets, "", "several columns to predict"),
    ASSAY_ENUM(csv, task, TASK_AUTO, tasks,
        "what targets are; auto: text or at most 20 different whole numbers are classes"),
    ASSAY_ENUM(csv, missing, MISSING_ERROR, policies,
        "for missing values: an error, drop the row, or the training part's mean (features only)"),
    TABLE_HYPERS(csv, headers),
    ASSAY_STRINGS(csv, drop, "", "columns to ignore"),
    ASSAY_STRINGS(csv, categorical, "",
        "columns of numbers that are categories, as text is: one feature for each of them"),
    ASSAY_STRING(csv, weight, NULL, "the column of sample weights"),
    ASSAY_STRING(csv, group, NULL, "the column of groups that a split keeps together"),
};

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct csv *h = hyper;
    if (h->target != NULL && h->targets.n > 0) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "targets",
            "target names one column, targets several: give one of the two");
    }
    return table_check_separator(ctx, h->separator);
}

/* Reads all files; the main one settles separator and header. */
static int tables_read(struct source *s)
{
    const struct csv *h = s->hyper;
    const char *const keys[] = { "file", "validation_file", "test_file" };
    const char *const paths[] = { h->file, h->validation_file, h->test_file };
    int64_t header = h->header;
    for (size_t i = 0; i < N_TABLES; i++) {
        struct table *t = &s->table[i];
        if (paths[i] == NULL) continue;
        t->key = keys[i];
        t->path = paths[i];
        const int code = table_read(s->ctx, t, (char)table_separator(h->separator), header);
        if (code != ASSAY_OK) return code;
        if (i == TABLE_MAIN) header = t->first_row > 0 ? HEADER_YES : HEADER_NO;
    }
    return ASSAY_OK;
}

/* Whether a row is kept; a missing value may make that an error. */
static int keep_row(struct source *s, size_t table, size_t row, bool *out)
{
    const int64_t policy = s->hyper->missing;
    *out = true;
    for (size_t i = 0; i < s->n_columns; i++) {
        const enum role role = s->column[i].role;
        if (role == ROLE_DROPPED || source_cell(s, table, row, i) != NULL) continue;
        if (s->mapping[table].unlabelled && role != ROLE_FEATURE) continue;
        if (policy == MISSING_DROP) {
            *out = false;
        } else if (policy == MISSING_ERROR) {
            return source_fail(s, table, row, i,
                "a missing value: set missing to \"drop\" or \"mean\", or drop the column");
        } else if (role != ROLE_FEATURE) {
            return source_fail(s, table, row, i,
                "a missing value, and no mean for it as it is not a feature: set missing to "
                "\"drop\"");
        }
    }
    return ASSAY_OK;
}

static int places_make(struct source *s)
{
    size_t n = 0, n_dropped = 0;
    for (size_t i = 0; i < N_TABLES; i++)
        n += s->table[i].n_rows;
    s->place = calloc(n, sizeof(struct place));
    if (s->place == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < N_TABLES; i++) {
        const size_t before = s->n_places;
        if (s->table[i].path == NULL) continue;
        for (size_t row = s->table[i].first_row; row < s->table[i].n_rows; row++) {
            bool keep = false;
            const int code = keep_row(s, i, row, &keep);
            if (code != ASSAY_OK) return code;
            if (keep) s->place[s->n_places++] = (struct place){ i, row };
            n_dropped += !keep;
        }
        if (s->n_places == before) {
            return table_fail(s->ctx, ASSAY_E_DATA, &s->table[i], 0,
                "every row has a missing value and was dropped");
        }
    }
    if (n_dropped > 0) {
        char message[200];
        snprintf(message, sizeof(message), "%.100s: %zu rows with missing values were dropped",
            s->table[TABLE_MAIN].name, n_dropped);
        s->ctx->host->log(s->ctx, ASSAY_LOG_INFO, message);
    }
    return ASSAY_OK;
}

/* Of a column, SIZE_MAX where there is none; rows without a target weigh nothing. */
static int weights_make(struct source *s, size_t column, assay_data *out)
{
    float *weight = s->ctx->host->alloc(s->ctx, s->n_places * sizeof(float));
    if (weight == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < s->n_places; i++) {
        const struct place at = s->place[i];
        const bool counts = !s->mapping[at.table].unlabelled;
        double v = counts;
        const int code = counts && column != SIZE_MAX
            ? source_number(s, at.table, at.row, column, &v)
            : ASSAY_OK;
        if (code != ASSAY_OK) return code;
        if (v < 0) {
            return source_fail(s, at.table, at.row, column, "weight %g is negative", v);
        }
        weight[i] = (float)v;
    }
    out->weight = weight;
    return ASSAY_OK;
}

/* Groups are numbered over all files. */
static int groups_make(struct source *s, size_t column, assay_data *out)
{
    struct categories *c = &s->column[column].categories;
    uint32_t *group = s->ctx->host->alloc(s->ctx, s->n_places * sizeof(uint32_t));
    if (group == NULL) return table_nomem(s->ctx);
    const int code = categories_make(s, column, c);
    if (code != ASSAY_OK) return code;
    for (size_t i = 0; i < s->n_places; i++) {
        const struct place at = s->place[i];
        const char *cell = source_cell(s, at.table, at.row, column);
        const size_t k = cell != NULL ? categories_find(c, cell) : SIZE_MAX;
        group[i] = k != SIZE_MAX ? (uint32_t)k : UINT32_MAX; // of no row that a split moves
    }
    out->group = group;
    return ASSAY_OK;
}

static int parts_make(struct source *s, assay_data *out)
{
    static const uint32_t part_of[] = { ASSAY_PART_ANY, ASSAY_PART_VALIDATION, ASSAY_PART_TEST };
    const char **files = s->ctx->host->alloc(s->ctx, N_TABLES * sizeof(char *));
    uint32_t *part = s->ctx->host->alloc(s->ctx, s->n_places * sizeof(uint32_t));
    if (files == NULL || part == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < s->n_places; i++)
        part[i] = part_of[s->place[i].table];
    for (size_t i = 0; i < N_TABLES; i++) {
        if (s->table[i].path != NULL) files[out->n_files++] = s->table[i].path;
    }
    out->files = files;
    out->part = out->n_files > 1 ? part : NULL;
    out->n_samples = s->n_places;
    return ASSAY_OK;
}

static int source_make(void *arg)
{
    struct source *s = arg;
    assay_data *out = s->out;
    int code = tables_read(s);
    if (code == ASSAY_OK) code = columns_make(s);
    if (code == ASSAY_OK) code = places_make(s);
    if (code == ASSAY_OK) code = target_make(s, out);
    if (code == ASSAY_OK) code = features_make(s, out);
    for (size_t i = 0; i < s->n_columns && code == ASSAY_OK; i++) {
        if (s->column[i].role == ROLE_WEIGHT) code = weights_make(s, i, out);
        if (s->column[i].role == ROLE_GROUP) code = groups_make(s, i, out);
    }
    if (code == ASSAY_OK && s->mapping[TABLE_TEST].unlabelled && out->weight == NULL) {
        code = weights_make(s, SIZE_MAX, out);
    }
    return code == ASSAY_OK ? parts_make(s, out) : code;
}

static void source_release(struct source *s)
{
    for (size_t i = 0; i < N_TABLES; i++) {
        table_free(&s->table[i]);
        free(s->mapping[i].at);
    }
    for (size_t i = 0; s->column != NULL && i < s->n_columns; i++) {
        free(s->column[i].categories.item);
    }
    free(s->column);
    free(s->target);
    free(s->place);
}

static int open_tables(assay_ctx *ctx, const void *hyper, assay_data *out)
{
    struct source s = { .ctx = ctx, .hyper = hyper, .out = out };
    const int code = number_in_c_locale(ctx, source_make, &s);
    source_release(&s);
    return code;
}

ASSAY_DATASET(csv, "0.1.0", "tables from CSV files", ASSAY_HYPERS(csv, hypers), .open = open_tables,
    .validate = validate);
