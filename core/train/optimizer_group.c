/* A group of parameters and its optimizer, planned: everything that an update's callbacks are handed is laid out beforehand, a
 * span per chunk with its slot pointers, a span per tensor, room for the sums. */
#include "train/optimizer_group.h"

#include <stdio.h>
#include <string.h>

status group_open(group *k, instance *i, const char *name, arena *a, error *err)
{
    *k = (group){ .instance = i, .ops = i->component->ops };
    k->name = arena_strdup(a, name);
    if (!k->name) {
        return fail_nomem(err, "an optimizer");
    }
    status st = group_open_slots(k, a, err);
    for (size_t n = 0; st == OK && i->nested && i->nested[n]; n++) {
        k->n_nested += strcmp(i->nested[n]->component->kind, "optimizer") == 0;
    }
    k->nested = arena_alloc_array(a, k->n_nested, sizeof *k->nested);
    if (!k->nested) {
        return fail_nomem(err, "a nested optimizer");
    }
    for (size_t n = 0, at = 0; st == OK && i->nested && i->nested[n]; n++) {
        if (strcmp(i->nested[n]->component->kind, "optimizer") == 0) {
            char nested_name[256];
            snprintf(nested_name, sizeof nested_name, "%s/inner%zu", name, at);
            st = group_open(&k->nested[at++], i->nested[n], nested_name, a, err);
        }
    }
    return st;
}

/* A copy of the hyperparameters per different lr_scale among the group's tensors. */
static status plan_resolved(group *k, arena *a, error *err)
{
    const size_t bytes = k->instance->component->hypers.bytes;
    k->resolved = arena_alloc_array(a, k->n_tensors + 1, sizeof *k->resolved);
    k->lr_scale = arena_alloc_array(a, k->n_tensors + 1, sizeof *k->lr_scale);
    k->resolved_of = arena_alloc_array(a, k->n_tensors, sizeof *k->resolved_of);
    if (!k->resolved || !k->lr_scale || !k->resolved_of) {
        return fail_nomem(err, "an optimizer's hyperparameters");
    }
    k->lr_scale[0] = 1;
    k->n_resolved = 1;
    for (size_t i = 0; i < k->n_tensors; i++) {
        const double scale = k->model->tensors[k->tensor[i]].lr_scale;
        size_t at = 0;
        while (at < k->n_resolved && k->lr_scale[at] != scale) {
            at++;
        }
        if (at == k->n_resolved) {
            k->lr_scale[k->n_resolved++] = scale;
        }
        k->resolved_of[i] = at;
    }
    for (size_t i = 0; i < k->n_resolved; i++) {
        k->resolved[i] = arena_alloc(a, bytes ? bytes : 8);
        if (!k->resolved[i]) {
            return fail_nomem(err, "an optimizer's hyperparameters");
        }
        if (bytes) {
            memcpy(k->resolved[i], k->instance->hyper, bytes);
        }
        double *lr = hyper_real_at(k->instance->component, k->resolved[i], "lr");
        if (lr) {
            *lr *= k->lr_scale[i];
        }
    }
    return OK;
}

/* A layer's lr_scale must not be without effect. An outer optimizer without `lr` leaves it to its inner one; one of the tier model
 * has it in its spans, and `assay plugin check` sees whether it looks there. */
static status check_lr_scale(const group *k, error *err)
{
    const bool has_lr = hyper_real_at(k->instance->component, k->resolved[0], "lr") != NULL;
    if (k->n_resolved == 1 || has_lr || k->n_nested > 0) {
        return OK;
    }
    return fail_at(err, E_UNSUPPORTED, &k->instance->block->at,
        "%s: has no `lr` that a layer's `lr_scale` could change; take `lr_scale` from the layers "
        "that it trains",
        k->instance->label);
}

/* Whether the optimizer can update what it is given. */
static status ask_accept(const group *k, error *err)
{
    instance *i = k->instance;
    for (size_t at = 0; k->ops->accept && at < k->n_tensors; at++) {
        const assay_tensor *t = &k->model->tensors[k->tensor[at]].info;
        error why = { 0 };
        const int code = k->ops->accept(&i->ctx, k->resolved[k->resolved_of[at]], t);
        team_scratch_reset(k->team);
        const status st = instance_status(i, instance_code(i, code), "accept", &why);
        if (st != OK) {
            return fail(err, st, "%s (tensor %s)", why.text, t->name);
        }
    }
    return OK;
}

static status make_span(
    group *k, size_t i_tensor, size_t begin, size_t n, assay_span *out, arena *a, error *err)
{
    const tensor *t = &k->model->tensors[k->tensor[i_tensor]];
    float **slots = arena_alloc_array(a, k->n_slots, sizeof *slots);
    if (!slots) {
        return fail_nomem(err, "an optimizer's spans");
    }
    for (size_t i = 0; i < k->n_slots; i++) {
        float *base = k->slot_base[i_tensor * k->n_slots + i];
        slots[i] = base && k->slots[i].shape == ASSAY_SLOT_SAME ? base + begin : base;
    }
    *out = (assay_span){ .struct_size = sizeof *out,
        .tensor = &t->info,
        .begin = begin,
        .n = n,
        .w = k->model->w + t->offset + begin,
        .g = k->g + t->offset + begin,
        .slot = slots,
        .slot_stride = t->info.size,
        .hyper = k->resolved[k->resolved_of[i_tensor]] };
    return OK;
}

/* Chunks are whole rows, so that the gradient of one can be made by itself; rows longer than a chunk are cut. */
static size_t chunk_length(const group *k, size_t i_tensor)
{
    const assay_tensor *t = &k->model->tensors[k->tensor[i_tensor]].info;
    return t->cols <= STRETCH_FLOATS ? STRETCH_FLOATS / t->cols * t->cols : STRETCH_FLOATS;
}

static status plan_rooms(group *k, arena *a, error *err)
{
    const size_t n = team_size(k->team);
    k->rooms = arena_alloc_array(a, n, sizeof *k->rooms);
    for (size_t i = 0; k->rooms && i < n; i++) {
        k->rooms[i] = arena_alloc_array(a, STRETCH_FLOATS, sizeof(float));
        if (!k->rooms[i]) {
            return fail_nomem(err, "an optimizer's gradients");
        }
    }
    return k->rooms ? OK : fail_nomem(err, "an optimizer's gradients");
}

enum { MOST_CHUNKS_OF_RUN = 16, RUNS_PER_THREAD = 8 };

static status plan_runs(group *k, arena *a, error *err)
{
    const size_t by_thread = k->n_chunks / (RUNS_PER_THREAD * team_size(k->team));
    const size_t most = by_thread < 1    ? 1
        : by_thread < MOST_CHUNKS_OF_RUN ? by_thread
                                         : MOST_CHUNKS_OF_RUN;
    k->n_runs = 0;
    k->runs = arena_alloc_array(a, k->n_chunks, sizeof *k->runs);
    if (!k->runs) {
        return fail_nomem(err, "an optimizer's spans");
    }
    for (size_t i = 0; i < k->n_chunks; i++) {
        const chunk *c = &k->chunks[i];
        run *last = k->n_runs > 0 ? &k->runs[k->n_runs - 1] : NULL;
        if (!last || last->n == most || k->chunks[last->first].i_tensor != c->i_tensor) {
            last = &k->runs[k->n_runs++];
            *last = (run){ .first = i };
        }
        last->n++;
        last->n_elements += c->span.n;
    }
    return OK;
}

static status plan_spans(group *k, arena *a, error *err)
{
    k->n_chunks = 0;
    for (size_t i = 0; i < k->n_tensors; i++) {
        const size_t n = k->model->tensors[k->tensor[i]].info.size;
        const size_t length = chunk_length(k, i);
        k->n_chunks += (n + length - 1) / length;
        k->n_elements += n;
    }
    k->spans = arena_alloc_array(a, k->n_tensors, sizeof *k->spans);
    k->chunks = arena_alloc_array(a, k->n_chunks, sizeof *k->chunks);
    k->chunk_sums = arena_alloc_array(a, k->n_chunks * k->ops->n_sums, sizeof(double));
    k->tensor_sums = arena_alloc_array(a, k->n_tensors * k->ops->n_sums, sizeof(double));
    k->sums = arena_alloc_array(a, k->ops->n_sums, sizeof(double));
    if (!k->spans || !k->chunks || !k->chunk_sums || !k->tensor_sums || !k->sums) {
        return fail_nomem(err, "an optimizer's spans");
    }
    size_t at = 0;
    for (size_t i = 0; i < k->n_tensors; i++) {
        const size_t n = k->model->tensors[k->tensor[i]].info.size;
        status st = make_span(k, i, 0, n, &k->spans[i], a, err);
        const size_t most = chunk_length(k, i);
        for (size_t begin = 0; st == OK && begin < n; begin += most) {
            const size_t length = n - begin < most ? n - begin : most;
            k->chunks[at].i_tensor = i;
            st = make_span(k, i, begin, length, &k->chunks[at++].span, a, err);
        }
        if (st != OK) {
            return st;
        }
    }
    return plan_runs(k, a, err);
}

/* An inner optimizer steps where the outer one says: it has no closure, and nobody asks it where to evaluate. */
static status check_inner(const group *inner, error *err)
{
    const instance *i = inner->instance;
    if (inner->ops->model) {
        return fail_at(err, E_UNSUPPORTED, &i->block->at,
            "%s: cannot be an inner optimizer: it updates all tensors at once; the inner one must "
            "be of tier elem or tensor",
            i->label);
    }
    if (inner->ops->eval_weights) {
        return fail_at(err, E_UNSUPPORTED, &i->block->at,
            "%s: cannot be an inner optimizer: it evaluates at other weights than it trains, which "
            "only an outer one can",
            i->label);
    }
    return OK;
}

status group_plan(group *k, model *m, float *g, team *t, arena *a, error *err)
{
    status st = OK;
    k->model = m;
    k->g = g;
    k->team = t;
    TRY(plan_resolved(k, a, err));
    TRY(check_lr_scale(k, err));
    TRY(ask_accept(k, err));
    TRY(group_plan_slots(k, a, err));
    TRY(plan_spans(k, a, err));
    TRY(plan_rooms(k, a, err));
    TRY(group_plan_values(k, a, err));
    k->instance->hooks = (instance_hooks){
        .self = k, .metric = group_take_metric, .inner_update = group_inner_update
    };
    for (size_t i = 0; i < k->n_nested; i++) {
        k->nested[i].n_tensors = k->n_tensors;
        k->nested[i].tensor = k->tensor;
        TRY(check_inner(&k->nested[i], err));
        TRY(group_plan(&k->nested[i], m, g, t, a, err));
    }
done:
    return st;
}
