/* All state of a rig: array by array, as bits, and handed from one rig to another. */
#include "check/optimizer_rig_internal.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

/* Looks for array *i among a node's own and its nested ones'; counts *i down. */
static bool find_array(const rig_node *k, size_t *i, rig_array *out)
{
    const optimizer_rig *r = k->rig;
    for (size_t j = 0; j < r->n * k->n_slots; j++) {
        const rig_block *b = k->slot[j];
        const rig_slot *s = &k->slots[j % k->n_slots];
        const bool is_state = !(s->flags & ASSAY_SLOT_SCRATCH);
        const bool is_same = s->shape == ASSAY_SLOT_SAME;
        const bool by_block = !is_same && (s->flags & ASSAY_SLOT_PER_BLOCK);
        if (b && is_state && (*i)-- == 0) {
            *out = (rig_array){ .name = s->label,
                .i_tensor = r->all_of[j / k->n_slots],
                .n = b->memory.bytes / sizeof(float),
                .is_same = is_same,
                .n_items = s->times,
                .n_blocks = by_block ? (size_t)r->tensor[j / k->n_slots].blocks : 1,
                .floats = b->memory.at };
            return true;
        }
    }
    for (size_t j = 0; j < k->n_slots; j++) {
        const rig_slot *s = &k->slots[j];
        if (s->shape == ASSAY_SLOT_MODEL && (*i)-- == 0) {
            *out = (rig_array){ .name = s->label,
                .i_tensor = SIZE_MAX,
                .n = 1,
                .n_items = 1,
                .n_blocks = 1,
                .doubles = (double *)k->globals->memory.at + s->i_global };
            return true;
        }
    }
    for (size_t j = 0; j < k->n_nested; j++) {
        if (find_array(&k->nested[j], i, out)) {
            return true;
        }
    }
    return false;
}

rig_array optimizer_rig_array(const optimizer_rig *r, size_t i)
{
    rig_array a = { 0 };
    if (i < r->n) {
        const rig_block *b = r->all_w[r->all_of[i]];
        return (rig_array){
            .i_tensor = r->all_of[i], .n = b->memory.bytes / sizeof(float), .floats = b->memory.at
        };
    }
    i -= r->n;
    (void)find_array(&r->root, &i, &a);
    return a;
}

size_t optimizer_rig_n_arrays(const optimizer_rig *r)
{
    rig_array a;
    size_t left = SIZE_MAX;
    (void)find_array(&r->root, &left, &a);
    return r->n + (SIZE_MAX - left);
}

static void *array_bytes(const rig_array *a, size_t *out_bytes)
{
    *out_bytes = a->n * (a->doubles ? sizeof(double) : sizeof(float));
    return a->doubles ? (void *)a->doubles : (void *)a->floats;
}

float *optimizer_rig_slot(optimizer_rig *r, size_t i_tensor, const char *name, size_t *out_floats)
{
    for (size_t i = r->n; i < optimizer_rig_n_arrays(r); i++) {
        const rig_array a = optimizer_rig_array(r, i);
        if (a.i_tensor == i_tensor && strcmp(a.name, name) == 0) {
            if (out_floats) {
                *out_floats = a.n;
            }
            return a.floats;
        }
    }
    return NULL;
}

/* What `save` writes, on the heap. */
static status save_own(const rig_node *k, void **out, size_t *out_bytes, error *err)
{
    uint64_t bytes = 0;
    guarded room = { 0 };
    instance *i = k->instance;
    k->rig->callback = "save";
    status st = OK;
    TRY(instance_status(i, k->ops->save(&i->ctx, NULL, &bytes), "save", err));
    const uint64_t announced = bytes;
    if (announced > SIZE_MAX / 4) {
        TRY(fail(err, E_PLUGIN, "save announced %llu bytes", (unsigned long long)announced));
    }
    TRY(guarded_new((size_t)announced, GUARD_AFTER, &room, err));
    TRY(instance_status(i, k->ops->save(&i->ctx, room.at, &bytes), "save", err));
    if (bytes != announced) {
        TRY(fail(err, E_PLUGIN, "save announced %llu bytes and then gave %llu",
            (unsigned long long)announced, (unsigned long long)bytes));
    }
    void *copy = malloc((size_t)announced + 1);
    if (!copy) {
        TRY(fail_nomem(err, "what save writes"));
    }
    if (announced) {
        memcpy(copy, room.at, (size_t)announced);
    }
    *out = copy;
    *out_bytes = (size_t)announced;
done:
    k->rig->callback = NULL;
    rig_scratch_free(k->rig, 0);
    guarded_free(&room);
    return st;
}

static status load_own(rig_node *k, const void *bytes, size_t n, error *err)
{
    guarded room;
    status st = guarded_new(n, GUARD_AFTER, &room, err);
    if (st != OK) {
        return st;
    }
    if (n) {
        memcpy(room.at, bytes, n);
    }
    k->rig->callback = "load";
    st = instance_status(k->instance, k->ops->load(&k->instance->ctx, room.at, n), "load", err);
    k->rig->callback = NULL;
    rig_scratch_free(k->rig, 0);
    guarded_free(&room);
    return st;
}

static status hand_over(rig_node *k, const rig_node *from, error *err)
{
    void *bytes = NULL;
    size_t n = 0;
    if (!k->ops->save || !k->ops->load) {
        return OK;
    }
    status st = save_own(from, &bytes, &n, err);
    if (st == OK) {
        st = load_own(k, bytes, n, err);
        free(bytes);
    }
    return st;
}

status optimizer_rig_save(const optimizer_rig *r, void **out, size_t *out_bytes, error *err)
{
    return save_own(&r->root, out, out_bytes, err);
}

status optimizer_rig_load(optimizer_rig *r, const void *bytes, size_t n_bytes, error *err)
{
    return load_own(&r->root, bytes, n_bytes, err);
}

static status resume_node(rig_node *k, const rig_node *from, error *err)
{
    status st = hand_over(k, from, err);
    instance **to_nested = k->instance->nested, **from_nested = from->instance->nested;
    for (size_t i = 0; to_nested && to_nested[i]; i++) { /* nested schedules */
        if (to_nested[i]->n_state) {
            memcpy(
                to_nested[i]->state, from_nested[i]->state, to_nested[i]->n_state * sizeof(double));
        }
    }
    for (size_t i = 0; i < k->n_nested && st == OK; i++) {
        st = resume_node(&k->nested[i], &from->nested[i], err);
    }
    return st;
}

status optimizer_rig_resume(optimizer_rig *r, const optimizer_rig *from, error *err)
{
    const size_t n = optimizer_rig_n_arrays(r);
    if (n != optimizer_rig_n_arrays(from)) {
        return fail(err, E_SHAPE, "two rigs of different state");
    }
    const status st = resume_node(&r->root, &from->root, err);
    for (size_t i = 0; i < n && st == OK; i++) {
        const rig_array to = optimizer_rig_array(r, i), a = optimizer_rig_array(from, i);
        size_t bytes, other;
        void *at = array_bytes(&to, &bytes);
        const void *from_at = array_bytes(&a, &other);
        if (bytes != other) {
            return fail(err, E_SHAPE, "two rigs of different state");
        }
        if (bytes) {
            memcpy(at, from_at, bytes);
        }
    }
    r->t = from->t;
    return st;
}

static uint64_t hash_node(const rig_node *k, uint64_t h)
{
    void *own = NULL;
    size_t n = 0;
    if (k->ops->save && save_own(k, &own, &n, NULL) == OK) {
        h = hash_u64(own, n, h);
        free(own);
    }
    for (size_t i = 0; k->instance->nested && k->instance->nested[i]; i++) {
        const instance *inner = k->instance->nested[i];
        h = hash_u64(
            inner->state ? inner->state : (const double *)&h, inner->n_state * sizeof(double), h);
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        h = hash_node(&k->nested[i], h);
    }
    return h;
}

uint64_t optimizer_rig_hash(const optimizer_rig *r)
{
    uint64_t h = r->t;
    for (size_t i = 0; i < optimizer_rig_n_arrays(r); i++) {
        const rig_array a = optimizer_rig_array(r, i);
        size_t bytes;
        const void *at = array_bytes(&a, &bytes);
        h = hash_u64(bytes ? at : &h, bytes, h);
    }
    return hash_node(&r->root, h);
}
