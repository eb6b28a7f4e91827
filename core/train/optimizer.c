/* Parameter groups: who updates which tensor, and one update of all. */
#include "train/optimizer.h"

#include "base/clock.h"
#include "train/optimizer_group.h"
#include "train/optimizer_match.h"
#include "train/optimizer_probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const assay_hyper own_rows[] = {
    { .name = "match",
        .type = ASSAY_TYPE_STRING,
        .def_string = NULL,
        .doc = "of several optimizers: the tensors that it takes, as role:bias, place:hidden, "
               "dims:2, a pattern of names or a list of these that must all fit; the rest where "
               "there is none" },
};

const hyper_table optimizer_table = HYPER_DOCS(own_rows);

const char *const optimizer_keys[] = { "match", NULL };

static status open_group(
    optimizer *o, registry *r, config *c, value *block, size_t i, uint64_t seed, error *err)
{
    instance *opened;
    char name[64];
    snprintf(name, sizeof name, "optimizer/%zu", i);
    status st = instance_new(r, c, "optimizer", block, optimizer_keys, seed, name, &opened, err);
    if (st != OK) {
        return st;
    }
    st = group_open(&o->groups[i], opened, name, &o->memory, err);
    o->groups[i].instance = opened; /* freed with the group, whatever went wrong */
    o->groups[i].match = value_find(block, "match");
    return st == OK ? match_check(o->groups[i].match, err) : st;
}

status optimizer_new(
    registry *r, config *c, value *block, uint64_t seed, optimizer **out, error *err)
{
    status st = OK;
    const size_t n = value_n_items(block);
    optimizer *o = calloc(1, sizeof *o);
    if (!o) {
        return fail_nomem(err, "the optimizer");
    }
    if (n == 0) {
        TRY(fail_at(
            err, E_RANGE, &block->at, "optimizer: expected at least one block in the list"));
    }
    o->groups = arena_alloc_array(&o->memory, n, sizeof *o->groups);
    if (!o->groups) {
        TRY(fail_nomem(err, "the optimizer"));
    }
    for (size_t i = 0; i < n; i++) {
        o->n_groups = i + 1;
        TRY(open_group(o, r, c, value_item(block, i), i, seed, err));
    }
    *out = o;
    o = NULL;
done:
    optimizer_free(o);
    return st;
}

void optimizer_free(optimizer *o)
{
    if (!o) {
        return;
    }
    for (size_t i = 0; o->groups && i < o->n_groups; i++) {
        instance_free(o->groups[i].instance);
    }
    arena_release(&o->memory);
    free(o);
}

static status assign_tensors(optimizer *o, error *err)
{
    for (size_t i = 0; i < o->n_groups; i++) {
        o->groups[i].tensor = arena_alloc_array(&o->memory, o->model->n_tensors, sizeof(size_t));
        if (!o->groups[i].tensor) {
            return fail_nomem(err, "the optimizer's groups");
        }
    }
    for (size_t i = 0; i < o->model->n_tensors; i++) {
        const tensor *t = &o->model->tensors[i];
        bool taken = !t->trainable;
        for (size_t k = 0; k < o->n_groups && !taken; k++) {
            taken = match_fits(o->groups[k].match, &t->info);
            if (taken) {
                o->groups[k].tensor[o->groups[k].n_tensors++] = i;
            }
        }
        if (!taken) {
            return fail_at(err, E_MISSING, &o->groups[0].instance->block->at,
                "optimizer: no block's `match` fits %s (role %s, place %s); add a last block "
                "without `match`",
                t->info.name, match_role_name(t->info.role), match_place_name(t->info.place));
        }
    }
    return OK;
}

/* A closure writes the gradient of all tensors: the other groups must get theirs back. */
static status plan_kept(optimizer *o, error *err)
{
    bool has_closure = false;
    for (size_t i = 0; i < o->n_groups; i++) {
        has_closure |= o->groups[i].ops->model != NULL;
    }
    if (has_closure && o->n_groups > 1) {
        o->kept_g = arena_alloc_array(&o->memory, o->model->n_flat, sizeof *o->kept_g);
        return o->kept_g ? OK : fail_nomem(err, "the optimizer's groups");
    }
    return OK;
}

status optimizer_plan(optimizer *o, model *m, float *g, team *t, error *err)
{
    status st = OK;
    o->model = m;
    o->team = t;
    o->g = g;
    TRY(assign_tensors(o, err));
    TRY(plan_kept(o, err));
    for (size_t i = 0; i < o->n_groups; i++) {
        group *k = &o->groups[i];
        if (k->n_tensors == 0 && (k->match || i > 0)) {
            TRY(fail_at(err, E_CONFLICT, k->match ? &k->match->at : &k->instance->block->at,
                "optimizer: this block gets no tensor; the ones before it took all that fit"));
        }
        TRY(group_plan(k, m, g, t, &o->memory, err));
    }
    TRY(optimizer_name_values(o, err));
done:
    return st;
}

status optimizer_probe_plan(optimizer *o, double share, error *err)
{
    float *before = NULL;
    status st = OK;
    if (share >= 1) {
        before = arena_alloc_array(&o->memory, o->model->n_flat, sizeof *before);
        st = before ? OK : fail_nomem(err, "a probe");
    }
    for (size_t i = 0; i < o->n_groups && st == OK; i++) {
        st = group_probe_plan(&o->groups[i], before, share, &o->memory, err);
    }
    return st;
}

double optimizer_probe_slots(const optimizer *o)
{
    double sum = 0;
    for (size_t i = 0; i < o->n_groups; i++) {
        sum += (double)group_probe_slots(&o->groups[i]) * (double)o->groups[i].n_elements;
    }
    return sum;
}

void optimizer_probe_read(
    const optimizer *o, void (*each)(void *self, const probed_tensor *t), void *self)
{
    for (size_t i = 0; i < o->n_groups; i++) {
        group_probe_read(&o->groups[i], each, self);
    }
}

bool optimizer_takes_pieces(const optimizer *o)
{
    for (size_t i = 0; i < o->n_groups; i++) {
        if (!o->groups[i].ops->elem || o->groups[i].ops->reduce || o->groups[i].ops->combine) {
            return false;
        }
    }
    return true;
}

/* Updates that take no longer than some readings of the clock are timed one in sixteen, which stands for the others. */
enum { TIMED_ONE_IN = 16 };
static const double short_update_s = 5e-6;

static status update_groups(optimizer *o, const update *u, update_finding *out, error *err)
{
    const size_t bytes = o->model->n_flat * sizeof(float);
    status st = OK;
    *out = (update_finding){ 0 };
    if (o->kept_g) {
        memcpy(o->kept_g, o->g, bytes);
    }
    for (size_t i = 0; i < o->n_groups && st == OK; i++) {
        st = group_update(&o->groups[i], u, out, err);
        if (o->kept_g && o->groups[i].ops->model) {
            memcpy(o->g, o->kept_g, bytes);
        }
    }
    return st;
}

status optimizer_update(optimizer *o, const update *u, update_finding *out, error *err)
{
    if (o->n_untimed > 0) {
        o->n_untimed--;
        o->seconds += o->last_s;
        return update_groups(o, u, out, err);
    }
    const double start = clock_wall_s();
    const status st = update_groups(o, u, out, err);
    o->last_s = clock_wall_s() - start;
    o->seconds += o->last_s;
    o->n_untimed = o->last_s < short_update_s ? TIMED_ONE_IN - 1 : 0;
    return st;
}

double optimizer_seconds(const optimizer *o)
{
    return o->seconds;
}

bool optimizer_has_eval_weights(const optimizer *o)
{
    bool any = false;
    for (size_t i = 0; i < o->n_groups; i++) {
        any |= o->groups[i].ops->eval_weights != NULL;
    }
    return any;
}

status optimizer_eval_weights(optimizer *o, uint64_t t, float *out, error *err)
{
    memcpy(out, o->model->w, o->model->n_flat * sizeof *out);
    for (size_t i = 0; i < o->n_groups; i++) {
        group *k = &o->groups[i];
        const assay_step step = { .struct_size = sizeof step,
            .t = t,
            .global = k->globals,
            .draw = update_stream(t),
            .clip = 1,
            .n_tensors = k->n_tensors,
            .n_elements = k->n_elements };
        for (size_t j = 0; k->ops->eval_weights && j < k->n_tensors; j++) {
            assay_span span = k->spans[j];
            span.draw = tensor_stream(t, span.tensor);
            span.sums = NULL; /* those of the last update are not in checkpoints */
            const int code = k->ops->eval_weights(&k->instance->ctx, k->resolved[k->resolved_of[j]],
                &step, &span, out + o->model->tensors[k->tensor[j]].offset);
            team_scratch_reset(o->team);
            if (code != ASSAY_OK) {
                return instance_status(k->instance, code, "eval_weights", err);
            }
        }
    }
    return OK;
}

static size_t find_in_group(group *k, const char *name, hyper_visitor each, void *self)
{
    const component *c = k->instance->component;
    const assay_hyper *row = hyper_find(&c->hypers, name);
    size_t n = 0;
    if (row && (row->flags & ASSAY_SCHED) && hyper_real_at(c, k->resolved[0], name)) {
        for (size_t i = 0; i < k->n_resolved; i++) {
            double *place = hyper_real_at(c, k->resolved[i], name);
            each(self, place, *place, row);
            n++;
        }
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        n += find_in_group(&k->nested[i], name, each, self);
    }
    return n;
}

size_t optimizer_find_hyper(optimizer *o, const char *name, hyper_visitor each, void *self)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n_groups; i++) {
        n += find_in_group(&o->groups[i], name, each, self);
    }
    return n;
}

static bool updates(const group *k, size_t i_tensor, size_t *out_resolved)
{
    *out_resolved = 0;
    for (size_t i = 0; i < k->n_tensors; i++) {
        if (k->tensor[i] == i_tensor) {
            *out_resolved = k->resolved_of[i];
            return true;
        }
    }
    return i_tensor >= k->model->n_tensors;
}

static void visit_hypers(const group *k, size_t i_tensor,
    void (*each)(void *self, const char *component, const char *name, double value), void *self)
{
    const component *c = k->instance->component;
    size_t resolved;
    if (!updates(k, i_tensor, &resolved)) {
        return;
    }
    for (size_t i = 0; i < c->hypers.n; i++) {
        const char *name = hyper_row(&c->hypers, i)->name;
        const double *at = hyper_real_at(c, k->resolved[resolved], name);
        if (at) {
            each(self, c->id, name, *at);
        }
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        visit_hypers(&k->nested[i], i_tensor, each, self);
    }
}

void optimizer_visit_hypers(const optimizer *o, size_t i_tensor,
    void (*each)(void *self, const char *component, const char *name, double value), void *self)
{
    for (size_t i = 0; i < o->n_groups; i++) {
        visit_hypers(&o->groups[i], i_tensor, each, self);
    }
}

void optimizer_describe(const optimizer *o, text *t)
{
    for (size_t i = 0; i < o->n_groups; i++) {
        const group *k = &o->groups[i];
        text_printf(t, "%s%s", i ? ", " : "", k->instance->component->id);
        if (o->n_groups > 1) {
            text_printf(t, " (%zu tensor%s)", k->n_tensors, k->n_tensors == 1 ? "" : "s");
        }
    }
}
