/* How a space is read: blocks of a config, compact texts, tables of hyperparameters. All of them fill in a draft of a dimension, and
 * draft_add is the one place that judges it, so that a range is refused for the same reasons however it was written. */
#include "search/space.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MOST_NESTING = 32 };

/* A dimension as it was written. */
typedef struct draft {
    const char *name, *prefix; /* prefix: of the group it stands in */
    origin at;
    bool has_low, has_high;
    double low, high;
    bool is_whole; /* both ends are written as whole numbers */
    bool is_log, is_int, is_real, is_powers;
    double step; /* 0: none */
    double prior_mean, prior_sd; /* NaN: none */
    const char *choice[SPACE_MOST_CHOICES], *written[SPACE_MOST_CHOICES];
    size_t n_choices;
    const char *condition; /* "optimizer.type=sgd,adam"; NULL: none */
} draft;

static draft draft_new(const char *name, const char *prefix, const origin *at)
{
    return (draft){ .name = name,
        .prefix = prefix,
        .at = at ? *at : (origin){ 0 },
        .prior_mean = (double)NAN,
        .prior_sd = (double)NAN };
}

#define REFUSE(d, err, code, ...) fail_draft(d, code, err, __VA_ARGS__)

static status fail_draft(const draft *d, status code, error *err, const char *format, ...)
    PRINTF_LIKE(4, 5);

static status fail_draft(const draft *d, status code, error *err, const char *format, ...)
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

static status add_choice(space *s, draft *d, const char *text_of, const char *written, error *err)
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
        TRY(add_choice(s, d, written, written, err));
    }
    if (d->n_choices == 0) {
        TRY(REFUSE(d, err, E_RANGE, "no power of two lies in [%g, %g]", d->low, d->high));
    }
    d->has_low = d->has_high = d->is_log = false;
    d->step = 0;
done:
    return st;
}

static void strip_spaces(char *written)
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

/* Takes quotes off, in place. */
static char *unquoted(char *s)
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
    strip_spaces(text_of);
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
        TRY(find_choice(d, &s->dimensions[i], unquoted(c), &k, err));
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

static status draft_add(space *s, draft *d, error *err)
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

/* -- the compact form -- */

static bool looks_whole(const char *written)
{
    const char *p = *written == '-' || *written == '+' ? written + 1 : written;
    return *p && strspn(p, "0123456789") == strlen(p);
}

static status read_number(const draft *d, const char *written, double *out, error *err)
{
    const char *end;
    *out = text_to_real(written, &end);
    if (end == written || *end) {
        return REFUSE(d, err, E_PARSE, "expected a number, found \"%s\"", written);
    }
    return OK;
}

static status read_range(draft *d, char *low, char *dots, error *err)
{
    status st = OK;
    char *high = dots + 2;
    if (*high == '.') {
        return REFUSE(d, err, E_PARSE, "expected LOW..HIGH with two dots, found \"%s\"", low);
    }
    *dots = '\0';
    TRY(read_number(d, low, &d->low, err));
    TRY(read_number(d, high, &d->high, err));
    d->has_low = d->has_high = true;
    d->is_whole = looks_whole(low) && looks_whole(high);
done:
    return st;
}

/* Cuts at the next `mark` outside of quotes; NULL where there is none. */
static char *cut(char *s, char mark)
{
    bool is_quoted = false;
    for (; *s; s++) {
        if (*s == '"') is_quoted = !is_quoted;
        if (*s == mark && !is_quoted) {
            *s = '\0';
            return s + 1;
        }
    }
    return NULL;
}

static status read_choices(space *s, draft *d, char *list, error *err)
{
    status st = OK;
    for (char *rest; list; list = rest) {
        rest = cut(list, ',');
        const char *written = arena_strdup(&s->memory, list);
        if (!written) return fail_nomem(err, d->name);
        TRY(add_choice(s, d, unquoted(list), written, err));
    }
done:
    return st;
}

static status read_prior(draft *d, char *written, error *err)
{
    status st = OK;
    char *sd = cut(written, '/');
    if (!sd) return REFUSE(d, err, E_PARSE, "expected prior=MEAN/DEVIATION");
    TRY(read_number(d, written, &d->prior_mean, err));
    TRY(read_number(d, sd, &d->prior_sd, err));
done:
    return st;
}

static status read_word(draft *d, char *word, error *err)
{
    static const char *const known[] = { "log", "int", "real", "log2int", "step", "prior" };
    if (strcmp(word, "log") == 0) {
        d->is_log = true;
    } else if (strcmp(word, "int") == 0) {
        d->is_int = true;
    } else if (strcmp(word, "real") == 0) {
        d->is_real = true;
    } else if (strcmp(word, "log2int") == 0) {
        d->is_powers = true;
    } else if (strncmp(word, "step=", 5) == 0) {
        const status st = read_number(d, word + 5, &d->step, err);
        if (st == OK && !(d->step > 0)) {
            return REFUSE(d, err, E_RANGE, "expected a step above 0, found %s", word + 5);
        }
        return st;
    } else if (strncmp(word, "prior=", 6) == 0) {
        return read_prior(d, word + 6, err);
    } else {
        const char *nearest = text_nearest(word, known, sizeof known / sizeof known[0]);
        return REFUSE(d, err, E_UNKNOWN, "unknown word \":%s\"%s%s%s", word,
            nearest ? ": did you mean \":" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    }
    return OK;
}

/* "1e-4..1e-1:log?optimizer.type=sgd", which is cut to pieces. */
static status read_spec(space *s, draft *d, char *spec, error *err)
{
    status st = OK;
    d->condition = cut(spec, '?');
    char *words = cut(spec, ':');
    char *dots = spec[0] == '"' ? NULL : strstr(spec, "..");
    if (dots) {
        TRY(read_range(d, spec, dots, err));
    } else if (*spec) {
        TRY(read_choices(s, d, spec, err));
    } else {
        TRY(REFUSE(d, err, E_PARSE, "expected LOW..HIGH or choices behind the name"));
    }
    for (char *rest; words; words = rest) {
        rest = cut(words, ':');
        TRY(read_word(d, words, err));
    }
    TRY(draft_add(s, d, err));
done:
    return st;
}

/* The end of a piece: the next space outside of quotes. */
static char *piece_end(char *s)
{
    bool is_quoted = false;
    for (; *s && (is_quoted || !isspace((unsigned char)*s)); s++) {
        if (*s == '"') is_quoted = !is_quoted;
    }
    return s;
}

static status add_text_below(
    space *s, const char *written, const char *prefix, const origin *at, error *err)
{
    status st = OK;
    char *p = arena_strdup(&s->memory, written);
    if (!p) return fail_nomem(err, "the search space");
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        if (!*p) break;
        char *piece = p, *end = piece_end(p);
        p = *end ? end + 1 : end;
        *end = '\0';
        char *spec = cut(piece, '=');
        if (!spec) {
            TRY(fail_at(err, E_PARSE, at,
                "search space: expected NAME=LOW..HIGH or NAME=A,B,C, found \"%s\"", piece));
        }
        const bool has_prefix = prefix && *prefix;
        const char *name = has_prefix ? arena_printf(&s->memory, "%s.%s", prefix, piece) : piece;
        if (!name) TRY(fail_nomem(err, piece));
        draft d = draft_new(name, prefix, at);
        TRY(read_spec(s, &d, spec, err));
    }
done:
    return st;
}

status space_add_text(space *s, const char *written, const origin *at, error *err)
{
    return add_text_below(s, written, "", at, err);
}

/* -- blocks -- */

static bool is_number(const value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_REAL;
}

static status fail_value(const draft *d, const value *v, const char *expected, error *err)
{
    text t = { 0 };
    value_describe(v, &t);
    const status st = REFUSE(d, err, E_TYPE, "expected %s, found %s", expected, t.s ? t.s : "?");
    text_release(&t);
    return st;
}

static status take_choice(space *s, draft *d, const value *v, error *err)
{
    status st = OK;
    text t = { 0 };
    if (v->kind == VALUE_GROUP || v->kind == VALUE_LIST) {
        return fail_value(d, v, "a choice: a string, a number or true or false", err);
    }
    value_to_text(v, &t);
    TRY(text_check(&t, err));
    TRY(add_choice(s, d, v->kind == VALUE_STRING ? v->as.string : t.s, t.s, err));
done:
    text_release(&t);
    return st;
}

static status take_choices(space *s, draft *d, const value *list, error *err)
{
    status st = OK;
    if (list->kind != VALUE_LIST || list->n == 0) {
        return fail_value(d, list, "a list of choices", err);
    }
    for (size_t i = 0; i < list->n; i++)
        TRY(take_choice(s, d, list->item[i], err));
done:
    return st;
}

static status take_end(const value *v, double *out, bool *out_has, error *err)
{
    *out_has = true;
    return value_to_real(v, out, err);
}

/* Two numbers are a range, anything else are choices. */
static status take_list(space *s, draft *d, const value *v, error *err)
{
    status st = OK;
    if (v->n == 2 && is_number(v->item[0]) && is_number(v->item[1])) {
        TRY(take_end(v->item[0], &d->low, &d->has_low, err));
        TRY(take_end(v->item[1], &d->high, &d->has_high, err));
        d->is_whole = v->item[0]->kind == VALUE_INT && v->item[1]->kind == VALUE_INT;
    } else {
        TRY(take_choices(s, d, v, err));
    }
done:
    return st;
}

static status take_prior(draft *d, const value *v, error *err)
{
    status st = OK;
    if (v->kind != VALUE_LIST || v->n != 2) {
        return fail_value(d, v, "a prior [mean, deviation]", err);
    }
    TRY(value_to_real(v->item[0], &d->prior_mean, err));
    TRY(value_to_real(v->item[1], &d->prior_sd, err));
done:
    return st;
}

static status take_type(draft *d, const value *v, error *err)
{
    const char *type;
    const status st = value_to_string(v, &type, err);
    if (st != OK) return st;
    d->is_int = strcmp(type, "int") == 0;
    d->is_real = strcmp(type, "real") == 0;
    return d->is_int || d->is_real ? OK : fail_value(d, v, "\"int\" or \"real\"", err);
}

static status take_key(space *s, draft *d, const value *v, error *err)
{
    static const char *const known[] = { "low", "high", "log", "step", "type", "choices", "prior",
        "if", "name" };
    status st = OK;
    if (strcmp(v->name, "low") == 0) {
        st = take_end(v, &d->low, &d->has_low, err);
    } else if (strcmp(v->name, "high") == 0) {
        st = take_end(v, &d->high, &d->has_high, err);
    } else if (strcmp(v->name, "log") == 0) {
        st = value_to_bool(v, &d->is_log, err);
    } else if (strcmp(v->name, "step") == 0) {
        st = value_to_real(v, &d->step, err);
        if (st == OK && !(d->step > 0)) st = fail_value(d, v, "a step above 0", err);
    } else if (strcmp(v->name, "type") == 0) {
        st = take_type(d, v, err);
    } else if (strcmp(v->name, "choices") == 0) {
        st = take_choices(s, d, v, err);
    } else if (strcmp(v->name, "prior") == 0) {
        st = take_prior(d, v, err);
    } else if (strcmp(v->name, "if") == 0) {
        st = value_to_string(v, &d->condition, err);
    } else if (strcmp(v->name, "name") == 0) {
        st = value_to_string(v, &d->name, err);
    } else {
        const char *nearest = text_nearest(v->name, known, sizeof known / sizeof known[0]);
        st = fail_at(err, E_UNKNOWN, &v->at, "search space: %s: unknown key \"%s\"%s%s%s", d->name,
            v->name, nearest ? ": did you mean \"" : "", nearest ? nearest : "",
            nearest ? "\"?" : "");
    }
    return st;
}

static bool is_dimension(const value *group)
{
    return value_find(group, "low") || value_find(group, "high") || value_find(group, "choices");
}

static status take_group(space *s, draft *d, const value *v, error *err)
{
    status st = OK;
    const value *low = value_find(v, "low"), *high = value_find(v, "high");
    d->is_whole = low && high && low->kind == VALUE_INT && high->kind == VALUE_INT;
    for (size_t i = 0; i < v->n; i++)
        TRY(take_key(s, d, v->item[i], err));
done:
    return st;
}

static status add_group(space *s, const value *group, const char *prefix, int depth, error *err);

static status add_value(space *s, const value *v, const char *prefix, int depth, error *err)
{
    status st = OK;
    const char *name = *prefix ? arena_printf(&s->memory, "%s.%s", prefix, v->name) : v->name;
    if (!name) return fail_nomem(err, "the search space");
    draft d = draft_new(name, prefix, &v->at);
    if (v->kind == VALUE_GROUP && !is_dimension(v)) return add_group(s, v, name, depth + 1, err);
    if (v->kind == VALUE_STRING) {
        char *spec = arena_strdup(&s->memory, v->as.string);
        if (!spec) return fail_nomem(err, name);
        strip_spaces(spec);
        return read_spec(s, &d, spec, err);
    }
    if (v->kind == VALUE_GROUP) {
        TRY(take_group(s, &d, v, err));
    } else if (v->kind == VALUE_LIST && v->n > 0) {
        TRY(take_list(s, &d, v, err));
    } else {
        TRY(fail_value(
            &d, v, "a range [low, high], choices, a group of them or \"LOW..HIGH\"", err));
    }
    TRY(draft_add(s, &d, err));
done:
    return st;
}

static status add_group(space *s, const value *group, const char *prefix, int depth, error *err)
{
    status st = OK;
    if (depth > MOST_NESTING) {
        return fail_at(err, E_RANGE, &group->at, "search space: groups are nested too deep");
    }
    for (size_t i = 0; i < group->n; i++)
        TRY(add_value(s, group->item[i], prefix, depth, err));
done:
    return st;
}

status space_add_block(space *s, const value *block, const char *prefix, error *err)
{
    status st = OK;
    const char *before = prefix ? prefix : "";
    const draft whole = draft_new("", before, &block->at);
    if (block->kind == VALUE_GROUP) return add_group(s, block, before, 0, err);
    if (block->kind == VALUE_STRING) {
        return add_text_below(s, block->as.string, before, &block->at, err);
    }
    if (block->kind != VALUE_LIST) {
        return fail_value(&whole, block, "a group or a text", err);
    }
    for (size_t i = 0; i < block->n; i++) {
        const value *v = block->item[i];
        if (v->kind != VALUE_STRING) TRY(fail_value(&whole, v, "a text", err));
        TRY(add_text_below(s, v->as.string, before, &v->at, err));
    }
done:
    return st;
}

/* -- tables of hyperparameters -- */

static status take_hyper(space *s, draft *d, const assay_hyper *h, error *err)
{
    status st = OK;
    d->low = h->tune_min;
    d->high = h->tune_max;
    switch (h->type) {
    case ASSAY_TYPE_REAL:
    case ASSAY_TYPE_INT:
        d->has_low = d->has_high = true;
        d->is_int = h->type == ASSAY_TYPE_INT;
        d->is_real = !d->is_int;
        d->is_log = (h->flags & ASSAY_LOG) != 0;
        break;
    case ASSAY_TYPE_BOOL:
        TRY(add_choice(s, d, "false", "false", err));
        TRY(add_choice(s, d, "true", "true", err));
        break;
    case ASSAY_TYPE_ENUM:
        for (uint64_t k = 0; k < h->n_choices; k++) {
            const char *quoted_choice = arena_printf(&s->memory, "\"%s\"", h->choices[k]);
            if (!quoted_choice) return fail_nomem(err, d->name);
            TRY(add_choice(s, d, h->choices[k], quoted_choice, err));
        }
        break;
    default: TRY(REFUSE(d, err, E_UNSUPPORTED, "a list or text has no default search range"));
    }
    TRY(draft_add(s, d, err));
done:
    return st;
}

status space_add_hypers(space *s, const hyper_table *table, const char *prefix, error *err)
{
    status st = OK;
    for (size_t i = 0; i < table->n; i++) {
        const assay_hyper *h = hyper_row(table, i);
        if (!(h->flags & ASSAY_TUNE)) continue;
        const char *name =
            prefix && *prefix ? arena_printf(&s->memory, "%s.%s", prefix, h->name) : h->name;
        if (!name) TRY(fail_nomem(err, h->name));
        draft d = draft_new(name, prefix, NULL);
        TRY(take_hyper(s, &d, h, err));
    }
done:
    return st;
}
