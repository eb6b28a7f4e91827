/* One update of one group, by tier.
 *
 * An elem update is two passes over the chunks at most (reduce, elem); sums are added chunk by chunk in order, so neither
 * threads nor their timing show in the result. */
#include "num/vec.h"
#include "train/optimizer_group.h"
#include "train/optimizer_probe.h"

#include <string.h>

/* The lowest piece counts, whoever was first. */
static void keep_failure(group *k, size_t i_piece, const error *why)
{
    pthread_mutex_lock(&k->instance->lock);
    if (i_piece < k->failed_piece) {
        k->failed_piece = i_piece;
        memcpy(&k->failed, why, sizeof k->failed);
    }
    pthread_mutex_unlock(&k->instance->lock);
}

/* Told on the thread that it happened on, since a report belongs to its thread. */
static void note_failure(group *k, size_t i_piece, int code, const char *op)
{
    const int own = instance_code(k->instance, code);
    if (own != ASSAY_OK) {
        error why = { 0 };
        (void)!instance_status(k->instance, own, op, &why);
        keep_failure(k, i_piece, &why);
    }
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
    span.draw = k->spans[c->i_tensor].draw;
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
    span.draw = k->spans[c->i_tensor].draw;
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

/* Whether the gradient of a tensor lies whole where the spans say, and nobody looks at it chunk by chunk. */
static bool lies_whole(const group *k, size_t i_tensor)
{
    const update *u = k->update;
    return !u->probes &&
        (!u->stretch || (!u->wants_norm && u->is_whole(u->stretch_self, k->tensor[i_tensor])));
}

static void elem_run(void *arg, size_t i)
{
    group *k = arg;
    const run *r = &k->runs[i];
    const chunk *c = &k->chunks[r->first];
    if (!lies_whole(k, c->i_tensor)) {
        for (size_t j = 0; j < r->n; j++) {
            elem_piece(k, r->first + j);
        }
        return;
    }
    assay_span span = c->span;
    span.n = r->n_elements;
    span.draw = k->spans[c->i_tensor].draw;
    note_failure(k, r->first,
        k->ops->elem(&k->instance->ctx, hyper_of(k, c->i_tensor), &k->step, &span), "elem");
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
    return (ctx->host->fail)(ctx, instance_code_of(st), NULL, err.text);
}

static void begin_step(group *k, const update *u)
{
    k->update = u;
    k->failed_piece = SIZE_MAX;
    k->step = (assay_step){ .struct_size = sizeof k->step,
        .t = u->t,
        .loss = u->loss,
        .global = k->globals,
        .draw = update_stream(u->t),
        .clip = (double)u->scale,
        .n_tensors = k->n_tensors,
        .n_elements = k->n_elements };
    for (size_t i = 0; i < k->n_tensors; i++) {
        k->spans[i].draw = tensor_stream(u->t, k->spans[i].tensor);
    }
}

/* The tier's own callback on what begin_step and the reduce phase have set up. */
static status run_tier(group *k, const update *u, error *err)
{
    if (k->ops->elem) {
        team_run(k->team, k->n_runs, elem_run, k);
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
int group_inner_update(void *self, instance *outer, instance *inner, const assay_step *step,
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
    const update u = { .t = step->t, .loss = step->loss, .scale = (float)step->clip };
    begin_step(in, &u);
    team_scratch_enter(k->team);
    status st = reduce_phase(in, &err);
    if (st == OK) {
        st = run_tier(in, &u, &err);
    }
    team_scratch_leave(k->team);
    if (st != OK) {
        return (outer->ctx.host->fail)(&outer->ctx, instance_code_of(st), NULL, err.text);
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
