/* Tensors, state and hyperparameters of an optimizer, laid out as the trainer does, but each
 * array by itself.
 *
 * A nested optimizer is a node of its own over the same tensors. Updates are in
 * optimizer_rig_update.c, memory in optimizer_rig_memory.c, the host's services in
 * optimizer_rig_host.c, what resumes a run in optimizer_rig_state.c. */
#include "check/optimizer_rig_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- slots -- */

static int64_t int_of(const rig_node *k, const char *name, int64_t otherwise)
{
    const assay_hyper *row = name ? hyper_find(&k->instance->component->hypers, name) : NULL;
    int64_t v;
    if (!row) {
        return otherwise;
    }
    memcpy(&v, (const char *)k->instance->hyper + row->offset, sizeof v);
    return v;
}

/* Whether the hyperparameter that `when` names is other than 0. */
static bool is_switched_on(const rig_node *k, const char *name)
{
    const assay_hyper *row = name ? hyper_find(&k->instance->component->hypers, name) : NULL;
    double real;
    if (row && row->type == ASSAY_TYPE_REAL) {
        memcpy(&real, (const char *)k->instance->hyper + row->offset, sizeof real);
        return real != 0;
    }
    return int_of(k, name, 1) != 0;
}

static status open_slots(rig_node *k, error *err)
{
    arena *a = &k->rig->memory;
    k->n_slots = (size_t)k->ops->n_slots;
    k->slots = arena_alloc_array(a, k->n_slots, sizeof *k->slots);
    if (!k->slots) {
        return fail_nomem(err, "the kit's slots");
    }
    for (size_t i = 0; i < k->n_slots; i++) {
        const assay_slot *row =
            (const void *)((const char *)k->ops->slots + i * (size_t)k->ops->slot_stride);
        const int64_t times = int_of(k, row->times, 1), limit = int_of(k, row->limit, INT64_MAX);
        k->slots[i] = (rig_slot){ .name = row->name,
            .label = arena_printf(a, "%s%s", k->prefix, row->name),
            .quoted = arena_printf(a, "slot \"%s%s\"", k->prefix, row->name),
            .shape = row->shape,
            .flags = row->flags,
            .times = times > 0 ? (size_t)times : 0,
            .limit = limit > 0 ? (uint64_t)limit : 0,
            .exists = is_switched_on(k, row->when),
            .init = row->init };
        if (row->shape == ASSAY_SLOT_MODEL) {
            k->slots[i].i_global = k->n_globals++;
        }
        if (!k->slots[i].label || !k->slots[i].quoted) {
            return fail_nomem(err, "the kit's slots");
        }
    }
    return OK;
}

static bool is_beyond_limit(const rig_slot *s, const assay_tensor *t)
{
    const bool per_block = (s->flags & ASSAY_SLOT_PER_BLOCK) != 0;
    switch (s->shape) {
    case ASSAY_SLOT_ROWS:
    case ASSAY_SLOT_ROWS_ROWS: return t->rows > s->limit;
    case ASSAY_SLOT_COLS:
    case ASSAY_SLOT_COLS_COLS: return (per_block ? t->cols / t->blocks : t->cols) > s->limit;
    default: return false;
    }
}

/* Floats of one slot of one tensor; false where there is none. */
static bool slot_floats(const rig_slot *s, const assay_tensor *t, size_t *out)
{
    const size_t blocks = s->flags & ASSAY_SLOT_PER_BLOCK ? (size_t)t->blocks : 1;
    const size_t cols = (size_t)t->cols / blocks;
    size_t n;
    if (!s->exists || s->shape == ASSAY_SLOT_MODEL || is_beyond_limit(s, t) ||
        ((s->flags & ASSAY_SLOT_MATRICES) && t->shape.n_dims < 2)) {
        return false;
    }
    switch (s->shape) {
    case ASSAY_SLOT_SAME: n = (size_t)t->size; break;
    case ASSAY_SLOT_ROWS: n = (size_t)t->rows * blocks; break;
    case ASSAY_SLOT_COLS: n = (size_t)t->cols; break;
    case ASSAY_SLOT_ROWS_ROWS: n = (size_t)(t->rows * t->rows) * blocks; break;
    case ASSAY_SLOT_COLS_COLS: n = cols * cols * blocks; break;
    default: n = blocks; break;
    }
    *out = n * s->times;
    return true;
}

static status plan_slots(rig_node *k, const rig_tensor *given, error *err)
{
    optimizer_rig *r = k->rig;
    k->slot = arena_alloc_array(&r->memory, r->n * k->n_slots, sizeof *k->slot);
    k->globals = block_new(r, k->n_globals, sizeof(double), "value of the model", "", GUARD_AFTER);
    if (!k->slot || !k->globals) {
        return fail_nomem(err, "the kit's slots");
    }
    for (size_t j = 0; j < r->n * k->n_slots; j++) {
        const rig_slot *s = &k->slots[j % k->n_slots];
        const size_t i = j / k->n_slots;
        size_t n = 0;
        if (!slot_floats(s, &r->tensor[i], &n)) {
            continue;
        }
        k->slot[j] = block_new(r, n, sizeof(float), s->quoted, r->tensor[i].name,
            given[r->all_of[i]].guard_before ? GUARD_BEFORE : GUARD_AFTER);
        if (!k->slot[j]) {
            return fail_nomem(err, "the kit's slots");
        }
        for (size_t e = 0; e < n; e++) {
            ((float *)k->slot[j]->memory.at)[e] = (float)s->init;
        }
    }
    for (size_t i = 0; i < k->n_slots; i++) {
        if (k->slots[i].shape == ASSAY_SLOT_MODEL) {
            ((double *)k->globals->memory.at)[k->slots[i].i_global] = k->slots[i].init;
        }
    }
    return OK;
}

/* -- hyperparameters -- */

static void scale_lr(const rig_node *k, void *hyper, double scale)
{
    double *lr = hyper_real_at(k->instance->component, hyper, "lr");
    if (lr) {
        *lr *= scale;
    }
}

static void rebind(rig_node *k)
{
    const size_t bytes = k->hyper->memory.bytes;
    memcpy(k->hyper->memory.at, k->instance->hyper, bytes);
    for (size_t i = 0; i < k->rig->n; i++) {
        memcpy(k->hyper_of[i]->memory.at, k->instance->hyper, bytes);
        scale_lr(k, k->hyper_of[i]->memory.at, k->rig->lr_scale[i]);
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        rebind(&k->nested[i]);
    }
}

void optimizer_rig_rebind(optimizer_rig *r)
{
    rebind(&r->root);
}

static size_t set_hyper(rig_node *k, const char *name, double v)
{
    const component *c = k->instance->component;
    double *place = hyper_real_at(c, k->hyper->memory.at, name);
    size_t n = place != NULL;
    if (place) {
        *place = v;
    }
    for (size_t i = 0; place && i < k->rig->n; i++) {
        void *own = k->hyper_of[i]->memory.at;
        *hyper_real_at(c, own, name) = v;
        if (strcmp(name, "lr") == 0) {
            scale_lr(k, own, k->rig->lr_scale[i]);
        }
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        n += set_hyper(&k->nested[i], name, v);
    }
    return n;
}

size_t optimizer_rig_set_hyper(optimizer_rig *r, const char *name, double v)
{
    return set_hyper(&r->root, name, v);
}

static status plan_hypers(rig_node *k, error *err)
{
    optimizer_rig *r = k->rig;
    const size_t own = k->instance->component->hypers.bytes, bytes = own < 8 ? 8 : own;
    const char what[] = "struct of hyperparameters";
    k->hyper = block_new(r, bytes, 1, "struct of hyperparameters", "", GUARD_BEFORE);
    k->hyper_of = arena_alloc_array(&r->memory, r->n, sizeof *k->hyper_of);
    if (!k->hyper || !k->hyper_of) {
        return fail_nomem(err, what);
    }
    for (size_t i = 0; i < r->n; i++) {
        k->hyper_of[i] =
            block_new(r, bytes, 1, "struct of hyperparameters", r->tensor[i].name, GUARD_BEFORE);
        if (!k->hyper_of[i]) {
            return fail_nomem(err, what);
        }
    }
    return OK;
}

/* -- nodes -- */

/* The hyperparameter that a nested instance came from. */
static const char *name_of_nested(const rig_node *k, const instance *inner)
{
    const hyper_table *t = &k->instance->component->hypers;
    for (size_t i = 0; i < t->n; i++) {
        const assay_hyper *row = hyper_row(t, i);
        const assay_instance *handle;
        if (row->type == ASSAY_TYPE_COMPONENT) {
            memcpy(&handle, (const char *)k->instance->hyper + row->offset, sizeof handle);
            if (handle && instance_of(handle) == inner) {
                return row->name;
            }
        }
    }
    return "inner";
}

static bool is_optimizer(const instance *i)
{
    return strcmp(i->component->kind, ASSAY_KIND_OPTIMIZER) == 0;
}

static status open_node(rig_node *k, optimizer_rig *r, instance *i, const char *prefix, error *err)
{
    *k = (rig_node){ .rig = r, .instance = i, .ops = i->component->ops, .prefix = prefix };
    status st = OK;
    TRY(open_slots(k, err));
    for (size_t n = 0; i->nested && i->nested[n]; n++) {
        k->n_nested += is_optimizer(i->nested[n]);
    }
    k->nested = arena_alloc_array(&r->memory, k->n_nested, sizeof *k->nested);
    if (!k->nested) {
        TRY(fail_nomem(err, "a nested optimizer"));
    }
    for (size_t n = 0, at = 0; i->nested && i->nested[n]; n++) {
        if (is_optimizer(i->nested[n])) {
            const char *inner =
                arena_printf(&r->memory, "%s%s.", prefix, name_of_nested(k, i->nested[n]));
            TRY(inner ? open_node(&k->nested[at++], r, i->nested[n], inner, err)
                      : fail_nomem(err, "a nested optimizer"));
        }
    }
    i->hooks = (instance_hooks){ .self = k, .inner_update = rig_inner_update };
done:
    return st;
}

/* As the trainer has it: an inner optimizer has no closure, and nobody asks it where to
 * evaluate. */
static status check_inner(const rig_node *k, error *err)
{
    for (size_t i = 0; i < k->n_nested; i++) {
        const assay_optimizer *o = k->nested[i].ops;
        if (o->model || o->eval_weights) {
            return fail(err, E_UNSUPPORTED,
                "%s cannot be nested: an inner optimizer is of tier elem or tensor and has no "
                "eval_weights",
                k->nested[i].instance->label);
        }
    }
    return OK;
}

static status plan_node(rig_node *k, const rig_tensor *given, error *err)
{
    optimizer_rig *r = k->rig;
    status st = OK;
    TRY(plan_slots(k, given, err));
    TRY(plan_hypers(k, err));
    TRY(check_inner(k, err));
    k->w = arena_alloc_array(&r->memory, r->n, sizeof *k->w);
    k->g = arena_alloc_array(&r->memory, r->n, sizeof *k->g);
    k->sums = arena_alloc_array(&r->memory, (size_t)k->ops->n_sums, sizeof(double));
    k->tensor_sums = arena_alloc_array(&r->memory, r->n * (size_t)k->ops->n_sums, sizeof(double));
    k->sum_room =
        block_new(r, (size_t)k->ops->n_sums, sizeof(double), "array of sums", "", GUARD_AFTER);
    k->slot_room = arena_alloc_array(&r->memory, RIG_MAX_THREADS, sizeof *k->slot_room);
    if (!k->w || !k->g || !k->sums || !k->tensor_sums || !k->sum_room || !k->slot_room) {
        TRY(fail_nomem(err, "the kit's optimizer"));
    }
    for (size_t i = 0; i < RIG_MAX_THREADS; i++) {
        k->slot_room[i] = arena_alloc_array(&r->memory, k->n_slots + 1, sizeof(float *));
        if (!k->slot_room[i]) {
            TRY(fail_nomem(err, "the kit's optimizer"));
        }
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        TRY(plan_node(&k->nested[i], given, err));
    }
done:
    return st;
}

/* -- tensors -- */

static const char *layer_of(arena *a, const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? arena_strndup(a, name, (size_t)(dot - name)) : arena_strdup(a, name);
}

static status describe_tensor(
    optimizer_rig *r, const rig_tensor *t, size_t index, assay_tensor *out, error *err)
{
    const size_t size = (size_t)assay_shape_size(&t->shape);
    const size_t rows = t->shape.n_dims < 2 ? 1 : (size_t)t->shape.dim[0];
    const size_t cols = rows ? size / rows : 0;
    *out = (assay_tensor){ .struct_size = sizeof *out,
        .name = t->name,
        .layer = layer_of(&r->memory, t->name),
        .index = index,
        .shape = t->shape,
        .size = size,
        .rows = rows,
        .cols = cols,
        .role = t->role ? t->role : ASSAY_ROLE_WEIGHT,
        .place = t->place ? t->place : ASSAY_PLACE_HIDDEN,
        .fan_in = t->fan_in ? t->fan_in : rows,
        .fan_out = t->fan_out ? t->fan_out : cols,
        .blocks = t->blocks ? t->blocks : 1 };
    return out->layer ? OK : fail_nomem(err, "the kit's tensors");
}

static status accepts(const rig_node *k, const assay_tensor *t, error *err)
{
    status st = OK;
    if (k->ops->accept) {
        k->rig->callback = "accept";
        st = instance_status(
            k->instance, k->ops->accept(&k->instance->ctx, k->instance->hyper, t), "accept", err);
    }
    rig_scratch_free(k->rig, 0);
    k->rig->callback = NULL;
    for (size_t i = 0; i < k->n_nested && st == OK; i++) {
        st = accepts(&k->nested[i], t, err);
    }
    return st;
}

static status plan_tensors(optimizer_rig *r, const rig_tensor *given, error *err)
{
    size_t depth = 0;
    error why = { 0 };
    for (size_t i = 0; i < r->n_all; i++) {
        assay_tensor *t = &r->tensor[r->n];
        const status st = describe_tensor(r, &given[i], i, t, err);
        if (st != OK) {
            return st;
        }
        depth += r->n > 0 && strcmp(r->tensor[r->n - 1].layer, t->layer) != 0;
        t->depth = depth;
        r->of_all[i] = SIZE_MAX;
        if (accepts(&r->root, t, &why) != OK) {
            continue;
        }
        r->of_all[i] = r->n;
        r->all_of[r->n] = i;
        r->lr_scale[r->n] = given[i].lr_scale ? given[i].lr_scale : 1;
        r->n_elements += (size_t)t->size;
        r->n++;
    }
    return r->n || r->n_all == 0 ? OK
                                 : fail(err, E_UNSUPPORTED, "it accepts no tensor: %s", why.text);
}

static status plan_arrays(
    optimizer_rig *r, const rig_tensor *given, const float *const *w0, error *err)
{
    for (size_t i = 0; i < r->n_all; i++) {
        const size_t n = (size_t)assay_shape_size(&given[i].shape);
        const guard_side side = given[i].guard_before ? GUARD_BEFORE : GUARD_AFTER;
        r->all_w[i] = block_new(r, n, sizeof(float), "weights", given[i].name, side);
        r->all_g[i] = block_new(r, n, sizeof(float), "gradient", given[i].name, side);
        if (!r->all_w[i] || !r->all_g[i]) {
            return fail_nomem(err, "the kit's tensors");
        }
        if (n) {
            memcpy(r->all_w[i]->memory.at, w0[i], n * sizeof(float));
        }
    }
    return OK;
}

status optimizer_rig_open(const specimen *p, const rig_tensor *tensors, size_t n,
    const float *const *w0, optimizer_rig **out, error *err)
{
    status st = OK;
    optimizer_rig *r = calloc(1, sizeof *r);
    if (!r) {
        return fail_nomem(err, "the kit's optimizer");
    }
    if (pthread_mutex_init(&r->lock, NULL) != 0) {
        free(r);
        return fail_nomem(err, "the kit's optimizer");
    }
    r->specimen = p;
    r->n_all = n;
    r->of_all = arena_alloc_array(&r->memory, n, sizeof *r->of_all);
    r->all_of = arena_alloc_array(&r->memory, n, sizeof *r->all_of);
    r->all_w = arena_alloc_array(&r->memory, n, sizeof(rig_block *));
    r->all_g = arena_alloc_array(&r->memory, n, sizeof(rig_block *));
    r->tensor = arena_alloc_array(&r->memory, n + 1, sizeof *r->tensor);
    r->lr_scale = arena_alloc_array(&r->memory, n, sizeof *r->lr_scale);
    if (!r->of_all || !r->all_of || !r->all_w || !r->all_g || !r->tensor || !r->lr_scale) {
        TRY(fail_nomem(err, "the kit's optimizer"));
    }
    TRY(open_node(&r->root, r, p->instance, "", err));
    rig_host_open(r);
    TRY(plan_tensors(r, tensors, err));
    TRY(plan_arrays(r, tensors, w0, err));
    TRY(plan_node(&r->root, tensors, err));
    rebind(&r->root);
    *out = r;
    r = NULL;
done:
    optimizer_rig_free(r);
    return st;
}

static void close_node(rig_node *k)
{
    if (k->instance) {
        k->instance->hooks = (instance_hooks){ 0 };
    }
    free(k->piece_sums);
    for (size_t i = 0; k->nested && i < k->n_nested; i++) {
        close_node(&k->nested[i]);
    }
}

void optimizer_rig_free(optimizer_rig *r)
{
    if (!r) {
        return;
    }
    for (size_t i = 0; i < RIG_MAX_THREADS; i++) {
        rig_scratch_free(r, i);
    }
    rig_host_close(r);
    close_node(&r->root);
    blocks_free(r);
    team_free(r->team);
    free(r->pieces);
    pthread_mutex_destroy(&r->lock);
    arena_release(&r->memory);
    free(r);
}

bool optimizer_rig_has(const optimizer_rig *r, size_t i_tensor)
{
    return i_tensor < r->n_all && r->of_all[i_tensor] != SIZE_MAX;
}

float *optimizer_rig_weights(optimizer_rig *r, size_t i_tensor)
{
    return r->all_w[i_tensor]->memory.at;
}

size_t optimizer_rig_size(const optimizer_rig *r, size_t i_tensor)
{
    return r->all_w[i_tensor]->memory.bytes / sizeof(float);
}

uint64_t optimizer_rig_n_updates(const optimizer_rig *r)
{
    return r->t;
}

size_t optimizer_rig_n_evaluations(const optimizer_rig *r)
{
    return r->n_evaluations;
}

size_t optimizer_rig_n_scratch(const optimizer_rig *r)
{
    return r->n_scratch;
}

size_t optimizer_rig_n_metrics(const optimizer_rig *r)
{
    return r->n_metrics;
}

size_t optimizer_rig_n_random(const optimizer_rig *r)
{
    return r->n_random;
}

double optimizer_rig_seconds(const optimizer_rig *r)
{
    return r->seconds;
}

double optimizer_rig_reduce_seconds(const optimizer_rig *r)
{
    return r->reduce_seconds;
}
