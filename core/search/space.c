/* A space as a structure: its points, what they mean, and how spaces and points are told apart. How it is read is in
 * space_read.c.
 *
 * A point is repaired from the first dimension to the last, since a dimension's parent stands before it. */
#include "search/space.h"

#include "base/file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void space_init(space *s)
{
    *s = (space){ 0 };
}

void space_release(space *s)
{
    arena_release(&s->memory);
    *s = (space){ 0 };
}

size_t space_find(const space *s, const char *name)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->dimensions[i].name, name) == 0) return i;
    }
    return s->n;
}

/* How many values a dimension has; INFINITY where it is continuous. */
static double n_levels(const assay_dimension *d)
{
    if (d->type == ASSAY_SPACE_CATEGORY) return (double)d->n_choices;
    if (d->low == d->high) return 1;
    if (!(d->step > 0)) return d->type == ASSAY_SPACE_INT ? d->high - d->low + 1 : (double)INFINITY;
    return floor((d->high - d->low) / d->step * (1 + 1e-12) + 1e-9) + 1;
}

/* Of dimension i and all that hang on it, where it is active: a tree is summed over the choices of its root. */
static double count_below(const space *s, size_t i)
{
    const assay_dimension *d = &s->dimensions[i];
    double sum = 0;
    if (d->type != ASSAY_SPACE_CATEGORY) return n_levels(d);
    for (uint64_t c = 0; c < d->n_choices; c++) {
        double product = 1;
        for (size_t k = i + 1; k < s->n; k++) {
            const assay_dimension *child = &s->dimensions[k];
            if (child->parent == i && child->parent_choices >> c & 1) product *= count_below(s, k);
        }
        sum += product;
    }
    return sum;
}

double space_count(const space *s)
{
    double product = 1;
    for (size_t i = 0; i < s->n; i++) {
        if (s->dimensions[i].parent == ASSAY_NO_PARENT) product *= count_below(s, i);
    }
    return product;
}

bool space_is_active(const space *s, const double *x, size_t i)
{
    const assay_dimension *d = &s->dimensions[i];
    if (d->parent == ASSAY_NO_PARENT) return true;
    const double choice = x[d->parent];
    return choice >= 0 && choice < SPACE_MOST_CHOICES &&
        d->parent_choices >> (unsigned)choice & 1; /* NaN is not >= 0 */
}

static double middle(const assay_dimension *d)
{
    if (d->type == ASSAY_SPACE_CATEGORY) return 0;
    return d->log ? exp((log(d->low) + log(d->high)) / 2) : d->low / 2 + d->high / 2;
}

/* The value of the dimension nearest to v; v is not NaN. */
static double nearest_value(const assay_dimension *d, double v)
{
    const double clipped = fmin(fmax(v, d->low), d->high);
    const double step = d->step > 0 ? d->step : d->type == ASSAY_SPACE_REAL ? 0 : 1;
    if (step == 0) return clipped + 0.0; /* one zero, not two */
    const double last = n_levels(d) - 1;
    return fmin(d->low + fmin(round((clipped - d->low) / step), last) * step, d->high) + 0.0;
}

bool space_repair(const space *s, double *x)
{
    bool has_changed = false;
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        if (!space_is_active(s, x, i)) {
            has_changed = has_changed || !isnan(x[i]);
            x[i] = (double)NAN;
            continue;
        }
        const double v = nearest_value(d, isnan(x[i]) ? middle(d) : x[i]);
        has_changed = has_changed || !(v == x[i]);
        x[i] = v;
    }
    return has_changed;
}

void space_point_id(const space *s, const double *x, char out[33])
{
    uint64_t halves[2] = { 0, 0x9e3779b97f4a7c15u };
    for (size_t i = 0; i < s->n; i++) {
        const double v = isnan(x[i]) ? (double)NAN : x[i] + 0.0;
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        if (isnan(v)) bits = 0x7ff8000000000000u; /* the sign of a NaN is nobody's */
        halves[0] = hash_u64(&bits, sizeof bits, halves[0]);
        halves[1] = hash_u64(&bits, sizeof bits, halves[1]);
    }
    hash_hex(out, halves, sizeof halves);
}

status space_id(const space *s, char out[33], error *err)
{
    text t = { 0 };
    json j;
    json_init(&j, &t);
    space_to_json(s, &j);
    const status st = text_check(&t, err);
    if (st == OK) hash_hex(out, t.s, t.n);
    text_release(&t);
    return st;
}

/* -- to a config -- */

static void add_whole(double v, text *t)
{
    text_printf(t, "%.0f", v);
}

void space_value_text(const space *s, size_t i, double x, text *t)
{
    const assay_dimension *d = &s->dimensions[i];
    if (d->type == ASSAY_SPACE_CATEGORY) {
        text_add(t, s->written[i][(size_t)x]);
    } else if (d->type == ASSAY_SPACE_INT) {
        add_whole(x, t);
    } else {
        text_add_real(t, x);
    }
}

void space_override(const space *s, size_t i, double x, text *t)
{
    text_printf(t, "%s=", s->dimensions[i].name);
    space_value_text(s, i, x, t);
}

status space_apply(const space *s, const double *x, config *c, error *err)
{
    status st = OK;
    text t = { 0 };
    for (size_t i = 0; i < s->n && st == OK; i++) {
        if (isnan(x[i])) continue;
        text_clear(&t);
        space_override(s, i, x[i], &t);
        st = text_check(&t, err);
        if (st == OK) st = config_override(c, t.s, err);
    }
    text_release(&t);
    return st;
}

/* -- JSON -- */

typedef enum choice_kind {
    CHOICE_TEXT,
    CHOICE_NUMBER,
    CHOICE_TRUTH,
} choice_kind;

/* What a choice is to a program: by how a config has it. */
static choice_kind kind_of(const char *written, double *out_number)
{
    const char *end;
    if (strcmp(written, "true") == 0 || strcmp(written, "false") == 0) return CHOICE_TRUTH;
    *out_number = text_to_real(written, &end);
    return end != written && !*end && isfinite(*out_number) ? CHOICE_NUMBER : CHOICE_TEXT;
}

/* Whole numbers without a fraction. */
static void number_to_json(double v, json *j)
{
    if (v == floor(v) && fabs(v) < 0x1p53) {
        json_int(j, (int64_t)v);
    } else {
        json_real(j, v);
    }
}

static void choice_to_json(const space *s, size_t i, size_t i_choice, json *j)
{
    double number = 0;
    switch (kind_of(s->written[i][i_choice], &number)) {
    case CHOICE_TRUTH: json_bool(j, strcmp(s->written[i][i_choice], "true") == 0); break;
    case CHOICE_NUMBER: number_to_json(number, j); break;
    case CHOICE_TEXT: json_string(j, s->dimensions[i].choices[i_choice]); break;
    }
}

void space_point_to_json(const space *s, const double *x, json *j)
{
    json_begin_object(j);
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        if (isnan(x[i])) continue;
        json_key(j, d->name);
        if (d->type == ASSAY_SPACE_CATEGORY) {
            choice_to_json(s, i, (size_t)x[i], j);
        } else if (d->type == ASSAY_SPACE_INT) {
            number_to_json(x[i], j);
        } else {
            json_real(j, x[i]);
        }
    }
    json_end_object(j);
}

static status fail_unknown_name(const space *s, const char *name, error *err)
{
    const char **names = malloc((s->n + 1) * sizeof *names);
    if (!names) return fail_nomem(err, name);
    for (size_t i = 0; i < s->n; i++)
        names[i] = s->dimensions[i].name;
    const char *nearest = text_nearest(name, names, s->n);
    const status st = nearest ? fail(err, E_UNKNOWN, "the space has no %s: did you mean \"%s\"?",
                                    quote_name(name).s, nearest)
                              : fail(err, E_UNKNOWN, "the space has no %s", quote_name(name).s);
    free(names);
    return st;
}

static status fail_choice(const space *s, size_t i, const char *found, error *err)
{
    const assay_dimension *d = &s->dimensions[i];
    const char *nearest = text_nearest(found, d->choices, d->n_choices);
    text t = { 0 };
    for (uint64_t k = 0; k < d->n_choices; k++)
        text_printf(&t, "%s%s", k ? " | " : "", d->choices[k]);
    const status st =
        fail(err, E_RANGE, "%s: expected one of %s, found %s%s%s%s", d->name, t.s ? t.s : "", found,
            nearest ? ": did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    text_release(&t);
    return st;
}

/* One value of a CATEGORY: a text, a number or a truth, as its choices are. */
static status read_choice(const space *s, size_t i, json_in *j, double *out, error *err)
{
    status st = OK;
    const assay_dimension *d = &s->dimensions[i];
    const char first = json_in_peek(j);
    const char *found = first == 't' ? "true" : "false";
    double number = 0, own = 0;
    text t = { 0 };
    if (first == 't' || first == 'f') {
        TRY(json_in_skip(j, err));
    } else if (first == '"') {
        TRY(json_in_string(j, &found, err));
    } else {
        TRY(json_in_real(j, &number, err));
        text_add_real(&t, number);
        TRY(text_check(&t, err));
        found = t.s;
    }
    for (uint64_t k = 0; k < d->n_choices; k++) {
        const choice_kind kind = kind_of(s->written[i][k], &own);
        const bool is_it = t.s ? kind == CHOICE_NUMBER && own == number
            : first == '"'     ? kind == CHOICE_TEXT && strcmp(found, d->choices[k]) == 0
                               : kind == CHOICE_TRUTH && strcmp(found, d->choices[k]) == 0;
        if (is_it) {
            *out = (double)k;
            goto done;
        }
    }
    st = fail_choice(s, i, found, err);
done:
    text_release(&t);
    return st;
}

static status read_number(const space *s, size_t i, json_in *j, double *out, error *err)
{
    status st = OK;
    const assay_dimension *d = &s->dimensions[i];
    double v = 0;
    TRY(json_in_real(j, &v, err));
    if (!(v >= d->low && v <= d->high)) {
        TRY(fail(err, E_RANGE, "%s: expected a value in [%g, %g], found %g", d->name, d->low,
            d->high, v));
    }
    *out = nearest_value(d, v);
    if (!(fabs(*out - v) <= 1e-9 * fmax(fabs(v), d->step))) {
        TRY(fail(err, E_RANGE, "%s: %.17g is none of its values; the nearest is %.17g", d->name, v,
            *out));
    }
done:
    return st;
}

/* Whether what was read fits together: nothing inactive, all that is active. */
static status check_active(const space *s, const double *x, error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        const bool is_active = space_is_active(s, x, i);
        if (is_active && isnan(x[i])) return fail(err, E_MISSING, "%s is missing", d->name);
        if (!is_active && !isnan(x[i])) {
            return fail(err, E_CONFLICT, "%s has no meaning with this choice of %s", d->name,
                s->dimensions[d->parent].name);
        }
    }
    return OK;
}

status space_point_from_json(const space *s, json_in *j, double *x, error *err)
{
    status st = OK;
    bool more;
    for (size_t i = 0; i < s->n; i++)
        x[i] = (double)NAN;
    TRY(json_in_open(j, '{', err));
    for (size_t k = 0;; k++) {
        const char *name;
        TRY(json_in_more(j, '}', k, &more, err));
        if (!more) break;
        TRY(json_in_key(j, &name, err));
        const size_t i = space_find(s, name);
        if (i == s->n) TRY(fail_unknown_name(s, name, err));
        if (!isnan(x[i])) TRY(fail(err, E_CONFLICT, "%s is there twice", name));
        TRY(s->dimensions[i].type == ASSAY_SPACE_CATEGORY ? read_choice(s, i, j, &x[i], err)
                                                          : read_number(s, i, j, &x[i], err));
    }
    TRY(check_active(s, x, err));
done:
    return st;
}

static void condition_to_json(const space *s, const assay_dimension *d, json *j)
{
    const assay_dimension *parent = &s->dimensions[d->parent];
    json_key(j, "if");
    json_begin_object(j);
    json_key(j, parent->name);
    json_begin_array(j);
    for (uint64_t k = 0; k < parent->n_choices; k++) {
        if (d->parent_choices >> k & 1) choice_to_json(s, (size_t)d->parent, k, j);
    }
    json_end_array(j);
    json_end_object(j);
}

static void range_to_json(const assay_dimension *d, json *j)
{
    json_key_string(j, "type", d->type == ASSAY_SPACE_INT ? "int" : "real");
    json_key_real(j, "low", d->low);
    json_key_real(j, "high", d->high);
    if (d->log) json_key_bool(j, "log", true);
    if (d->step > 0) json_key_real(j, "step", d->step);
    if (!isnan(d->prior_mean)) {
        json_key(j, "prior");
        json_reals(j, (const double[]){ d->prior_mean, d->prior_sd }, 2);
    }
}

void space_to_json(const space *s, json *j)
{
    json_begin_array(j);
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        json_begin_object(j);
        json_key_string(j, "name", d->name);
        if (d->type == ASSAY_SPACE_CATEGORY) {
            json_key_string(j, "type", "choice");
            json_key(j, "choices");
            json_begin_array(j);
            for (uint64_t k = 0; k < d->n_choices; k++)
                choice_to_json(s, i, k, j);
            json_end_array(j);
        } else {
            range_to_json(d, j);
        }
        if (d->parent != ASSAY_NO_PARENT) condition_to_json(s, d, j);
        json_end_object(j);
    }
    json_end_array(j);
}
