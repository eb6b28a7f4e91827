/* What a component of any kind must hold to, once it is loaded: its table of hyperparameters, and the life of an instance up to
 * the callbacks of its kind. */
#include "check/host_wrap.h"
#include "check/process_state.h"
#include "check/subject.h"
#include "train/block_keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- The table -- */

static bool is_number(const assay_hyper *h)
{
    return h->type == ASSAY_TYPE_REAL || h->type == ASSAY_TYPE_INT;
}

static void check_row(const assay_hyper *h, check_report *r)
{
    if (!(h->flags & ASSAY_TUNE)) {
        if (h->flags & ASSAY_LOG) {
            check_warn(
                r, "\"%s\" has ASSAY_LOG without ASSAY_TUNE: it is not searched at all", h->name);
        }
        return;
    }
    if (!is_number(h)) {
        if (h->type != ASSAY_TYPE_BOOL && h->type != ASSAY_TYPE_ENUM) {
            check_fail(r,
                "\"%s\" has ASSAY_TUNE, but only numbers, switches and choices can be searched",
                h->name);
        }
        return;
    }
    if (!hyper_in_range(h, h->tune_min) || !hyper_in_range(h, h->tune_max)) {
        check_fail(r,
            "\"%s\": an end of its search range [%g, %g] is not a valid value, as its valid "
            "range is open there",
            h->name, h->tune_min, h->tune_max);
    }
    if (h->tune_min == h->tune_max) {
        check_fail(r,
            "\"%s\": its search range is the single value %g: give it ends, or leave out "
            "ASSAY_TUNE",
            h->name, h->tune_min);
    }
    if (h->type == ASSAY_TYPE_INT &&
        (floor(h->tune_min) != h->tune_min || floor(h->tune_max) != h->tune_max)) {
        check_fail(r, "\"%s\": the ends of its search range, %g and %g, are not whole numbers",
            h->name, h->tune_min, h->tune_max);
    }
}

static void test_hypers(const subject *s, check_report *r)
{
    const hyper_table *h = &s->component->hypers;
    error err = { 0 };
    if (hyper_table_check(h, NULL, &err) != OK) check_fail(r, "%s", err.text);
    if (hyper_check_keys(h, s->kind, block_keys(s->kind), &err) != OK)
        check_fail(r, "%s", err.text);
    for (size_t i = 0; i < h->n; i++)
        check_row(hyper_row(h, i), r);
    if (h->n == 0) check_skip(r, "it has no hyperparameters");
}

/* -- Settings -- */

/* "name = value;" */
static void write_number(const assay_hyper *h, double v, text *t)
{
    text_clear(t);
    text_printf(t, "%s = ", h->name);
    if (h->type == ASSAY_TYPE_INT && isfinite(v)) {
        text_printf(t, "%.0f;", v);
        return;
    }
    text_add(t, isfinite(v) ? "" : "\"");
    text_add_real(t, v);
    text_add(t, isfinite(v) ? ";" : "\";");
}

/* One end of a search range on its own. */
static void check_search_end(
    const subject *s, const assay_hyper *h, double v, text *t, check_report *r)
{
    specimen p;
    error err = { 0 };
    write_number(h, v, t);
    if (specimen_open(s, t->s, &p, &err) == OK) {
        specimen_close(&p);
    } else {
        check_warn(r,
            "a search may propose \"%s\", which is refused with all else at its default: %s", t->s,
            err.text);
    }
}

static void test_defaults(const subject *s, check_report *r)
{
    const hyper_table *h = &s->component->hypers;
    specimen p;
    error err = { 0 };
    text t = { 0 };
    if (specimen_open(s, "", &p, &err) != OK) {
        check_fail(r, "it cannot be made with its defaults: %s", err.text);
        return;
    }
    specimen_close(&p);
    for (size_t i = 0; i < h->n; i++) {
        const assay_hyper *row = hyper_row(h, i);
        if (!(row->flags & ASSAY_TUNE) || !is_number(row)) continue;
        check_search_end(s, row, row->tune_min, &t, r);
        check_search_end(s, row, row->tune_max, &t, r);
    }
    text_release(&t);
}

/* -- What is not valid -- */

static void expect_refusal(
    const subject *s, const assay_hyper *h, double v, text *t, check_report *r)
{
    specimen p;
    error err = { 0 };
    if (hyper_in_range(h, v)) return;
    write_number(h, v, t);
    if (specimen_open(s, t->s, &p, &err) == OK) {
        specimen_close(&p);
        check_fail(r, "\"%s\" is outside of the valid range and was taken", t->s);
    } else if (!strstr(err.text, h->name)) {
        check_fail(r, "\"%s\" is refused by a message that does not name it: %s", t->s, err.text);
    }
}

static void test_refuses_invalid(const subject *s, check_report *r)
{
    const hyper_table *h = &s->component->hypers;
    text t = { 0 };
    size_t n = 0;
    for (size_t i = 0; i < h->n; i++) {
        const assay_hyper *row = hyper_row(h, i);
        if (!is_number(row)) continue;
        const bool is_real = row->type == ASSAY_TYPE_REAL;
        const double step = is_real ? 1e-3 * fmax(1, fabs(row->min)) : 1;
        n++;
        if (isfinite(row->min) && fabs(row->min) < 1e15) {
            expect_refusal(s, row, row->min, &t, r);
            expect_refusal(s, row, row->min - step, &t, r);
        }
        if (isfinite(row->max) && fabs(row->max) < 1e15) {
            expect_refusal(s, row, row->max, &t, r);
            expect_refusal(
                s, row, row->max + (is_real ? 1e-3 * fmax(1, fabs(row->max)) : 1), &t, r);
        }
        if (is_real) expect_refusal(s, row, NAN, &t, r);
        if (is_real) expect_refusal(s, row, HUGE_VAL, &t, r);
        if (is_real) expect_refusal(s, row, -HUGE_VAL, &t, r);
    }
    if (n == 0) check_skip(r, "it has no hyperparameters that are numbers");
    text_release(&t);
}

/* -- The life of an instance -- */

typedef void each_setting(const subject *s, const char *settings, check_report *r);

/* Under each of the settings, until one fails. */
static void for_each_setting(const subject *s, each_setting *each, check_report *r)
{
    const char *settings[CHECK_MAX_SETTINGS];
    arena a = { 0 };
    error err = { 0 };
    size_t n = 0;
    if (subject_settings(s, &a, settings, &n, &err) != OK) check_fail(r, "%s", err.text);
    for (size_t i = 0; i < n && r->outcome != CHECK_FAILED; i++)
        each(s, settings[i], r);
    arena_release(&a);
}

/* "with its defaults", or "with lr = 0.1;" */
static const char *settings_text(const char *settings)
{
    return settings[0] ? settings : "its defaults";
}

/* Bound once more, without the plugin. */
static status bind_again(const specimen *p, void *out, error *err)
{
    const component *c = p->instance->component;
    struct instance **nested = NULL;
    static const char *const keys[] = { "type", NULL };
    const hyper_bind_options o = {
        .what = c->id, .reserved = keys, .registry = p->instance->registry, .purpose = "check"
    };
    const status st = hyper_bind(p->config, value_find(config_root(p->config), "subject"),
        &c->hypers, &o, out, &nested, err);
    for (; st == OK && nested && *nested; nested++)
        instance_free(*nested);
    return st;
}

static void compare_hypers(
    const specimen *p, const void *bound, const char *settings, check_report *r)
{
    const hyper_table *h = &p->instance->component->hypers;
    for (size_t i = 0; i < h->n; i++) {
        const assay_hyper *row = hyper_row(h, i);
        const bool is_plain =
            is_number(row) || row->type == ASSAY_TYPE_BOOL || row->type == ASSAY_TYPE_ENUM;
        const char *now = (const char *)p->instance->hyper + row->offset;
        if (is_plain && memcmp(now, (const char *)bound + row->offset, sizeof(double)) != 0) {
            check_fail(r,
                "validate or create has changed the hyperparameter \"%s\", which is the "
                "host's (with %s): keep what is derived on ctx->self",
                row->name, settings_text(settings));
        }
    }
}

static void check_keeps_hypers(const subject *s, const char *settings, check_report *r)
{
    specimen p;
    error err = { 0 };
    const size_t bytes = s->component->hypers.bytes;
    void *bound = calloc(1, bytes ? bytes : 1);
    status st = bound ? specimen_open(s, settings, &p, &err) : fail_nomem(&err, "hyperparameters");
    if (st != OK) {
        check_fail(r, "it cannot be made twice with %s: %s", settings_text(settings), err.text);
        free(bound);
        return;
    }
    st = bind_again(&p, bound, &err);
    if (st == OK) {
        compare_hypers(&p, bound, settings, r);
    } else {
        check_fail(r, "%s", err.text);
    }
    specimen_close(&p);
    free(bound);
}

static void test_keeps_hypers(const subject *s, check_report *r)
{
    for_each_setting(s, check_keeps_hypers, r);
}

/* To find the settings it is made and destroyed under each of them. */
static void test_creates_quietly(const subject *s, check_report *r)
{
    const char *settings[CHECK_MAX_SETTINGS];
    arena a = { 0 };
    text t = { 0 };
    error err = { 0 };
    size_t n;
    process_state *before, *after;
    if (process_state_take(&a, &before, &err) != OK ||
        subject_settings(s, &a, settings, &n, &err) != OK ||
        process_state_take(&a, &after, &err) != OK) {
        check_fail(r, "%s", err.text);
    } else {
        process_state_compare(before, after, &t);
    }
    if (t.n) check_fail(r, "after validate, create and destroy %s", t.s);
    text_release(&t);
    arena_release(&a);
}

/* -- Memory that runs out -- */

typedef struct life {
    int (*create)(assay_ctx *ctx, const void *hyper);
    void (*destroy)(assay_ctx *ctx);
} life;

static life life_of(const component *c)
{
    if (strcmp(c->kind, ASSAY_KIND_OPTIMIZER) == 0) {
        const assay_optimizer *o = c->ops;
        return (life){ o->create, o->destroy };
    }
    if (strcmp(c->kind, ASSAY_KIND_LAYER) == 0) {
        const assay_layer *o = c->ops;
        return (life){ o->create, o->destroy };
    }
    return (life){ NULL, NULL };
}

enum { MOST_FAILING_CALLS = 1000 };

/* The instance's `create` again and again, the k-th request for memory refused, until it asks for less than k. */
static void check_memory(const subject *s, const char *settings, check_report *r)
{
    const life own = life_of(s->component);
    specimen p;
    error err = { 0 };
    host_wrap w;
    if (specimen_open(s, settings, &p, &err) != OK) {
        check_fail(r, "%s", err.text);
        return;
    }
    instance *i = p.instance;
    host_wrap_begin(&w, i);
    bool has_failed = true;
    for (uint64_t k = 1; has_failed && k <= MOST_FAILING_CALLS && r->outcome != CHECK_FAILED; k++) {
        if (own.destroy) own.destroy(&i->ctx);
        i->ctx.self = NULL;
        host_wrap_fail_at(&w, k);
        const int code = own.create(&i->ctx, i->hyper);
        has_failed = host_wrap_has_failed(&w);
        if (has_failed && code == ASSAY_OK) {
            check_fail(r,
                "create returns ASSAY_OK although request %llu for memory gave NULL (with "
                "%s): return ASSAY_E_NOMEM",
                (unsigned long long)k, settings_text(settings));
        }
        if (instance_status(i, code, "create", &err) != OK && !has_failed) {
            check_fail(r, "create, called again after destroy, fails: %s", err.text);
        }
    }
    host_wrap_end(&w);
    specimen_close(&p);
}

static void test_out_of_memory(const subject *s, check_report *r)
{
    if (life_of(s->component).create) {
        for_each_setting(s, check_memory, r);
    } else {
        check_skip(r, "it has no create");
    }
}

const check_test check_tests_general[] = {
    { "hypers", NULL, "its hyperparameters' ranges and names make sense", test_hypers },
    { "defaults", NULL, "it can be made with its defaults, and at the ends of each search range",
        test_defaults },
    { "refuses_invalid", NULL, "values outside of a valid range are refused by name",
        test_refuses_invalid },
    { "keeps_hypers", NULL, "validate and create do not write to the hyperparameters",
        test_keeps_hypers },
    { "creates_quietly", NULL, "validate, create and destroy change nothing of the process",
        test_creates_quietly },
    { "out_of_memory", NULL, "create fails in good order when memory runs out",
        test_out_of_memory },
    { .name = NULL },
};
