/* Features of the kept rows: a number is one feature, a category is one feature for each of its values. */
#include "source.h"

#include <math.h>
#include <stdio.h>

static void warn_many(const struct source *s, const struct column *c)
{
    char message[300];
    if (c->categories.n <= 20 || 2 * c->categories.n <= s->n_places) return;
    snprintf(message, sizeof(message),
        "column \"%.60s\" has %zu different texts in %zu rows, one feature each: is it meant to be "
        "in drop?",
        c->name, c->categories.n, s->n_places);
    s->ctx->host->log(s->ctx, ASSAY_LOG_WARNING, message);
}

/* Which features there are: their number, names and flags. */
static int features_plan(struct source *s, assay_data *out)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_columns; i++) {
        struct column *c = &s->column[i];
        if (c->role != ROLE_FEATURE) continue;
        if (c->is_category) {
            const int code = categories_make(s, i, &c->categories);
            if (code != ASSAY_OK) return code;
            warn_many(s, c);
        }
        n += c->is_category ? c->categories.n : 1;
    }
    if (n == 0) {
        return table_fail(s->ctx, ASSAY_E_DATA, &s->table[TABLE_MAIN], 0, "no column is a feature");
    }
    const assay_host *host = s->ctx->host;
    const char **names = host->alloc(s->ctx, n * sizeof(char *));
    uint32_t *flags = host->alloc(s->ctx, n * sizeof(uint32_t));
    if (names == NULL || flags == NULL) return table_nomem(s->ctx);
    size_t at = 0;
    for (size_t i = 0; i < s->n_columns; i++) {
        const struct column *c = &s->column[i];
        const size_t width = c->is_category ? c->categories.n : 1;
        for (size_t k = 0; c->role == ROLE_FEATURE && k < width; k++, at++) {
            char value[256] = "";
            if (c->is_category) categories_name(&c->categories, k, value, sizeof(value));
            names[at] = c->is_category ? source_text(s, "%.200s=%s", c->name, value) : c->name;
            if (names[at] == NULL) return table_nomem(s->ctx);
            flags[at] = c->is_category ? ASSAY_FEATURE_CATEGORY : 0;
        }
    }
    out->x_shape = (assay_shape){ 1, { n } };
    out->feature_names = names;
    out->feature_flags = flags;
    return ASSAY_OK;
}

static void warn_unknown(
    const struct source *s, struct column *c, struct place at, const char *cell)
{
    char message[400];
    if (c->warned) return;
    c->warned = true;
    const struct table *t = &s->table[at.table];
    snprintf(message, sizeof(message),
        "%.80s:%zu: column \"%.60s\": \"%.60s\" does not occur in %.80s: all of its features are 0",
        t->name, t->line[at.row], c->name, cell, s->table[TABLE_MAIN].name);
    s->ctx->host->log(s->ctx, ASSAY_LOG_WARNING, message);
}

/* One cell into its features; x is zero before. */
static int feature_fill(struct source *s, struct place at, size_t column, float *x)
{
    struct column *c = &s->column[column];
    const char *cell = source_cell(s, at.table, at.row, column);
    if (cell == NULL) {
        const size_t width = c->is_category ? c->categories.n : 1;
        for (size_t k = 0; k < width; k++)
            x[k] = NAN;
        return ASSAY_OK;
    }
    if (c->is_category) {
        const size_t k = categories_find(&c->categories, cell);
        if (k == SIZE_MAX) {
            warn_unknown(s, c, at, cell);
        } else {
            x[k] = 1;
        }
        return ASSAY_OK;
    }
    double v = 0;
    const int code = source_number(s, at.table, at.row, column, &v);
    *x = (float)v;
    return code;
}

int features_make(struct source *s, assay_data *out)
{
    int code = features_plan(s, out);
    if (code != ASSAY_OK) return code;
    const size_t n = out->x_shape.dim[0];
    if (n > SIZE_MAX / sizeof(float) / s->n_places) return table_nomem(s->ctx);
    float *x = s->ctx->host->alloc(s->ctx, s->n_places * n * sizeof(float)); // [n_places, n]
    if (x == NULL) return table_nomem(s->ctx);
    for (size_t i = 0; i < s->n_places; i++) {
        float *at = x + i * n;
        for (size_t k = 0; k < s->n_columns; k++) {
            const struct column *c = &s->column[k];
            if (c->role != ROLE_FEATURE) continue;
            code = feature_fill(s, s->place[i], k, at);
            if (code != ASSAY_OK) return code;
            at += c->is_category ? c->categories.n : 1;
        }
    }
    out->x = x;
    out->x_dtype = ASSAY_F32;
    out->x_writable = 1;
    out->x_stride = n * sizeof(float);
    out->missing = s->hyper->missing == MISSING_MEAN;
    return ASSAY_OK;
}
