/* Values of one hyperparameter at a time: the ends of its range and some beside its default, alone and on top of the settings of
 * subject_settings. The first that shows ends the search. */
#include "check/shows.h"

#include <math.h>
#include <string.h>

enum { MOST_VALUES = 24 };

typedef struct values {
    const char *of[MOST_VALUES]; /* "lr = 0.3;" */
    size_t n;
    arena *memory;
} values;

static void add(values *v, const char *written)
{
    if (written && v->n < MOST_VALUES) v->of[v->n++] = written;
}

static void add_number(values *v, const assay_hyper *h, double x)
{
    const bool is_whole = h->type == ASSAY_TYPE_INT;
    if (is_whole) x = round(x);
    if (!isfinite(x) || x == h->def || !hyper_in_range(h, x)) return;
    add(v,
        is_whole ? arena_printf(v->memory, "%s = %.0f;", h->name, x)
                 : arena_printf(v->memory, "%s = %#.9g;", h->name, x));
}

static void add_numbers(values *v, const assay_hyper *h)
{
    const double d = h->def;
    const double tried[] = { d * 2, d / 2, d + 1, d * 0.9, d * 10, 1, 2, 3, 7, 20, 0.3, 0.77, 0,
        h->min, h->max };
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        add_number(v, h, tried[i]);
    }
}

static void add_list(values *v, const assay_hyper *h)
{
    static const char *const reals[] = { "[ 0.3, 0.6 ]", "[ 0.55 ]", "[ 3.0, 11.0 ]" };
    static const char *const wholes[] = { "[ 3, 11 ]", "[ 20 ]", "[ 1 ]" };
    const char *const *lists = h->type == ASSAY_TYPE_INTS ? wholes : reals;
    for (size_t i = 0; i < 3; i++) {
        add(v, arena_printf(v->memory, "%s = %s;", h->name, lists[i]));
    }
}

static void list_values(values *v, const assay_hyper *h)
{
    if (h->type == ASSAY_TYPE_REAL || h->type == ASSAY_TYPE_INT) add_numbers(v, h);
    if (h->type == ASSAY_TYPE_REALS || h->type == ASSAY_TYPE_INTS) add_list(v, h);
    if (h->type == ASSAY_TYPE_BOOL) {
        add(v, arena_printf(v->memory, "%s = %s;", h->name, h->def != 0 ? "false" : "true"));
    }
    for (uint64_t i = 0; h->type == ASSAY_TYPE_ENUM && i < h->n_choices; i++) {
        if ((double)i == h->def && !(h->flags & ASSAY_REQUIRED)) continue;
        add(v, arena_printf(v->memory, "%s = \"%s\";", h->name, h->choices[i]));
    }
}

static bool can_be_opened(const subject *s, const char *settings)
{
    specimen p;
    error err = { 0 };
    if (specimen_open(s, settings, &p, &err) != OK) return false;
    specimen_close(&p);
    return true;
}

/* Whether the text sets this hyperparameter, among others. */
static bool sets(const char *settings, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = strstr(settings, name); at; at = strstr(at + 1, name)) {
        if ((at == settings || at[-1] == ' ') && at[n] == ' ') return true;
    }
    return false;
}

/* Whether one of the values makes a difference on top of a setting; *n_tried counts those that can be set. */
static bool shows_beside(const subject *s, const values *v, const char *base,
    settings_hash_of *hash, void *self, size_t *n_tried)
{
    const uint64_t plain = hash(s, base, self);
    for (size_t i = 0; i < v->n; i++) {
        const char *both = arena_printf(v->memory, "%s%s%s", base, base[0] ? " " : "", v->of[i]);
        if (!both || !can_be_opened(s, both)) continue;
        ++*n_tried;
        if (hash(s, both, self) != plain) return true;
    }
    return false;
}

/* The same beside each value of each other hyperparameter. */
static bool shows_beside_others(const subject *s, const values *v, size_t own,
    settings_hash_of *hash, void *self, size_t *n_tried)
{
    const hyper_table *h = &s->component->hypers;
    bool shows = false;
    for (size_t i = 0; i < h->n && !shows; i++) {
        values others = { .memory = v->memory };
        if (i == own) continue;
        list_values(&others, hyper_row(h, i));
        for (size_t k = 0; k < others.n && !shows; k++) {
            if (!can_be_opened(s, others.of[k])) continue;
            shows = shows_beside(s, v, others.of[k], hash, self, n_tried);
        }
    }
    return shows;
}

void check_shows(
    const subject *s, settings_hash_of *hash, void *self, const char *where, check_report *rep)
{
    const hyper_table *h = &s->component->hypers;
    const char *settings[CHECK_MAX_SETTINGS] = { "" };
    size_t n = 0;
    arena memory = { 0 };
    error err = { 0 };
    if (h->n == 0) check_skip(rep, "it has no hyperparameters");
    if (subject_settings(s, &memory, settings, &n, &err) != OK) check_fail(rep, "%s", err.text);
    for (size_t i = 0; i < h->n && rep->outcome != CHECK_FAILED; i++) {
        const assay_hyper *row = hyper_row(h, i);
        values v = { .memory = &memory };
        size_t n_tried = 0;
        bool shows = false;
        list_values(&v, row);
        for (size_t k = 0; k < n && !shows; k++) {
            if (sets(settings[k], row->name)) continue;
            shows = shows_beside(s, &v, settings[k], hash, self, &n_tried);
        }
        if (shows || n_tried == 0 || shows_beside_others(s, &v, i, hash, self, &n_tried)) continue;
        check_warn(rep,
            "hyperparameter \"%s\" shows nowhere: with each value tried, alone and beside other "
            "settings, it changes %s",
            row->name, where);
    }
    arena_release(&memory);
}
