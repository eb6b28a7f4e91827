/* One update of one group, by tier.
 *
 * Everything a callback is handed is laid out beforehand: a span per chunk with its slot pointers, a span per tensor, room
 * for the sums. An elem update is two passes over the chunks at most (reduce, elem); sums are added chunk by chunk in
 * order, so neither threads nor their timing show in the result. */
#include "train/optimizer_group.h"

#include "num/vec.h"
#include "train/optimizer_probe.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

static status open_slots(group *k, arena *a, error *err)
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
        const int64_t *when = hyper_int_at(c, k->instance->hyper, row->when);
        k->slots[i] = (slot){ .name = row->name,
            .shape = row->shape,
            .init = row->init,
            .times = times ? (size_t)*times : 1,
            .exists = !when || *when };
        if (row->shape == ASSAY_SLOT_MODEL) {
            k->slots[i].i_global = k->n_globals++;
        }
    }
    return OK;
}

status group_open(group *k, instance *i, const char *name, arena *a, error *err)
{
    *k = (group){ .instance = i, .ops = i->component->ops };
    k->name = arena_strdup(a, name);
    if (!k->name) {
        return fail_nomem(err, "an optimizer");
    }
    status st = open_slots(k, a, err);
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

/* Floats of one slot for one tensor. */
static bool slot_size(const slot *s, const assay_tensor *t, size_t *out)
{
    size_t n = 1;
    bool ok = true;
    switch (s->shape) {
    case ASSAY_SLOT_SAME: n = t->size; break;
    case ASSAY_SLOT_ROWS: n = t->rows; break;
    case ASSAY_SLOT_COLS: n = t->cols; break;
    case ASSAY_SLOT_ROWS_ROWS: ok = size_product(t->rows, t->rows, &n); break;
    case ASSAY_SLOT_COLS_COLS: ok = size_product(t->cols, t->cols, &n); break;
    case ASSAY_SLOT_MODEL: n = 0; break;
    default: n = 1; break;
    }
    return ok && size_product(n, s->times, out);
}

static status plan_slots(group *k, arena *a, error *err)
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
        if (!s->exists || s->shape == ASSAY_SLOT_MODEL) {
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

/* A layer's lr_scale must not be without effect. An outer optimizer without `lr` leaves it to its inner one. */
static status check_lr_scale(const group *k, error *err)
{
    const bool has_lr = hyper_real_at(k->instance->component, k->resolved[0], "lr") != NULL;
    if (k->n_resolved == 1 || (has_lr ? !k->ops->model : k->n_nested > 0)) {
        return OK;
    }
    return fail_at(err, E_UNSUPPORTED, &k->instance->block->at,
        "%s: %s; take `lr_scale` from the layers that it trains", k->instance->label,
        has_lr ? "steps all tensors at once and at one rate"
               : "has no `lr` that a layer's `lr_scale` could change");
}

static const assay_metric_row *metric_row(const assay_optimizer *ops, size_t i)
{
    const size_t stride = ops->metric_stride;
    return (const assay_metric_row *)(const void *)((const char *)ops->metrics + i * stride);
}

/* Names for what the optimizer may report: "optimizer.d", "optimizer.trust.dense1.weight". */
static status plan_values(group *k, arena *a, error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < k->ops->n_metrics; i++) {
        n += metric_row(k->ops, i)->per_tensor ? k->n_tensors : 1;
    }
    k->values = arena_alloc_array(a, n, sizeof *k->values);
    k->first_value = arena_alloc_array(a, k->ops->n_metrics, sizeof *k->first_value);
    if (!k->values || !k->first_value) {
        return fail_nomem(err, "an optimizer's metrics");
    }
    for (size_t i = 0; i < k->ops->n_metrics; i++) {
        const assay_metric_row *row = metric_row(k->ops, i);
        k->first_value[i] = k->n_values;
        for (size_t t = 0; t < (row->per_tensor ? k->n_tensors : 1); t++) {
            const char *of = row->per_tensor ? k->model->tensors[k->tensor[t]].info.name : "";
            const char *name = arena_printf(a, "optimizer.%s%s%s", row->name, of[0] ? "." : "", of);
            if (!name) {
                return fail_nomem(err, "an optimizer's metrics");
            }
            k->values[k->n_values++] = (record_value){ .name = name, .value = NAN };
        }
    }
    return OK;
}

/* host->metric: may come from several workers, each for its own tensor. */
static void take_metric(void *self, instance *i, uint64_t i_metric, uint64_t i_tensor, double v)
{
    group *k = self;
    size_t at = k->first_value[i_metric];
    (void)i;
    if (metric_row(k->ops, i_metric)->per_tensor) {
        size_t t = 0;
        while (t < k->n_tensors && k->tensor[t] != i_tensor) {
            t++;
        }
        if (t == k->n_tensors) {
            return;
        }
        at += t;
    }
    k->values[at].value = v;
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
        .slot_stride = t->info.size };
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
    return OK;
}

static int inner_update(void *self, instance *outer, instance *inner, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride);

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
    TRY(plan_slots(k, a, err));
    TRY(plan_resolved(k, a, err));
    TRY(check_lr_scale(k, err));
    TRY(plan_spans(k, a, err));
    TRY(plan_rooms(k, a, err));
    TRY(plan_values(k, a, err));
    k->instance->hooks =
        (instance_hooks){ .self = k, .metric = take_metric, .inner_update = inner_update };
    for (size_t i = 0; i < k->n_nested; i++) {
        k->nested[i].n_tensors = k->n_tensors;
        k->nested[i].tensor = k->tensor;
        TRY(check_inner(&k->nested[i], err));
        TRY(group_plan(&k->nested[i], m, g, t, a, err));
    }
done:
    return st;
}

/* Told on the thread that it happened on, since a report belongs to its thread; the lowest piece counts, whoever was first. */
static void note_failure(group *k, size_t i_piece, int code, const char *op)
{
    error why = { 0 };
    const int own = instance_code(k->instance, code);
    if (own == ASSAY_OK || instance_status(k->instance, own, op, &why) == OK) {
        return;
    }
    pthread_mutex_lock(&k->instance->lock);
    if (i_piece < k->failed_piece) {
        k->failed_piece = i_piece;
        k->failed = why;
    }
    pthread_mutex_unlock(&k->instance->lock);
}

static const void *hyper_of(const group *k, size_t i_tensor)
{
    return k->resolved[k->resolved_of[i_tensor]];
}

static void scale_piece(void *arg, size_t i)
{
    group *k = arg;
    const chunk *c = &k->chunks[i];
    vec_scale(k->g + k->model->tensors[k->tensor[c->i_tensor]].offset + c->span.begin, c->span.n,
        k->scale);
}

static void reduce_piece(void *arg, size_t i)
{
    group *k = arg;
    const chunk *c = &k->chunks[i];
    double *sums = k->chunk_sums + i * k->ops->n_sums;
    memset(sums, 0, k->ops->n_sums * sizeof *sums);
    assay_span span = c->span;
    span.sums = NULL;
    note_failure(k, i,
        k->ops->reduce(&k->instance->ctx, hyper_of(k, c->i_tensor), &k->step, &span, sums),
        "reduce");
    team_scratch_reset(k->team);
}

/* The gradient of a chunk that is made here. */
static const float *make_gradient(group *k, chunk *c)
{
    const update *u = k->update;
    const float *g = u->stretch(u->stretch_self, k->tensor[c->i_tensor], c->span.begin, c->span.n,
        k->rooms[team_worker(k->team)]);
    c->squares = u->wants_norm ? vec_sum_squares(g, c->span.n) : 0;
    return g;
}

static void elem_piece(void *arg, size_t i)
{
    group *k = arg;
    chunk *c = &k->chunks[i];
    assay_span span = c->span;
    if (k->update->stretch) {
        span.g = make_gradient(k, c);
    }
    if (k->update->probes) {
        group_probe_before(k, i, span.g);
    }
    note_failure(
        k, i, k->ops->elem(&k->instance->ctx, hyper_of(k, c->i_tensor), &k->step, &span), "elem");
    if (k->update->probes) {
        group_probe_after(k, i);
    }
    team_scratch_reset(k->team);
}

static void tensor_piece(void *arg, size_t i)
{
    group *k = arg;
    note_failure(
        k, i, k->ops->tensor(&k->instance->ctx, hyper_of(k, i), &k->step, &k->spans[i]), "tensor");
    team_scratch_reset(k->team);
}

/* Chunk sums -> tensor sums -> the group's sums, in the order of the chunks. */
static void add_sums(group *k)
{
    const size_t n = k->ops->n_sums;
    memset(k->tensor_sums, 0, k->n_tensors * n * sizeof(double));
    memset(k->sums, 0, n * sizeof(double));
    for (size_t i = 0; i < k->n_chunks; i++) {
        double *to = k->tensor_sums + k->chunks[i].i_tensor * n;
        for (size_t j = 0; j < n; j++) {
            to[j] += k->chunk_sums[i * n + j];
        }
        k->chunks[i].span.sums = to;
    }
    for (size_t i = 0; i < k->n_tensors; i++) {
        for (size_t j = 0; j < n; j++) {
            k->sums[j] += k->tensor_sums[i * n + j];
        }
        k->spans[i].sums = k->tensor_sums + i * n;
    }
}

static status failure(const group *k, error *err)
{
    if (k->failed_piece == SIZE_MAX) {
        return OK;
    }
    if (err) {
        *err = k->failed;
    }
    return k->failed.code;
}

static status reduce_phase(group *k, error *err)
{
    if (k->ops->reduce) {
        k->step.sums = NULL;
        team_run(k->team, k->n_chunks, reduce_piece, k);
        add_sums(k);
        k->step.sums = k->sums;
    }
    if (k->failed_piece == SIZE_MAX && k->ops->combine) {
        note_failure(k, 0, k->ops->combine(&k->instance->ctx, k->resolved[0], &k->step), "combine");
    }
    return failure(k, err);
}

/* What a closure needs; layers and losses must not take the scratch of the callback that asked. */
typedef struct closure_call {
    const update *u;
    group *group;
} closure_call;

static int run_closure(const assay_closure *closure, uint64_t flags, double *out_loss)
{
    const closure_call *c = closure->host_data;
    assay_ctx *ctx = &c->group->instance->ctx;
    error err = { 0 };
    team_scratch_enter(c->group->team);
    const status st = c->u->evaluate(c->u->evaluate_self, flags, out_loss, &err);
    team_scratch_leave(c->group->team);
    if (st == OK) {
        return ASSAY_OK;
    }
    return (ctx->host->fail)(
        ctx, st == E_NUMERIC ? ASSAY_E_NUMERIC : ASSAY_E_INTERNAL, NULL, err.text);
}

static void begin_step(group *k, const update *u)
{
    k->update = u;
    k->failed_piece = SIZE_MAX;
    k->step = (assay_step){ .struct_size = sizeof k->step,
        .t = u->t,
        .loss = u->loss,
        .global = k->globals,
        .draw = u->t,
        .n_tensors = k->n_tensors,
        .n_elements = k->n_elements };
}

/* The tier's own callback on what begin_step and the reduce phase have set up. */
static status run_tier(group *k, const update *u, error *err)
{
    if (k->ops->elem) {
        team_run(k->team, k->n_chunks, elem_piece, k);
    } else if (k->ops->tensor) {
        team_run(k->team, k->n_tensors, tensor_piece, k);
    } else {
        closure_call call = { u, k };
        const assay_closure closure = {
            .struct_size = sizeof closure, .host_data = &call, .evaluate = run_closure
        };
        note_failure(k, 0,
            k->ops->model(&k->instance->ctx, k->resolved[0], &k->step, k->spans, k->n_tensors,
                sizeof *k->spans, &closure),
            "model");
        team_scratch_reset(k->team);
    }
    return failure(k, err);
}

/* An inner optimizer's update, on behalf of the outer one's plugin. The spans are the outer's; state is the inner's. */
static int inner_update(void *self, instance *outer, instance *inner, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride)
{
    group *k = self;
    group *in = NULL;
    if (!k->ops->model) {
        return (outer->ctx.host->fail)(
            &outer->ctx, ASSAY_E_INVALID, NULL, "inner_update belongs to the tier model");
    }
    for (size_t i = 0; i < k->n_nested; i++) {
        in = k->nested[i].instance == inner ? &k->nested[i] : in;
    }
    if (!in || n != in->n_tensors) {
        return (outer->ctx.host->fail)(&outer->ctx, ASSAY_E_INVALID, NULL,
            "inner_update wants one of its own nested optimizers and all spans of the group");
    }
    for (size_t i = 0; i < n; i++) {
        const assay_span *s = (const assay_span *)(const void *)((const char *)spans + i * stride);
        in->spans[i].w = s->w;
        in->spans[i].g = s->g;
    }
    for (size_t i = 0; i < in->n_chunks; i++) {
        chunk *c = &in->chunks[i];
        c->span.w = in->spans[c->i_tensor].w + c->span.begin;
        c->span.g = in->spans[c->i_tensor].g + c->span.begin;
    }
    error err = { 0 };
    const update u = { .t = step->t, .loss = step->loss };
    begin_step(in, &u);
    team_scratch_enter(k->team);
    status st = reduce_phase(in, &err);
    if (st == OK) {
        st = run_tier(in, &u, &err);
    }
    team_scratch_leave(k->team);
    if (st != OK) {
        return (outer->ctx.host->fail)(&outer->ctx, ASSAY_E_INVALID, NULL, err.text);
    }
    return ASSAY_OK;
}

static void probe_before(void *arg, size_t i)
{
    group *k = arg;
    group_probe_before(k, i, k->chunks[i].span.g);
}

static void probe_after(void *arg, size_t i)
{
    group_probe_after(arg, i);
}

/* Where tensors are updated whole, their chunks are probed before and after. */
static status run_tier_probed(group *k, const update *u, error *err)
{
    const bool around = u->probes && !k->ops->elem;
    if (around) {
        team_run(k->team, k->n_chunks, probe_before, k);
    }
    status st = run_tier(k, u, err);
    if (around) {
        team_run(k->team, k->n_chunks, probe_after, k);
    }
    return st;
}

/* What the chunks found, in their order. */
static void gather_findings(const group *k, const update *u, update_finding *out)
{
    for (size_t i = 0; u->stretch && i < k->n_chunks; i++) {
        out->squared_norm += k->chunks[i].squares;
    }
}

status group_update(group *k, const update *u, update_finding *out, error *err)
{
    k->scale = u->scale;
    if (u->scale != 1.0f) {
        team_run(k->team, k->n_chunks, scale_piece, k);
    }
    begin_step(k, u);
    status st = reduce_phase(k, err);
    if (st == OK) {
        st = run_tier_probed(k, u, err);
    }
    if (st == OK) {
        gather_findings(k, u, out);
    }
    return st;
}
