/* Drafts of dimensions, however they were written: draft_add is the one place that judges them, so that a range is refused for the same
 * reasons everywhere. */
#include "search/space_draft.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

draft draft_new(const char *name, const char *prefix, const origin *at)
{
    return (draft){ .name = name,
        .prefix = prefix,
        .at = at ? *at : (origin){ 0 },
        .prior_mean = (double)NAN,
        .prior_sd = (double)NAN };
}

status draft_fail(const draft *d, status code, error *err, const char *format, ...)
{
    char message[ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    (void)!fail_at(
        err, code, &d->at, "search space: %s%s%s", d->name, *d->name ? ": " : "", message);
    return code;
}

/* -- judging a draft -- */

static status check_ends(const draft *d, error *err)
{
    if (!d->has_low || !d->has_high) {
        return REFUSE(d, err, E_MISSING, "expected both low and high, or choices");
    }
    if (!isfinite(d->low) || !isfinite(d->high)) {
        return REFUSE(d, err, E_RANGE, "expected a range of finite numbers");
    }
    if (d->low > d->high) {
        return REFUSE(d, err, E_RANGE, "expected low <= high, found %g and %g", d->low, d->high);
    }
    if (d->is_log && !(d->low > 0)) {
        return REFUSE(d, err, E_RANGE,
            "a logarithmic scale begins above 0, found low %g: give a low above 0, or leave log "
            "out",
            d->low);
    }
    if (d->is_int && d->is_real) return REFUSE(d, err, E_CONFLICT, "it is both int and real");
    if (!(d->step >= 0) || !isfinite(d->step)) {
        return REFUSE(d, err, E_RANGE, "expected a step above 0, found %g", d->step);
    }
    return OK;
}

static bool is_whole_number(double v)
{
    return v == floor(v) && fabs(v) <= 0x1p53;
}

static status check_int(const draft *d, error *err)
{
    const bool whole =
        is_whole_number(d->low) && is_whole_number(d->high) && is_whole_number(d->step);
    return whole ? OK
                 : REFUSE(d, err, E_TYPE,
                       "whole numbers need a whole low, high and step, found %g, %g and %g", d->low,
                       d->high, d->step);
}

static status check_prior(const draft *d, error *err)
{
    if (isnan(d->prior_mean) && isnan(d->prior_sd)) return OK;
    if (!isfinite(d->prior_mean) || !(d->prior_sd > 0) || !isfinite(d->prior_sd)) {
        return REFUSE(d, err, E_RANGE, "expected a prior of a mean and a deviation above 0");
    }
    if (d->n_choices) return REFUSE(d, err, E_CONFLICT, "choices have no prior");
    if (d->is_log && !(d->prior_mean > 0)) {
        return REFUSE(d, err, E_RANGE, "on a logarithmic scale a prior's mean is above 0");
    }
    return OK;
}

static status check_choices(const draft *d, error *err)
{
    for (size_t i = 0; i < d->n_choices; i++) {
        if (!*d->choice[i] && !*d->written[i]) return REFUSE(d, err, E_PARSE, "a choice is empty");
        for (size_t k = 0; k < i; k++) {
            if (strcmp(d->written[i], d->written[k]) == 0) {
                return REFUSE(d, err, E_CONFLICT, "the choice %s is there twice", d->written[i]);
            }
        }
    }
    if (d->has_low || d->has_high || d->is_log || d->step != 0) {
        return REFUSE(d, err, E_CONFLICT, "choices have no low, high, log or step");
    }
    return OK;
}

static bool is_rising(const draft *d)
{
    double before = -(double)INFINITY;
    for (size_t i = 0; i < d->n_choices; i++) {
        const char *end;
        const double v = text_to_real(d->written[i], &end);
        if (end == d->written[i] || *end || !(v > before)) return false;
        before = v;
    }
    return true;
}

status draft_add_choice(space *s, draft *d, const char *text_of, const char *written, error *err)
{
    if (d->n_choices == SPACE_MOST_CHOICES) {
        return REFUSE(d, err, E_RANGE, "more than %d choices", (int)SPACE_MOST_CHOICES);
    }
    d->choice[d->n_choices] = arena_strdup(&s->memory, text_of);
    d->written[d->n_choices] = arena_strdup(&s->memory, written);
    if (!d->choice[d->n_choices] || !d->written[d->n_choices]) return fail_nomem(err, d->name);
    d->n_choices++;
    return OK;
}

/* The powers of two of the range become choices. */
static status make_powers(space *s, draft *d, error *err)
{
    status st = OK;
    TRY(check_ends(d, err));
    for (double v = 1; v <= d->high && v < 0x1p62; v *= 2) {
        char written[32];
        if (v < d->low) continue;
        snprintf(written, sizeof written, "%.0f", v);
        TRY(draft_add_choice(s, d, written, written, err));
    }
    if (d->n_choices == 0) {
        TRY(REFUSE(d, err, E_RANGE, "no power of two lies in [%g, %g]", d->low, d->high));
    }
    d->has_low = d->has_high = d->is_log = false;
    d->step = 0;
done:
    return st;
}

void spec_strip(char *written)
{
    char *to = written;
    bool is_quoted = false;
    for (const char *p = written; *p; p++) {
        if (*p == '"') is_quoted = !is_quoted;
        if (is_quoted || !isspace((unsigned char)*p)) *to++ = *p;
    }
    *to = '\0';
}

static status fail_parent(const space *s, const draft *d, const char *name, error *err)
{
    const char *names[64];
    size_t n = 0;
    for (size_t i = 0; i < s->n && n < 64; i++) {
        if (s->dimensions[i].type == ASSAY_SPACE_CATEGORY) names[n++] = s->dimensions[i].name;
    }
    const char *nearest = text_nearest(name, names, n);
    return REFUSE(d, err, E_UNKNOWN, "if: no choice before this one is called \"%s\"%s%s%s", name,
        nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

/* The dimension that a condition names, in full or inside of the same group. */
static size_t find_parent(const space *s, const draft *d, const char *name)
{
    char full[300];
    const size_t i = space_find(s, name);
    if (i < s->n || !d->prefix || !*d->prefix) return i;
    snprintf(full, sizeof full, "%s.%s", d->prefix, name);
    return space_find(s, full);
}

static status find_choice(
    const draft *d, const assay_dimension *parent, const char *name, uint64_t *out, error *err)
{
    for (uint64_t k = 0; k < parent->n_choices; k++) {
        if (strcmp(parent->choices[k], name) == 0) {
            *out = k;
            return OK;
        }
    }
    const char *nearest = text_nearest(name, parent->choices, parent->n_choices);
    return REFUSE(d, err, E_UNKNOWN, "if: %s has no choice \"%s\"%s%s%s", parent->name, name,
        nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

char *spec_unquoted(char *s)
{
    const size_t n = strlen(s);
    if (n < 2 || s[0] != '"' || s[n - 1] != '"') return s;
    s[n - 1] = '\0';
    return s + 1;
}

static status read_condition(space *s, const draft *d, assay_dimension *out, error *err)
{
    status st = OK;
    char *text_of = arena_strdup(&s->memory, d->condition), *rest = NULL;
    if (!text_of) return fail_nomem(err, d->name);
    spec_strip(text_of);
    char *equals = strchr(text_of, '=');
    if (!equals || equals == text_of || !equals[1]) {
        return REFUSE(
            d, err, E_PARSE, "if: expected \"NAME = CHOICE, ...\", found \"%s\"", d->condition);
    }
    *equals = '\0';
    const size_t i = find_parent(s, d, text_of);
    if (i == s->n || s->dimensions[i].type != ASSAY_SPACE_CATEGORY) {
        return fail_parent(s, d, text_of, err);
    }
    out->parent = i;
    for (char *c = strtok_r(equals + 1, ",", &rest); c; c = strtok_r(NULL, ",", &rest)) {
        uint64_t k = 0;
        TRY(find_choice(d, &s->dimensions[i], spec_unquoted(c), &k, err));
        out->parent_choices |= (uint64_t)1 << k;
    }
done:
    return st;
}

/* Room for one more. */
static status grow(space *s, error *err)
{
    if (s->n < s->capacity) return OK;
    const size_t capacity = s->capacity ? 2 * s->capacity : 16;
    assay_dimension *dimensions = arena_alloc_array(&s->memory, capacity, sizeof *dimensions);
    const char *const **written = arena_alloc_array(&s->memory, capacity, sizeof *written);
    origin *at = arena_alloc_array(&s->memory, capacity, sizeof *at);
    if (!dimensions || !written || !at) return fail_nomem(err, "the search space");
    if (s->n) {
        memcpy(dimensions, s->dimensions, s->n * sizeof *dimensions);
        memcpy(written, s->written, s->n * sizeof *written);
        memcpy(at, s->at, s->n * sizeof *at);
    }
    s->dimensions = dimensions;
    s->written = written;
    s->at = at;
    s->capacity = capacity;
    return OK;
}

static status copy_choices(space *s, const draft *d, assay_dimension *out, error *err)
{
    const char **choices = arena_alloc_array(&s->memory, d->n_choices, sizeof *choices);
    const char **written = arena_alloc_array(&s->memory, d->n_choices, sizeof *written);
    if (!choices || !written) return fail_nomem(err, d->name);
    memcpy(choices, d->choice, d->n_choices * sizeof *choices);
    memcpy(written, d->written, d->n_choices * sizeof *written);
    out->choices = choices;
    out->n_choices = d->n_choices;
    out->high = (double)(d->n_choices - 1);
    out->ordered = is_rising(d);
    s->written[s->n] = written;
    return OK;
}

static void set_range(const draft *d, assay_dimension *out)
{
    out->low = d->low + 0.0;
    out->high = d->high + 0.0;
    out->log = d->is_log;
    out->step = d->step;
    out->prior_mean = d->is_log ? log(d->prior_mean) : d->prior_mean;
    out->prior_sd = d->is_log ? d->prior_sd * log(10) : d->prior_sd;
}

static status check_name(const space *s, const draft *d, error *err)
{
    if (!*d->name) return REFUSE(d, err, E_PARSE, "a name is empty");
    const size_t before = space_find(s, d->name);
    if (before == s->n) {
        if (s->n == SPACE_MOST_DIMENSIONS) {
            return REFUSE(d, err, E_RANGE, "more than %d dimensions", (int)SPACE_MOST_DIMENSIONS);
        }
        return OK;
    }
    return REFUSE(d, err, E_CONFLICT, "it is there twice");
}

/* Whole numbers, said or seen. */
static bool is_of_integers(const space *s, const draft *d)
{
    if (d->is_int) return true;
    if (!d->is_whole || d->is_real || !is_whole_number(d->step)) return false;
    return d->step > 0 || !s->is_real || !s->is_real(s->is_real_self, s, d->name);
}

status draft_add(space *s, draft *d, error *err)
{
    status st = OK;
    assay_dimension out = { .struct_size = sizeof out,
        .parent = ASSAY_NO_PARENT,
        .prior_mean = (double)NAN,
        .prior_sd = (double)NAN };
    TRY(check_name(s, d, err));
    TRY(grow(s, err));
    TRY(check_prior(d, err));
    if (d->is_powers) TRY(make_powers(s, d, err));
    s->written[s->n] = NULL;
    out.name = arena_strdup(&s->memory, d->name);
    if (!out.name) TRY(fail_nomem(err, d->name));
    if (d->n_choices) {
        out.type = ASSAY_SPACE_CATEGORY;
        TRY(check_choices(d, err));
        TRY(copy_choices(s, d, &out, err));
    } else {
        TRY(check_ends(d, err));
        out.type = is_of_integers(s, d) ? ASSAY_SPACE_INT : ASSAY_SPACE_REAL;
        if (out.type == ASSAY_SPACE_INT) TRY(check_int(d, err));
        set_range(d, &out);
    }
    if (d->condition) TRY(read_condition(s, d, &out, err));
    s->at[s->n] = d->at;
    s->dimensions[s->n++] = out;
done:
    return st;
}
