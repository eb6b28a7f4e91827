/* Instances of the component under test, and the settings that they are made with.
 *
 * Settings are text in the config's grammar, so that a complaint can show them and a user can paste them. What they leave open
 * is filled in by the same rule everywhere (fill_required), so that a component with required keys is tested like any other. */
#include "check/subject.h"

#include "base/rng.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The least of each kind: for a hyperparameter that must name a component. */
static const char *plainest(const char *kind)
{
    static const char *const table[][2] = { { ASSAY_KIND_OPTIMIZER, "sgd" },
        { ASSAY_KIND_SCHEDULE, "constant" }, { ASSAY_KIND_LAYER, "relu" },
        { ASSAY_KIND_LOSS, "mse" }, { ASSAY_KIND_METRIC, "rmse" },
        { ASSAY_KIND_DATASET, "linear" } };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (strcmp(table[i][0], kind) == 0) return table[i][1];
    }
    return "";
}

static bool is_number(const assay_hyper *h)
{
    return h->type == ASSAY_TYPE_REAL || h->type == ASSAY_TYPE_INT;
}

/* "name = value; ", the value as the row's type is written. */
static void add_number(const assay_hyper *h, double v, text *t)
{
    text_printf(t, "%s = ", h->name);
    if (h->type == ASSAY_TYPE_REAL || h->type == ASSAY_TYPE_REALS) {
        text_add(t, isfinite(v) ? "" : "\"");
        text_add_real(t, v);
        text_add(t, isfinite(v) ? "; " : "\"; ");
    } else {
        text_printf(t, "%.0f; ", v);
    }
}

/* -- Ends of ranges -- */

/* How far from an open end a value stands. */
static double beside(const assay_hyper *h, double end)
{
    if (h->type == ASSAY_TYPE_INT) return 1;
    const double width = h->max - h->min;
    return 1e-3 * (isfinite(width) ? width : fmax(1, fabs(end)));
}

/* The least (or the greatest) value that is tried; infinite where there is no such end. */
static double low_end(const assay_hyper *h)
{
    if (h->flags & ASSAY_TUNE) return h->tune_min;
    return h->flags & ASSAY_OPEN_MIN ? h->min + beside(h, h->min) : h->min;
}

static double high_end(const assay_hyper *h)
{
    if (h->flags & ASSAY_TUNE) return h->tune_max;
    return h->flags & ASSAY_OPEN_MAX ? h->max - beside(h, h->max) : h->max;
}

/* A whole number beyond this is a size that no test needs, and may be more than memory holds. */
enum { MOST_WHOLE = 1000 };

static bool is_tried(const assay_hyper *h, double v)
{
    if (!isfinite(v) || v == h->def || !hyper_in_range(h, v)) return false;
    return h->type != ASSAY_TYPE_INT || fabs(v) <= MOST_WHOLE;
}

static double clamp(double v, double low, double high)
{
    return v < low ? low : v > high ? high : v;
}

/* A middling value of a number that has no default. */
static double middle(const assay_hyper *h)
{
    const double low = low_end(h), high = high_end(h);
    const bool is_search = (h->flags & ASSAY_TUNE) != 0;
    const double v = !is_search ? clamp(8, low, high)
        : h->flags & ASSAY_LOG  ? sqrt(low * high)
                                : (low + high) / 2;
    return h->type == ASSAY_TYPE_INT || h->type == ASSAY_TYPE_INTS ? ceil(v) : v;
}

/* -- One instance -- */

static void fill_row(const assay_hyper *h, text *t)
{
    switch (h->type) {
    case ASSAY_TYPE_REAL:
    case ASSAY_TYPE_INT: add_number(h, middle(h), t); break;
    case ASSAY_TYPE_BOOL: text_printf(t, "%s = false; ", h->name); break;
    case ASSAY_TYPE_ENUM: text_printf(t, "%s = \"%s\"; ", h->name, h->choices[0]); break;
    case ASSAY_TYPE_STRING: text_printf(t, "%s = \"x\"; ", h->name); break;
    case ASSAY_TYPE_REALS: text_printf(t, "%s = [ %g ]; ", h->name, middle(h)); break;
    case ASSAY_TYPE_INTS: text_printf(t, "%s = [ %.0f ]; ", h->name, middle(h)); break;
    case ASSAY_TYPE_STRINGS: text_printf(t, "%s = [ \"x\" ]; ", h->name); break;
    case ASSAY_TYPE_COMPONENT:
        text_printf(t, "%s = { type = \"%s\"; }; ", h->name, plainest(h->kind));
        break;
    default: break;
    }
}

static const value *block_of(const config *c)
{
    return value_find(config_root(c), "subject");
}

/* The rows that need a value and have none in `given`. */
static void fill_required(const hyper_table *h, const value *given, bool components, text *t)
{
    for (size_t i = 0; i < h->n; i++) {
        const assay_hyper *row = hyper_row(h, i);
        const bool is_needed =
            (row->flags & ASSAY_REQUIRED) || (components && row->type == ASSAY_TYPE_COMPONENT);
        if (is_needed && !value_find(given, row->name)) fill_row(row, t);
    }
}

/* In a dataset the run's seed has no part: core/data makes every one with this. */
static uint64_t seed_of(const subject *s, const component *c)
{
    return strcmp(c->kind, ASSAY_KIND_DATASET) == 0 ? 0 : s->seed;
}

static status make(const subject *s, const component *c, const char *settings, bool components,
    specimen *out, error *err)
{
    text t = { 0 };
    config *given = NULL;
    specimen p = { 0 };
    status st = OK;
    text_printf(&t, "subject = { %s };", settings);
    TRY(text_check(&t, err));
    TRY(config_parse("settings", t.s, &given, err));
    text_clear(&t);
    text_printf(&t, "subject = { type = \"%s:%s\"; %s ", c->file->name, c->id, settings);
    fill_required(&c->hypers, block_of(given), components, &t);
    text_add(&t, "};");
    TRY(text_check(&t, err));
    TRY(config_parse("settings", t.s, &p.config, err));
    TRY(instance_new(s->registry, p.config, c->kind, (value *)(uintptr_t)block_of(p.config), NULL,
        seed_of(s, c), "check", &p.instance, err));
    *out = p;
    p = (specimen){ 0 };
done:
    specimen_close(&p);
    config_free(given);
    text_release(&t);
    return st;
}

static bool has_components(const hyper_table *h)
{
    for (size_t i = 0; i < h->n; i++) {
        if (hyper_row(h, i)->type == ASSAY_TYPE_COMPONENT) return true;
    }
    return false;
}

/* A nested component that is optional by its row may be required by `validate`: then it is tried again with one. */
static status open_component(
    const subject *s, const component *c, const char *settings, specimen *out, error *err)
{
    error again = { 0 };
    const status st = make(s, c, settings, false, out, err);
    if (st == OK || st == E_NOMEM || !has_components(&c->hypers)) return st;
    return make(s, c, settings, true, out, &again) == OK ? OK : st;
}

status specimen_open(const subject *s, const char *settings, specimen *out, error *err)
{
    return open_component(s, s->component, settings, out, err);
}

status specimen_open_other(const subject *s, const char *kind, const char *id, const char *settings,
    specimen *out, error *err)
{
    const component *c = NULL;
    const status st = registry_find(s->registry, kind, id, NULL, &c, err);
    return st == OK ? open_component(s, c, settings, out, err) : st;
}

void specimen_close(specimen *p)
{
    instance_free(p->instance);
    config_free(p->config);
    *p = (specimen){ 0 };
}

/* -- The settings -- */

typedef struct collector {
    const subject *subject;
    arena *memory;
    const char **out; // [CHECK_MAX_SETTINGS]
    size_t n;
} collector;

/* Keeps it unless it is there already or the component refuses it. */
static status keep(collector *c, text *t, error *err)
{
    specimen p;
    error why = { 0 };
    status st = text_check(t, err);
    if (st != OK || c->n == CHECK_MAX_SETTINGS) return st;
    const size_t n = t->n && t->s[t->n - 1] == ' ' ? t->n - 1 : t->n;
    const char *copy = arena_strndup(c->memory, t->s ? t->s : "", n);
    if (!copy) return fail_nomem(err, "settings");
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->out[i], copy) == 0) return OK;
    }
    st = specimen_open(c->subject, copy, &p, &why);
    if (st == E_NOMEM) return fail_nomem(err, "settings");
    if (st != OK) return OK;
    specimen_close(&p);
    c->out[c->n++] = copy;
    return OK;
}

static status keep_number(collector *c, const assay_hyper *h, double v, text *t, error *err)
{
    text_clear(t);
    if (!is_tried(h, v)) return OK;
    add_number(h, v, t);
    return keep(c, t, err);
}

static status collect_row(collector *c, const assay_hyper *h, text *t, error *err)
{
    status st = OK;
    if (is_number(h)) {
        TRY(keep_number(c, h, low_end(h), t, err));
        TRY(keep_number(c, h, high_end(h), t, err));
    }
    if (h->type == ASSAY_TYPE_BOOL) {
        text_clear(t);
        text_printf(t, "%s = %s;", h->name, h->def != 0 ? "false" : "true");
        TRY(keep(c, t, err));
    }
    for (uint64_t i = 0; h->type == ASSAY_TYPE_ENUM && i < h->n_choices; i++) {
        if ((double)i == h->def && !(h->flags & ASSAY_REQUIRED)) continue;
        text_clear(t);
        text_printf(t, "%s = \"%s\";", h->name, h->choices[i]);
        TRY(keep(c, t, err));
    }
done:
    return st;
}

/* A number anywhere between the ends, by a uniform one; evenly by order of magnitude where the search is. */
static double somewhere(const assay_hyper *h, double uniform)
{
    double low = low_end(h), high = high_end(h);
    if (!isfinite(low)) low = isfinite(high) ? high - 10 : -10;
    if (!isfinite(high)) high = fmax(low, h->def) + 10;
    /* Without a search range whole numbers are sizes more often than not: several at 100 times their default cost minutes. */
    const double near = h->flags & ASSAY_TUNE ? 100 : 10 * fmax(1, fabs(h->def));
    if (h->type == ASSAY_TYPE_INT) high = fmin(high, fmax(low, fmin(near, 100)));
    const double v = (h->flags & ASSAY_LOG) && low > 0 ? low * pow(high / low, uniform)
                                                       : low + (high - low) * uniform;
    return h->type == ASSAY_TYPE_INT ? round(v) : v;
}

static void add_random(const assay_hyper *h, double uniform, text *t)
{
    if (is_number(h)) {
        const double v = somewhere(h, uniform);
        if (is_tried(h, v)) add_number(h, v, t);
    } else if (h->type == ASSAY_TYPE_BOOL) {
        text_printf(t, "%s = %s; ", h->name, uniform < 0.5 ? "false" : "true");
    } else if (h->type == ASSAY_TYPE_ENUM) {
        const double i = floor(uniform * (double)h->n_choices);
        text_printf(t, "%s = \"%s\"; ", h->name, h->choices[(size_t)i]);
    }
}

enum { N_RANDOM = 6 };

static status collect_random(collector *c, size_t i_random, text *t, error *err)
{
    const hyper_table *h = &c->subject->component->hypers;
    const rng r = rng_make(c->subject->seed, "check/settings");
    text_clear(t);
    for (size_t i = 0; i < h->n; i++) {
        float u[2];
        rng_uniform(r, i_random, 2 * i, u, 2);
        if (u[0] < 0.5F) add_random(hyper_row(h, i), (double)u[1], t);
    }
    return keep(c, t, err);
}

status subject_settings(const subject *s, arena *a, const char **out, size_t *out_n, error *err)
{
    collector c = { .subject = s, .memory = a, .out = out };
    const hyper_table *h = &s->component->hypers;
    specimen p;
    text t = { 0 };
    status st = OK;
    TRY(specimen_open(s, "", &p, err));
    specimen_close(&p);
    out[c.n++] = "";
    for (size_t i = 0; i < h->n && c.n < CHECK_MAX_SETTINGS - N_RANDOM; i++)
        TRY(collect_row(&c, hyper_row(h, i), &t, err));
    for (size_t i = 0; i < N_RANDOM; i++)
        TRY(collect_random(&c, i, &t, err));
    *out_n = c.n;
done:
    text_release(&t);
    return st;
}
