/* Schedules at work.
 *
 * A schedule gives a factor; this file knows where the values lie that it multiplies. All places are found once, so that a
 * step only writes numbers. State is `n_state` doubles per schedule, kept here and in checkpoints. */
#include "train/scheduler.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct place {
    double *at, base;
    const assay_hyper *row; /* with the valid range */
} place;

typedef struct entry {
    instance *instance;
    const assay_schedule *ops;
    const char *target;
    size_t n_places;
    place *places; /* NULL while they are counted */
} entry;

struct scheduler {
    arena memory;
    size_t n;
    entry *entries;
};

static const assay_hyper own_rows[] = {
    { .name = "target",
        .type = ASSAY_TYPE_STRING,
        .def_string = "lr",
        .doc = "what it drives: a hyperparameter of the optimizer, model.<layer>.<hyperparameter> "
               "or loss.<hyperparameter>" },
};

const hyper_table schedule_table = HYPER_DOCS(own_rows);

const char *const schedule_keys[] = { "target", NULL };

static status open_entry(
    scheduler *s, registry *r, config *c, value *block, size_t i, uint64_t seed, error *err)
{
    entry *e = &s->entries[i];
    char purpose[64];
    snprintf(purpose, sizeof purpose, "schedule/%zu", i);
    e->target = "lr";
    status st =
        instance_new(r, c, "schedule", block, schedule_keys, seed, purpose, &e->instance, err);
    if (st != OK) {
        return st;
    }
    const value *target = value_find(block, "target");
    if (target) {
        st = value_to_string(target, &e->target, err);
    }
    e->ops = e->instance->component->ops;
    for (size_t k = 0; st == OK && k < i; k++) {
        if (strcmp(s->entries[k].target, e->target) == 0) {
            st = fail_at(err, E_CONFLICT, &e->instance->block->at,
                "schedule: two schedules drive \"%s\"; give one another `target` or remove it",
                e->target);
        }
    }
    return st;
}

status scheduler_new(
    registry *r, config *c, value *block, uint64_t seed, scheduler **out, error *err)
{
    status st = OK;
    scheduler *s = calloc(1, sizeof *s);
    if (!s) {
        return fail_nomem(err, "the schedule");
    }
    const size_t n = value_n_items(block);
    s->entries = arena_alloc_array(&s->memory, n, sizeof *s->entries);
    if (!s->entries) {
        TRY(fail_nomem(err, "the schedule"));
    }
    for (size_t i = 0; i < n; i++) {
        s->n = i + 1;
        TRY(open_entry(s, r, c, value_item(block, i), i, seed, err));
    }
    *out = s;
    s = NULL;
done:
    scheduler_free(s);
    return st;
}

void scheduler_free(scheduler *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; s->entries && i < s->n; i++) {
        instance_free(s->entries[i].instance);
    }
    arena_release(&s->memory);
    free(s);
}

static void add_place(void *self, double *at, double base, const assay_hyper *row)
{
    entry *e = self;
    if (e->places) {
        e->places[e->n_places] = (place){ at, base, row };
    }
    e->n_places++;
}

static void find_in_instance(entry *e, const component *c, void *hyper, const char *name)
{
    const assay_hyper *row = hyper_find(&c->hypers, name);
    double *at = row && (row->flags & ASSAY_SCHED) ? hyper_real_at(c, hyper, name) : NULL;
    if (at) {
        add_place(e, at, *at, row);
    }
}

static void find_target(entry *e, optimizer *o, model *m, instance *loss, void *loss_hyper)
{
    const char *target = e->target;
    if (strncmp(target, "optimizer.", 10) == 0) {
        target += 10;
    }
    if (strncmp(target, "loss.", 5) == 0) {
        if (loss) {
            find_in_instance(e, loss->component, loss_hyper, target + 5);
        }
        return;
    }
    if (strncmp(target, "model.", 6) != 0) {
        (void)optimizer_find_hyper(o, target, add_place, e);
        return;
    }
    const char *dot = strrchr(target, '.');
    for (size_t i = 0; i < m->n_layers; i++) {
        const layer *l = &m->layers[i];
        const size_t n = strlen(l->name);
        if (target + 6 + n == dot && strncmp(l->name, target + 6, n) == 0) {
            find_in_instance(e, l->instance->component, l->hyper, dot + 1);
        }
    }
}

/* "lr" and "optimizer.lr" are one number: the later schedule would undo what the earlier one did. */
static status check_apart(const scheduler *s, const entry *e, error *err)
{
    for (const entry *other = s->entries; other < e; other++) {
        for (size_t i = 0; i < other->n_places; i++) {
            for (size_t k = 0; k < e->n_places; k++) {
                if (other->places[i].at == e->places[k].at) {
                    return fail_at(err, E_CONFLICT, &e->instance->block->at,
                        "schedule: targets \"%s\" and \"%s\" are the same number; remove one of "
                        "the two schedules",
                        other->target, e->target);
                }
            }
        }
    }
    return OK;
}

status scheduler_plan(
    scheduler *s, optimizer *o, model *m, instance *loss, void *loss_hyper, error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        entry *e = &s->entries[i];
        find_target(e, o, m, loss, loss_hyper); /* counts */
        if (e->n_places == 0) {
            return fail_at(err, E_UNKNOWN, &e->instance->block->at,
                "schedule: target \"%s\" names nothing that a schedule can drive; expected a "
                "hyperparameter of the optimizer (\"lr\"), \"model.<layer>.<hyperparameter>\" or "
                "\"loss.<hyperparameter>\" that is a real number and schedulable",
                e->target);
        }
        e->places = arena_alloc_array(&s->memory, e->n_places, sizeof *e->places);
        if (!e->places) {
            return fail_nomem(err, "a schedule");
        }
        e->n_places = 0;
        find_target(e, o, m, loss, loss_hyper);
        status st = check_apart(s, e, err);
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

static status fail_range(
    const entry *e, const place *p, double factor, const assay_when *when, error *err)
{
    text range = { 0 };
    hyper_range_text(p->row, &range);
    const status st = fail_at(err, E_RANGE, &e->instance->block->at,
        "%s: %s is %g at step %llu, outside its valid range %s: %g times the factor %g",
        e->instance->label, e->target, p->base * factor, (unsigned long long)when->step,
        range.s ? range.s : "", p->base, factor);
    text_release(&range);
    return st;
}

/* A schedule must not bring a hyperparameter where the config could not. */
static status drive(const entry *e, double factor, const assay_when *when, error *err)
{
    for (size_t i = 0; i < e->n_places; i++) {
        const place *p = &e->places[i];
        if (!hyper_in_range(p->row, p->base * factor)) {
            return fail_range(e, p, factor, when, err);
        }
        *p->at = p->base * factor;
    }
    return OK;
}

status scheduler_apply(scheduler *s, const assay_when *when, error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        entry *e = &s->entries[i];
        double factor = NAN;
        const int code = e->ops->factor(
            &e->instance->ctx, e->instance->hyper, when, e->instance->state, &factor);
        if (code != ASSAY_OK) {
            return instance_status(e->instance, code, "factor", err);
        }
        if (!(factor >= 0 && factor <= 1e30)) {
            return fail_at(err, E_NUMERIC, &e->instance->block->at,
                "%s: gave the factor %g at step %llu; expected a number >= 0", e->instance->label,
                factor, (unsigned long long)when->step);
        }
        status st = drive(e, factor, when, err);
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

size_t scheduler_count(const scheduler *s)
{
    return s->n;
}

const char *scheduler_target(const scheduler *s, size_t i)
{
    return s->entries[i].target;
}

double scheduler_value(const scheduler *s, size_t i)
{
    return *s->entries[i].places[0].at;
}

const char *scheduler_horizon(const scheduler *s)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->entries[i].ops->horizon) {
            return s->entries[i].instance->component->id;
        }
    }
    return NULL;
}

/* Calls `each` for the state of a schedule and of those nested in it, by name: "schedule/0", "schedule/0/inner0". */
typedef status (*state_visitor)(void *self, const char *name, double *state, size_t n, error *err);

static status visit_state(
    const instance *i, const char *name, state_visitor each, void *self, error *err)
{
    status st = i->n_state ? each(self, name, i->state, i->n_state, err) : OK;
    for (size_t k = 0; st == OK && i->nested && i->nested[k]; k++) {
        char inner[128];
        snprintf(inner, sizeof inner, "%s/inner%zu", name, k);
        st = visit_state(i->nested[k], inner, each, self, err);
    }
    return st;
}

static status visit_all(const scheduler *s, state_visitor each, void *self, error *err)
{
    status st = OK;
    for (size_t i = 0; st == OK && i < s->n; i++) {
        char name[32];
        snprintf(name, sizeof name, "schedule/%zu", i);
        st = visit_state(s->entries[i].instance, name, each, self, err);
    }
    return st;
}

typedef struct collector {
    arena *a;
    array *out;
    size_t n;
} collector;

static status collect(void *self, const char *name, double *state, size_t n, error *err)
{
    collector *c = self;
    if (c->out) {
        const char *kept = arena_strdup(c->a, name);
        if (!kept) {
            return fail_nomem(err, "a checkpoint");
        }
        c->out[c->n] = (array){ .name = kept,
            .dtype = ARRAY_F64,
            .dtype_name = "F64",
            .n_dims = 1,
            .dim = { n },
            .n = n,
            .bytes = n * sizeof(double),
            .data = state };
    }
    c->n++;
    return OK;
}

size_t scheduler_n_arrays(const scheduler *s)
{
    collector c = { 0 };
    return visit_all(s, collect, &c, NULL) == OK ? c.n : 0;
}

status scheduler_arrays(const scheduler *s, arena *a, array *out, error *err)
{
    collector c = { .a = a, .out = out };
    return visit_all(s, collect, &c, err);
}

static status restore_one(void *self, const char *name, double *state, size_t n, error *err)
{
    const safetensors *file = self;
    const void *from;
    status st = safetensors_get(file, name, ARRAY_F64, n, &from, err);
    if (st == OK) {
        memcpy(state, from, n * sizeof *state);
    }
    return st;
}

static status check_one(void *self, const char *name, double *state, size_t n, error *err)
{
    const void *from;
    (void)state;
    return safetensors_get(self, name, ARRAY_F64, n, &from, err);
}

status scheduler_restore(scheduler *s, const safetensors *file, bool check, error *err)
{
    return visit_all(s, check ? check_one : restore_one, (void *)(uintptr_t)file, err);
}
