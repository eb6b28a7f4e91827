/* Going through settings and inputs, and comparing what two passes wrote. */
#include "check/layer_cases.h"

#include "base/clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- cases -- */

typedef enum sort { PLAIN, SHAPED, TOKENS, SEVERAL, N_SORTS } sort;

static sort sort_of(const layer_signature *g)
{
    if (g->n > 1) return SEVERAL;
    if (g->in[0].vocabulary) return TOKENS;
    return g->in[0].shape.n_dims > 1 ? SHAPED : PLAIN;
}

void layer_fault(check_report *rep, const layer_rig *r, const error *err)
{
    char title[256];
    check_fail(rep, "%s (%s)", err->text, layer_rig_title(r, title, sizeof title));
}

/* More multiply-accumulates in a call are not tested but with the defaults: a hyperparameter far up in its range costs
 * minutes and shows nothing that a smaller one does not. */
static const double most_macs = 4e6;

static bool is_heavy(const layer_rig *r)
{
    return r->settings[0] &&
        r->plan.macs * (double)(r->plan.max_time * r->plan.max_batch) > most_macs;
}

enum { MOST_TEXTS = CHECK_MAX_SETTINGS + 150 };

/* Settings as they are gone through; text in the arena. */
typedef struct settings_list {
    arena memory;
    const char *of[MOST_TEXTS];
    size_t n,
        n_single; /* the first ones are of subject_settings, the others two of them at a time */
} settings_list;

/* Not one of add_pairs, which layer_forward does not go through. */
static bool is_single(const char *settings, const settings_list *l)
{
    for (size_t i = 0; i < l->n_single; i++) {
        if (l->of[i] == settings) return true;
    }
    return false;
}

enum { FORWARD_TIME = 4, FORWARD_BATCH = 4 }; /* as in layer_forward */

/* Whether layer_forward fails with these settings and inputs: then no other test has anything to say about them. */
static bool is_broken(const subject *s, const char *settings, const layer_signature *g)
{
    const layer_rig_options o = { .max_time = FORWARD_TIME, .max_batch = FORWARD_BATCH };
    layer_rig *r = NULL;
    layer_pass *p = NULL;
    check_report own = { 0 };
    error err = { 0 };
    if (layer_rig_open(s, settings, g, &o, &r, &err) != OK) return false;
    if (layer_begin(r, o.max_time, o.max_batch, &p, &own)) {
        layer_pass_carry(p, true);
        (void)layer_run(p, &own);
    }
    layer_pass_free(p);
    layer_rig_free(r);
    return own.outcome == CHECK_FAILED;
}

bool layer_is_broken(const subject *s)
{
    const layer_signature *g;
    for (size_t i = 0; (g = layer_signature_get(i)); i++) {
        if (is_broken(s, "", g)) return true;
    }
    return false;
}

void layer_tell_broken(check_report *rep)
{
    check_skip(rep, "not run: see layer_forward");
}

/* One setting with each of the inputs that it takes. */
static size_t run_setting(const subject *s, const settings_list *l, const char *settings,
    const layer_cases *c, void (*run)(layer_rig *r, check_report *rep), check_report *rep,
    error *first)
{
    size_t n_taken = 0, of_sort[N_SORTS] = { 0 };
    const layer_signature *g;
    for (size_t i = 0; (g = layer_signature_get(i)) && rep->outcome != CHECK_FAILED; i++) {
        layer_rig *r = NULL;
        error err = { 0 };
        const bool is_enough = settings[0] && of_sort[sort_of(g)] > 0;
        if (is_enough || (c->most_signatures && n_taken >= c->most_signatures)) continue;
        const status st = layer_rig_open(s, settings, g, &c->options, &r, &err);
        if (st == E_UNSUPPORTED || st == E_RANGE) {
            if (first->code == OK) *first = err;
            continue;
        }
        if (st != OK) {
            check_fail(rep, "%s (settings \"%s\", input %s)", err.text, settings, g->name);
            return n_taken;
        }
        n_taken++;
        of_sort[sort_of(g)]++;
        if (!c->is_first && is_single(settings, l) && is_broken(s, settings, g)) {
            layer_tell_broken(rep);
        } else if (!is_heavy(r)) {
            run(r, rep);
        }
        layer_rig_free(r);
    }
    return n_taken;
}

/* Whether it sets one hyperparameter alone. */
static bool is_one(const char *settings)
{
    const char *end = strchr(settings, ';');
    return end && end[1] == '\0';
}

static bool is_of_same(const char *a, const char *b)
{
    const size_t n = strcspn(a, " ");
    return strncmp(a, b, n) == 0 && b[n] == ' ';
}

/* What goes wrong only where two choices meet; those that the component refuses are left out. */
static void add_pairs(settings_list *l, const subject *s)
{
    const size_t n = l->n;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n && l->n < MOST_TEXTS; k++) {
            specimen p;
            error err = { 0 };
            if (!is_one(l->of[i]) || !is_one(l->of[k]) || is_of_same(l->of[i], l->of[k])) continue;
            const char *both = arena_printf(&l->memory, "%s %s", l->of[i], l->of[k]);
            if (!both || specimen_open(s, both, &p, &err) != OK) continue;
            specimen_close(&p);
            l->of[l->n++] = both;
        }
    }
}

static status list_settings(const subject *s, const layer_cases *c, settings_list *out, error *err)
{
    *out = (settings_list){ .of = { "" }, .n = 1, .n_single = 1 };
    if (!c->all_settings) return OK;
    const status st = subject_settings(s, &out->memory, out->of, &out->n, err);
    out->n_single = out->n;
    if (st == OK && c->pairs) add_pairs(out, s);
    return st;
}

void layer_each(const subject *s, const layer_cases *c,
    void (*run)(layer_rig *r, check_report *rep), check_report *rep)
{
    settings_list l;
    size_t n_taken = 0;
    error err = { 0 }, first = { 0 };
    const double begin = clock_wall_s();
    if (list_settings(s, c, &l, &err) != OK) {
        check_fail(rep, "%s", err.text);
        l.n = 0;
    }
    for (size_t i = 0; i < l.n && rep->outcome != CHECK_FAILED; i++) {
        if (i > 0 && s->time_limit_s > 0 && clock_wall_s() - begin > s->time_limit_s / 2) break;
        n_taken += run_setting(s, &l, l.of[i], c, run, rep, &first);
    }
    if (n_taken == 0 && rep->outcome != CHECK_FAILED) {
        check_skip(rep, "the layer takes none of the inputs that are tried: %s", first.text);
    }
    arena_release(&l.memory);
}

/* -- comparing -- */

static double largest_of(const float *a, const float *b, size_t n)
{
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fmax(fabs((double)a[i]), fabs((double)b[i])));
    }
    return most;
}

/* The element that is furthest off; n when all are near enough. */
static size_t worst_element(const float *a, const float *b, size_t n, double tolerance)
{
    if (tolerance == 0) return bits_differ(a, b, n);
    double worst = tolerance * largest_of(a, b, n);
    size_t at = n;
    for (size_t i = 0; i < n; i++) {
        const double apart = fabs((double)a[i] - (double)b[i]);
        if (apart <= worst) continue;
        worst = apart;
        at = i;
    }
    return at;
}

bool compare_arrays(
    check_report *rep, const comparison *c, const float *found, const float *expected, size_t n)
{
    char place[64];
    const size_t at = worst_element(found, expected, n, c->tolerance);
    if (at == n) return true;
    layer_place(c->shape, c->batch, at, place, sizeof place);
    check_fail(rep, "%s: %s%s %s is %.9g, expected %.9g: %s (%s)", c->op, c->name, c->own, place,
        (double)found[at], (double)expected[at], c->meaning, c->title);
    return false;
}

static bool same_forward(
    check_report *rep, const layer_pass *p, const layer_pass *q, unsigned what, comparison c)
{
    const layer_rig *r = p->rig;
    c.op = "forward";
    c.name = "y";
    c.own = "";
    c.shape = &r->plan.out;
    c.batch = p->io.batch;
    bool same =
        !(what & COMPARE_Y) || compare_arrays(rep, &c, p->y.at, q->y.at, layer_pass_y_size(p));
    for (size_t i = 0; same && (what & COMPARE_CARRY) && i < r->n_carry; i++) {
        const assay_shape shape = { 2, { p->io.batch, r->carry[i] } };
        c.name = "carry_out ";
        c.own = r->carry_name[i];
        c.shape = &shape;
        c.batch = 0;
        same = compare_arrays(
            rep, &c, p->carry_out[i].at, q->carry_out[i].at, layer_pass_carry_size(p, i));
    }
    return same;
}

static bool same_backward(
    check_report *rep, const layer_pass *p, const layer_pass *q, unsigned what, comparison c)
{
    const layer_rig *r = p->rig;
    bool same = true;
    char own[32];
    c.op = "backward";
    for (size_t i = 0; same && (what & COMPARE_DX) && i < r->plan.n_in; i++) {
        if (!p->dx_view[i] || !q->dx_view[i]) continue;
        snprintf(own, sizeof own, "[%zu]", i);
        c.name = "dx";
        c.own = own;
        c.shape = &r->in_shape[i];
        c.batch = p->io.batch;
        same = compare_arrays(rep, &c, p->dx[i].at, q->dx[i].at, layer_pass_x_size(p, i));
    }
    c.batch = 0;
    for (size_t i = 0; same && (what & COMPARE_DPARAM) && i < r->n_params; i++) {
        if (!p->dparam_view[i] || !q->dparam_view[i]) continue;
        c.name = "the gradient of ";
        c.own = r->param[i].name;
        c.shape = &r->param[i].param.shape;
        same = compare_arrays(rep, &c, p->dparam[i].at, q->dparam[i].at, r->param[i].n);
    }
    for (size_t i = 0; same && (what & COMPARE_DCARRY) && i < r->n_carry; i++) {
        const assay_shape shape = { 2, { p->io.batch, r->carry[i] } };
        if (!p->dcarry_in_view[i] || !q->dcarry_in_view[i]) continue;
        c.name = "dcarry_in ";
        c.own = r->carry_name[i];
        c.shape = &shape;
        same = compare_arrays(
            rep, &c, p->dcarry_in[i].at, q->dcarry_in[i].at, layer_pass_carry_size(p, i));
    }
    return same;
}

bool layer_same(check_report *rep, const layer_pass *found, const layer_pass *expected,
    unsigned what, double tolerance, const char *meaning)
{
    char title[320];
    const comparison c = { .meaning = meaning,
        .title = layer_pass_title(found, title, sizeof title),
        .tolerance = tolerance };
    return same_forward(rep, found, expected, what, c) &&
        same_backward(rep, found, expected, what, c);
}

/* -- running -- */

bool layer_make_ready(layer_rig *r, bool training, check_report *rep)
{
    error err = { 0 };
    if (layer_rig_prepare(r, training, &err) == OK) return true;
    layer_fault(rep, r, &err);
    return false;
}

bool layer_begin(layer_rig *r, uint64_t time, uint64_t batch, layer_pass **out, check_report *rep)
{
    error err = { 0 };
    if (layer_pass_new(r, time, batch, out, &err) == OK) return layer_make_ready(r, true, rep);
    layer_fault(rep, r, &err);
    return false;
}

static bool tell(const layer_pass *p, status st, const error *err, check_report *rep)
{
    char title[320];
    if (st == OK) return true;
    if (strstr(err->text, "time ")) {
        check_fail(rep, "%s", err->text);
    } else {
        check_fail(rep, "%s (%s)", err->text, layer_pass_title(p, title, sizeof title));
    }
    return false;
}

bool layer_run_forward(layer_pass *p, check_report *rep)
{
    error err = { 0 };
    const status st = layer_pass_forward(p, &err);
    return tell(p, st, &err, rep);
}

bool layer_run_backward(layer_pass *p, check_report *rep)
{
    error err = { 0 };
    const status st = layer_pass_backward(p, &err);
    return tell(p, st, &err, rep);
}

bool layer_run(layer_pass *p, check_report *rep)
{
    return layer_run_forward(p, rep) && layer_run_backward(p, rep);
}

bool layer_draws(layer_pass *p, check_report *rep)
{
    layer_rig *r = p->rig;
    const uint32_t training = p->io.training;
    const size_t before = r->n_draws;
    layer_buffers kept = { 0 };
    p->io.training = 1;
    const bool ok = layer_buffers_keep(&kept, r) && layer_run_forward(p, rep);
    layer_buffers_restore(&kept);
    layer_buffers_release(&kept);
    p->io.training = training;
    return ok && r->n_draws != before;
}

bool layer_buffers_keep(layer_buffers *b, const layer_rig *r)
{
    error err = { 0 };
    b->n = 0;
    for (size_t i = 0; i < r->n_buffers; i++) {
        const layer_array *a = &r->buffer[i];
        if (snapshot_take(a->v, a->n * sizeof(float), &b->was[i], &err) != OK) return false;
        b->n++;
    }
    return true;
}

void layer_buffers_restore(const layer_buffers *b)
{
    for (size_t i = 0; i < b->n; i++) {
        snapshot_restore(&b->was[i]);
    }
}

void layer_buffers_release(layer_buffers *b)
{
    for (size_t i = 0; i < b->n; i++) {
        snapshot_free(&b->was[i]);
    }
    b->n = 0;
}
