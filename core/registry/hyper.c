/* Tables of hyperparameters: walking them, judging them, printing them.
 *
 * A table may come from a plugin, so it is checked once in full (hyper_table_check) before anything
 * is bound by it. An end of a range that is infinite counts as open unless the default lies on it:
 * "0 or more" does not mean that infinity is a learning rate, while a limit whose default is "none"
 * is written as inf. */
#include "registry/internal.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double MOST_EXACT = 9007199254740992.0; /* 2^53 */

const assay_hyper *hyper_row(const hyper_table *t, size_t i)
{
    return (const void *)((const char *)t->rows + i * t->stride);
}

const assay_hyper *hyper_find(const hyper_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        const assay_hyper *row = hyper_row(t, i);
        if (row->name && strcmp(row->name, name) == 0) return row;
    }
    return NULL;
}

static bool is_list(const assay_hyper *row)
{
    return row->type >= ASSAY_TYPE_REALS && row->type <= ASSAY_TYPE_STRINGS;
}

static bool has_range(const assay_hyper *row)
{
    return row->type == ASSAY_TYPE_REAL || row->type == ASSAY_TYPE_INT ||
        row->type == ASSAY_TYPE_REALS || row->type == ASSAY_TYPE_INTS;
}

/* Infinity as a value: only where it is the default. */
static bool is_open(const assay_hyper *row, double end, uint64_t flag)
{
    return (row->flags & flag) != 0 || (isinf(end) && (is_list(row) || row->def != end));
}

bool hyper_in_range(const assay_hyper *row, double v)
{
    const bool is_above = is_open(row, row->min, ASSAY_OPEN_MIN) ? v > row->min : v >= row->min;
    const bool is_below = is_open(row, row->max, ASSAY_OPEN_MAX) ? v < row->max : v <= row->max;
    return is_above && is_below;
}

void hyper_number_text(double v, text *t)
{
    const double most_plain = 9007199254740992.0; /* 2^53: whole numbers are exact up to here */
    if (v == floor(v) && fabs(v) <= most_plain) {
        text_printf(t, "%.0f", v);
    } else {
        text_add_real(t, v);
    }
}

void hyper_range_text(const assay_hyper *row, text *t)
{
    if (!has_range(row)) return;
    text_add(t, is_open(row, row->min, ASSAY_OPEN_MIN) ? "(" : "[");
    hyper_number_text(row->min, t);
    text_add(t, ", ");
    hyper_number_text(row->max, t);
    text_add(t, is_open(row, row->max, ASSAY_OPEN_MAX) ? ")" : "]");
}

void hyper_type_text(const assay_hyper *row, text *t)
{
    switch (row->type) {
    case ASSAY_TYPE_REAL: text_add(t, "real"); break;
    case ASSAY_TYPE_INT: text_add(t, "whole number"); break;
    case ASSAY_TYPE_BOOL: text_add(t, "true or false"); break;
    case ASSAY_TYPE_ENUM:
        text_add(t, "one of ");
        for (uint64_t i = 0; i < row->n_choices; i++)
            text_printf(t, "%s%s", i ? " | " : "", row->choices[i]);
        break;
    case ASSAY_TYPE_STRING: text_add(t, row->flags & ASSAY_PATH ? "path" : "string"); break;
    case ASSAY_TYPE_REALS: text_add(t, "list of reals"); break;
    case ASSAY_TYPE_INTS: text_add(t, "list of whole numbers"); break;
    case ASSAY_TYPE_STRINGS:
        text_add(t, row->flags & ASSAY_PATH ? "list of paths" : "list of strings");
        break;
    case ASSAY_TYPE_COMPONENT: text_printf(t, "component (%s)", row->kind); break;
    default: text_add(t, "unknown"); break;
    }
}

static void list_default_text(const assay_hyper *row, text *t)
{
    const char *at = row->def_string ? row->def_string : "";
    text_add(t, "[");
    for (bool is_first = true;; is_first = false) {
        at += strspn(at, " ");
        const size_t n = strcspn(at, " ");
        if (n == 0) break;
        if (!is_first) text_add(t, ", ");
        text_add_bytes(t, at, n);
        at += n;
    }
    text_add(t, "]");
}

void hyper_default_text(const assay_hyper *row, text *t)
{
    if (row->flags & ASSAY_REQUIRED) {
        text_add(t, "required");
        return;
    }
    switch (row->type) {
    case ASSAY_TYPE_REAL:
    case ASSAY_TYPE_INT: hyper_number_text(row->def, t); break;
    case ASSAY_TYPE_BOOL: text_add(t, row->def != 0 ? "true" : "false"); break;
    case ASSAY_TYPE_ENUM: text_add(t, row->choices[(size_t)row->def]); break;
    case ASSAY_TYPE_STRING:
    case ASSAY_TYPE_COMPONENT:
        if (row->def_string) {
            text_printf(t, "\"%s\"", row->def_string);
        } else {
            text_add(t, "none");
        }
        break;
    default: list_default_text(row, t); break;
    }
}

/* One item of a list's default. */
static status default_item(
    const assay_hyper *row, const char *word, arena *a, hyper_item *out, error *err)
{
    const char *end = word;
    char *int_end = NULL;
    errno = 0;
    if (row->type == ASSAY_TYPE_STRINGS) {
        out->string = arena_strdup(a, word);
        return out->string ? OK : fail_nomem(err, row->name);
    }
    if (row->type == ASSAY_TYPE_REALS) {
        out->real = text_to_real(word, &end);
    } else {
        out->integer = strtoll(word, &int_end, 10);
        end = int_end;
    }
    if (end == word || *end || errno) {
        return fail(err, E_PARSE, "default item \"%s\" is not a %s", word,
            row->type == ASSAY_TYPE_REALS ? "real number" : "whole number");
    }
    const double v = row->type == ASSAY_TYPE_REALS ? out->real : (double)out->integer;
    if (!hyper_in_range(row, v)) {
        return fail(err, E_RANGE, "default item \"%s\" is outside its valid range", word);
    }
    return OK;
}

status hyper_default_items(
    const assay_hyper *row, arena *a, hyper_item **out, size_t *out_n, error *err)
{
    const char *at = row->def_string ? row->def_string : "";
    hyper_item *items = arena_alloc_array(a, strlen(at) / 2 + 1, sizeof *items);
    if (!items) return fail_nomem(err, row->name);
    size_t n = 0;
    for (;;) {
        at += strspn(at, " ");
        const size_t n_word = strcspn(at, " ");
        if (n_word == 0) break;
        const char *word = arena_strndup(a, at, n_word);
        if (!word) return fail_nomem(err, row->name);
        const status st = default_item(row, word, a, &items[n++], err);
        if (st != OK) return st;
        at += n_word;
    }
    *out = items;
    *out_n = n;
    return OK;
}

static size_t size_in_struct(const assay_hyper *row)
{
    return is_list(row) ? sizeof(assay_reals) : sizeof(double);
}

static status check_name(const hyper_table *t, size_t i, error *err)
{
    const assay_hyper *row = hyper_row(t, i);
    if (!row->name) return fail(err, E_PLUGIN, "hyperparameter %zu has no name", i);
    if (!is_id(row->name) || (row->name[0] >= '0' && row->name[0] <= '9')) {
        return fail(err, E_PLUGIN,
            "hyperparameter \"%s\": its name is not a lower-case letter followed by lower-case "
            "letters, digits and underscores",
            row->name);
    }
    if (strcmp(row->name, "type") == 0) {
        return fail(err, E_CONFLICT,
            "hyperparameter \"type\" is a key of assay's own in every block: give it another name");
    }
    for (size_t k = 0; k < i; k++) {
        if (strcmp(hyper_row(t, k)->name, row->name) == 0) {
            return fail(err, E_CONFLICT, "hyperparameter \"%s\" is declared twice", row->name);
        }
    }
    if (!row->doc || !*row->doc) {
        return fail(err, E_PLUGIN, "hyperparameter \"%s\" has no doc", row->name);
    }
    return OK;
}

static status check_place(const hyper_table *t, size_t i, error *err)
{
    const assay_hyper *row = hyper_row(t, i);
    const size_t bytes = size_in_struct(row);
    if (row->offset % 8 != 0) {
        return fail(err, E_PLUGIN,
            "hyperparameter \"%s\": its offset %llu is not a multiple of 8: REAL wants a double, "
            "INT, BOOL and ENUM an int64_t",
            row->name, (unsigned long long)row->offset);
    }
    if (row->offset > t->bytes || t->bytes - row->offset < bytes) {
        return fail(err, E_PLUGIN,
            "hyperparameter \"%s\": offset %llu and %zu bytes lie outside its struct of %zu bytes",
            row->name, (unsigned long long)row->offset, bytes, t->bytes);
    }
    for (size_t k = 0; k < i; k++) {
        const assay_hyper *other = hyper_row(t, k);
        if (row->offset < other->offset + size_in_struct(other) &&
            other->offset < row->offset + bytes) {
            return fail(err, E_CONFLICT,
                "hyperparameters \"%s\" and \"%s\" overlap in their struct", other->name,
                row->name);
        }
    }
    return OK;
}

static bool is_whole(double v)
{
    return v == floor(v) && fabs(v) <= MOST_EXACT;
}

static status check_choices(const assay_hyper *row, error *err)
{
    if (!row->choices || row->n_choices == 0) {
        return fail(err, E_PLUGIN, "hyperparameter \"%s\": it has no choices", row->name);
    }
    for (uint64_t i = 0; i < row->n_choices; i++) {
        if (!row->choices[i] || !*row->choices[i]) {
            return fail(err, E_PLUGIN, "hyperparameter \"%s\": choice %llu is empty", row->name,
                (unsigned long long)i);
        }
        for (uint64_t k = 0; k < i; k++) {
            if (strcmp(row->choices[k], row->choices[i]) == 0) {
                return fail(err, E_CONFLICT, "hyperparameter \"%s\": choice \"%s\" is there twice",
                    row->name, row->choices[i]);
            }
        }
    }
    return OK;
}

static status fail_default(const assay_hyper *row, error *err)
{
    text t;
    text_init(&t);
    hyper_number_text(row->def, &t);
    text_add(&t, " is outside its valid range ");
    hyper_range_text(row, &t);
    const status st =
        fail(err, E_RANGE, "hyperparameter \"%s\": its default %s", row->name, t.s ? t.s : "");
    text_release(&t);
    return st;
}

static status check_number(const assay_hyper *row, error *err)
{
    if (!(row->min <= row->max)) {
        text t;
        text_init(&t);
        hyper_range_text(row, &t);
        const status st = fail(err, E_RANGE, "hyperparameter \"%s\": its valid range %s is empty",
            row->name, t.s ? t.s : "");
        text_release(&t);
        return st;
    }
    if (is_list(row) || (row->flags & ASSAY_REQUIRED)) return OK;
    if (row->type == ASSAY_TYPE_INT && !is_whole(row->def)) {
        return fail(
            err, E_TYPE, "hyperparameter \"%s\": its default is not a whole number", row->name);
    }
    return hyper_in_range(row, row->def) ? OK : fail_default(row, err);
}

static status check_search(const assay_hyper *row, error *err)
{
    const bool is_number = row->type == ASSAY_TYPE_REAL || row->type == ASSAY_TYPE_INT;
    if (!(row->flags & ASSAY_TUNE) || !is_number) return OK;
    if (!isfinite(row->tune_min) || !isfinite(row->tune_max) || row->tune_min > row->tune_max ||
        row->tune_min < row->min || row->tune_max > row->max) {
        return fail(err, E_RANGE,
            "hyperparameter \"%s\": its search range [%g, %g] does not lie in its valid range",
            row->name, row->tune_min, row->tune_max);
    }
    if ((row->flags & ASSAY_LOG) && row->tune_min <= 0) {
        return fail(err, E_RANGE,
            "hyperparameter \"%s\": a search on a logarithmic scale cannot start at %g", row->name,
            row->tune_min);
    }
    return OK;
}

static status check_list_default(const assay_hyper *row, error *err)
{
    error why = { 0 };
    arena a = { 0 };
    hyper_item *items;
    size_t n;
    status st = hyper_default_items(row, &a, &items, &n, &why);
    if (st != OK) st = fail(err, st, "hyperparameter \"%s\": %s", row->name, why.text);
    arena_release(&a);
    return st;
}

static status check_type(const assay_hyper *row, error *err)
{
    switch (row->type) {
    case ASSAY_TYPE_REAL:
    case ASSAY_TYPE_INT: return check_number(row, err);
    case ASSAY_TYPE_BOOL:
        if (row->def == 0 || row->def == 1) return OK;
        return fail(
            err, E_RANGE, "hyperparameter \"%s\": its default is neither 0 nor 1", row->name);
    case ASSAY_TYPE_ENUM: {
        const status st = check_choices(row, err);
        if (st != OK ||
            (is_whole(row->def) && row->def >= 0 && row->def < (double)row->n_choices)) {
            return st;
        }
        return fail(err, E_RANGE,
            "hyperparameter \"%s\": its default %g is none of its %llu choices", row->name,
            row->def, (unsigned long long)row->n_choices);
    }
    case ASSAY_TYPE_STRING: return OK;
    case ASSAY_TYPE_REALS:
    case ASSAY_TYPE_INTS: {
        const status st = check_number(row, err);
        return st != OK ? st : check_list_default(row, err);
    }
    case ASSAY_TYPE_STRINGS: return check_list_default(row, err);
    case ASSAY_TYPE_COMPONENT:
        if (row->kind && kind_find(row->kind)) return OK;
        return fail(err, E_PLUGIN, "hyperparameter \"%s\": \"%s\" is no kind of components",
            row->name, row->kind ? row->kind : "");
    default:
        return fail(err, E_UNSUPPORTED, "hyperparameter \"%s\": unknown type %llu", row->name,
            (unsigned long long)row->type);
    }
}

static status check_flags(const assay_hyper *row, error *err)
{
    if ((row->flags & ASSAY_SCHED) && row->type != ASSAY_TYPE_REAL) {
        return fail(
            err, E_TYPE, "hyperparameter \"%s\": a schedule can only drive a real", row->name);
    }
    if ((row->flags & ASSAY_PATH) && row->type != ASSAY_TYPE_STRING &&
        row->type != ASSAY_TYPE_STRINGS) {
        return fail(err, E_TYPE, "hyperparameter \"%s\": only a string can be a path", row->name);
    }
    return OK;
}

status hyper_check_covered(const hyper_table *t, error *err)
{
    for (uint64_t at = 0; at < t->bytes;) {
        const assay_hyper *here = NULL;
        for (size_t i = 0; !here && i < t->n; i++) {
            const assay_hyper *row = hyper_row(t, i);
            here = row->offset <= at && at - row->offset < size_in_struct(row) ? row : NULL;
        }
        if (!here) {
            return fail(err, E_PLUGIN,
                "no row of its table belongs to byte %llu of its struct of %zu bytes, where "
                "callbacks "
                "would read 0: is the row of a field missing?",
                (unsigned long long)at, t->bytes);
        }
        at = here->offset + size_in_struct(here);
    }
    return OK;
}

status hyper_check_keys(const hyper_table *t, const char *kind, const char *const *keys, error *err)
{
    const char *taken = hyper_find(t, "type") ? "type" : NULL;
    for (; !taken && keys && *keys; keys++)
        taken = hyper_find(t, *keys) ? *keys : NULL;
    if (!taken) return OK;
    return fail(err, E_PLUGIN,
        "hyperparameter \"%s\" is a key of assay's own in %s %s's block: give it another name",
        taken, strchr("aeiou", kind[0]) ? "an" : "a", kind);
}

status hyper_table_check(const hyper_table *t, const char *what, error *err)
{
    status st = OK;
    for (size_t i = 0; i < t->n; i++) {
        const assay_hyper *row = hyper_row(t, i);
        TRY(check_name(t, i, err));
        TRY(check_type(row, err));
        TRY(check_place(t, i, err));
        TRY(check_flags(row, err));
        TRY(check_search(row, err));
    }
done:
    return st == OK || !what ? st : error_where(err, "%s", what);
}
