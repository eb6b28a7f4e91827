/* What optimizers remember: slots as their plugins declare them, laid out by the host, and all of it as named arrays, for
 * checkpoints. What a plugin keeps itself joins as bytes. */
#include "num/vec.h"
#include "train/optimizer_group.h"

#include <stdio.h>
#include <string.h>

/* -- slots -- */

static const assay_slot *slot_row(const assay_optimizer *ops, size_t i)
{
    const size_t stride = ops->slot_stride;
    return (const assay_slot *)(const void *)((const char *)ops->slots + i * stride);
}

static const int64_t *hyper_int_at(const component *c, const void *hyper, const char *name)
{
    const assay_hyper *row = name ? hyper_find(&c->hypers, name) : NULL;
    return row ? (const int64_t *)(const void *)((const char *)hyper + row->offset) : NULL;
}

/* Whether `when` calls a slot into being: the bound value counts, since schedules only multiply it. */
static bool is_wanted(const instance *i, const char *when)
{
    const component *c = i->component;
    const double *real = when ? hyper_real_at(c, i->hyper, when) : NULL;
    const int64_t *whole = hyper_int_at(c, i->hyper, when); /* of BOOL, INT and ENUM alike */
    return real ? *real != 0 : !whole || *whole != 0;
}

status group_open_slots(group *k, arena *a, error *err)
{
    const component *c = k->instance->component;
    k->n_slots = k->ops->n_slots;
    k->slots = arena_alloc_array(a, k->n_slots, sizeof *k->slots);
    if (!k->slots) {
        return fail_nomem(err, "an optimizer's slots");
    }
    for (size_t i = 0; i < k->n_slots; i++) {
        const assay_slot *row = slot_row(k->ops, i);
        const int64_t *times = hyper_int_at(c, k->instance->hyper, row->times);
        const int64_t *limit = hyper_int_at(c, k->instance->hyper, row->limit);
        k->slots[i] = (slot){ .name = row->name,
            .shape = row->shape,
            .init = row->init,
            .times = times ? (size_t)*times : 1,
            .limit = !limit  ? UINT64_MAX
                : *limit > 0 ? (uint64_t)*limit
                             : 0,
            .flags = row->flags,
            .exists = is_wanted(k->instance, row->when) };
        if (row->shape == ASSAY_SLOT_MODEL) {
            k->slots[i].i_global = k->n_globals++;
        }
    }
    return OK;
}

/* What a slot is of: the whole tensor as a matrix, or one of its blocks. */
typedef struct slot_sides {
    size_t blocks, rows, cols;
} slot_sides;

static slot_sides sides_of(const slot *s, const assay_tensor *t)
{
    const bool per_block = s->flags & ASSAY_SLOT_PER_BLOCK;
    const size_t blocks = per_block ? t->blocks : 1;
    return (slot_sides){ blocks, t->rows, t->cols / blocks };
}

/* Whether the tensor has it: a span's pointer is NULL where not. */
static bool slot_is_of(const slot *s, const assay_tensor *t)
{
    const slot_sides of = sides_of(s, t);
    if (!s->exists || s->shape == ASSAY_SLOT_MODEL ||
        ((s->flags & ASSAY_SLOT_MATRICES) && t->shape.n_dims < 2)) {
        return false;
    }
    switch (s->shape) {
    case ASSAY_SLOT_ROWS:
    case ASSAY_SLOT_ROWS_ROWS: return of.rows <= s->limit;
    case ASSAY_SLOT_COLS:
    case ASSAY_SLOT_COLS_COLS: return of.cols <= s->limit;
    default: return true;
    }
}

/* Floats of one slot for one tensor. COLS of all blocks together are the tensor's. */
static bool slot_size(const slot *s, const assay_tensor *t, size_t *out)
{
    const slot_sides of = sides_of(s, t);
    size_t n = of.blocks;
    bool ok = true;
    switch (s->shape) {
    case ASSAY_SLOT_SAME: n = t->size; break;
    case ASSAY_SLOT_ROWS: ok = size_product(of.rows, of.blocks, &n); break;
    case ASSAY_SLOT_COLS: n = t->cols; break;
    case ASSAY_SLOT_ROWS_ROWS:
        ok = size_product(of.rows, of.rows, &n) && size_product(n, of.blocks, &n);
        break;
    case ASSAY_SLOT_COLS_COLS:
        ok = size_product(of.cols, of.cols, &n) && size_product(n, of.blocks, &n);
        break;
    default: break;
    }
    return ok && size_product(n, s->times, out);
}

status group_plan_slots(group *k, arena *a, error *err)
{
    const size_t n = k->n_tensors * k->n_slots;
    k->slot_base = arena_alloc_array(a, n, sizeof *k->slot_base);
    k->slot_floats = arena_alloc_array(a, n, sizeof *k->slot_floats);
    k->globals = arena_alloc_array(a, k->n_globals, sizeof *k->globals);
    if (!k->slot_base || !k->slot_floats || !k->globals) {
        return fail_nomem(err, "an optimizer's state");
    }
    for (size_t j = 0; j < n; j++) {
        const slot *s = &k->slots[j % k->n_slots];
        const assay_tensor *t = &k->model->tensors[k->tensor[j / k->n_slots]].info;
        size_t floats = 0;
        if (!slot_is_of(s, t)) {
            continue;
        }
        if (!slot_size(s, t, &floats) ||
            !(k->slot_base[j] = arena_alloc_array(a, floats, sizeof(float)))) {
            return fail_nomem(err, "an optimizer's state");
        }
        k->slot_floats[j] = floats;
        vec_fill(k->slot_base[j], floats, (float)s->init);
    }
    for (size_t i = 0; i < k->n_slots; i++) {
        if (k->slots[i].shape == ASSAY_SLOT_MODEL) {
            k->globals[k->slots[i].i_global] = k->slots[i].init;
        }
    }
    return OK;
}

/* -- all of it by name -- */

/* Walks every array of state of a group and its nested ones. */
typedef status (*array_visitor)(
    void *self, const char *name, array_dtype dtype, void *data, size_t n, error *err);

static status visit_group(const group *k, array_visitor visit, void *self, error *err)
{
    char name[512];
    status st = OK;
    for (size_t i = 0; i < k->n_tensors; i++) {
        for (size_t j = 0; j < k->n_slots; j++) {
            const size_t at = i * k->n_slots + j;
            if (k->slot_base[at] && !(k->slots[j].flags & ASSAY_SLOT_SCRATCH)) {
                snprintf(name, sizeof name, "%s/%s/%s", k->name,
                    k->model->tensors[k->tensor[i]].info.name, k->slots[j].name);
                TRY(visit(self, name, ARRAY_F32, k->slot_base[at], k->slot_floats[at], err));
            }
        }
    }
    for (size_t j = 0; j < k->n_slots; j++) {
        if (k->slots[j].shape == ASSAY_SLOT_MODEL) {
            snprintf(name, sizeof name, "%s/%s", k->name, k->slots[j].name);
            TRY(visit(self, name, ARRAY_F64, &k->globals[k->slots[j].i_global], 1, err));
        }
    }
    for (size_t i = 0, at = 0; k->instance->nested && k->instance->nested[i]; i++) {
        instance *inner = k->instance->nested[i];
        if (strcmp(inner->component->kind, "schedule") == 0) {
            snprintf(name, sizeof name, "%s/schedule%zu", k->name, at++);
            if (inner->n_state) {
                TRY(visit(self, name, ARRAY_F64, inner->state, inner->n_state, err));
            }
        }
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        TRY(visit_group(&k->nested[i], visit, self, err));
    }
done:
    return st;
}

static size_t count_group(const group *k)
{
    size_t n = k->ops->save ? 1 : 0;
    n += k->n_tensors * k->n_slots + k->n_slots;
    for (size_t i = 0; k->instance->nested && k->instance->nested[i]; i++) {
        n++; /* a schedule's state, at most */
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        n += count_group(&k->nested[i]);
    }
    return n;
}

/* An upper bound: slots that do not exist leave their place empty (name NULL). */
size_t optimizer_n_arrays(const optimizer *o)
{
    size_t n = 0;
    for (size_t i = 0; i < o->n_groups; i++) {
        n += count_group(&o->groups[i]);
    }
    return n;
}

typedef struct collector {
    arena *a;
    array *out;
    size_t n;
} collector;

static status collect(
    void *self, const char *name, array_dtype dtype, void *data, size_t n, error *err)
{
    collector *c = self;
    const char *kept = arena_strdup(c->a, name);
    if (!kept) {
        return fail_nomem(err, "a checkpoint");
    }
    const size_t each = dtype == ARRAY_F64 ? 8 : dtype == ARRAY_F32 ? 4 : 1;
    c->out[c->n++] = (array){ .name = kept,
        .dtype = dtype,
        .dtype_name = dtype == ARRAY_F64 ? "F64"
            : dtype == ARRAY_F32         ? "F32"
                                         : "U8",
        .n_dims = 1,
        .dim = { n },
        .n = n,
        .bytes = n * each,
        .data = data };
    return OK;
}

/* What a plugin's own `save` writes, as bytes. */
static status collect_own(const group *k, collector *c, error *err)
{
    uint64_t bytes = 0;
    char name[512];
    if (!k->ops->save) {
        return OK;
    }
    int code = k->ops->save(&k->instance->ctx, NULL, &bytes);
    void *data = arena_alloc(c->a, (size_t)bytes);
    if (!data) {
        return fail_nomem(err, "a checkpoint");
    }
    const uint64_t announced = bytes;
    code = code == ASSAY_OK ? k->ops->save(&k->instance->ctx, data, &bytes) : code;
    if (code != ASSAY_OK) {
        return instance_status(k->instance, code, "save", err);
    }
    if (bytes != announced) {
        return fail_at(err, E_PLUGIN, &k->instance->block->at,
            "%s: save announced %llu bytes and then gave %llu", k->instance->label,
            (unsigned long long)announced, (unsigned long long)bytes);
    }
    snprintf(name, sizeof name, "%s/private", k->name);
    return collect(c, name, ARRAY_U8, data, (size_t)bytes, err);
}

static status collect_private(const group *k, collector *c, error *err)
{
    status st = collect_own(k, c, err);
    for (size_t i = 0; i < k->n_nested && st == OK; i++) {
        st = collect_private(&k->nested[i], c, err);
    }
    return st;
}

status optimizer_arrays(const optimizer *o, arena *a, array *out, error *err)
{
    collector c = { a, out, 0 };
    for (size_t i = 0; i < o->n_groups; i++) {
        status st = visit_group(&o->groups[i], collect, &c, err);
        if (st == OK) {
            st = collect_private(&o->groups[i], &c, err);
        }
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

static status check_one(
    void *self, const char *name, array_dtype dtype, void *data, size_t n, error *err)
{
    const void *from;
    (void)data;
    return safetensors_get(self, name, dtype, n, &from, err);
}

static status restore_one(
    void *self, const char *name, array_dtype dtype, void *data, size_t n, error *err)
{
    const void *from;
    status st = safetensors_get(self, name, dtype, n, &from, err);
    if (st == OK && n > 0) {
        memcpy(data, from, n * (dtype == ARRAY_F64 ? sizeof(double) : sizeof(float)));
    }
    return st;
}

/* Hands a plugin what its `save` had written; with `check` only sees whether it is there. */
static status restore_private(group *k, const safetensors *file, bool check, error *err)
{
    char name[512];
    status st = OK;
    if (k->ops->load) {
        snprintf(name, sizeof name, "%s/private", k->name);
        const array *a = safetensors_find(file, name);
        if (!a) {
            return fail(err, E_MISSING, "the checkpoint lacks %s", name);
        }
        const int code = check ? ASSAY_OK : k->ops->load(&k->instance->ctx, a->data, a->bytes);
        st = code == ASSAY_OK ? OK : instance_status(k->instance, code, "load", err);
    }
    for (size_t i = 0; i < k->n_nested && st == OK; i++) {
        st = restore_private(&k->nested[i], file, check, err);
    }
    return st;
}

status optimizer_restore(optimizer *o, const safetensors *file, bool check, error *err)
{
    status st = OK;
    for (size_t i = 0; i < o->n_groups && st == OK; i++) {
        group *k = &o->groups[i];
        st = restore_private(k, file, check, err); /* first: the plugin may still refuse */
        if (st == OK) {
            st = visit_group(k, check ? check_one : restore_one, (void *)(uintptr_t)file, err);
        }
    }
    return st;
}
