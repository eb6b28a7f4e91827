/* One update of the rig, by tier, with what the contract forbids looked for around every call.
 *
 * On one thread each call is judged by itself: what it may write is accepted, and everything
 * else must be as it was. With threads, or where that would take too long, a phase is judged as
 * a whole. Sums are added piece by piece in the order of the pieces, whatever the order of the
 * calls. */
#include "check/optimizer_rig_internal.h"

#include "base/clock.h"
#include "train/optimizer_streams.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum phase { REDUCE, COMBINE, ELEM, TENSOR, MODEL } phase;

static const char *const names[] = { "reduce", "combine", "elem", "tensor", "model" };
static const char *const rules[] = {
    "reduce may write its sums and the SAME slots of its span's elements, nothing else",
    "combine may write step->global, nothing else",
    "elem may write w and the SAME slots of its span's elements, nothing else: what chunks share "
    "is "
    "written in combine, or by the tier tensor",
    "tensor may write w and the slots of its own tensor, nothing else",
    "model may write w, the slots and step->global of its own tensors, nothing else",
};

typedef struct pass {
    rig_node *node;
    phase what;
} pass;

/* Bytes that are compared in one update at most, call by call. */
static const double most_compared_bytes = 3e7;

/* -- what went wrong -- */

static void keep_failure(rig_node *k, size_t i_piece, const error *why)
{
    pthread_mutex_lock(&k->rig->lock);
    if (i_piece < k->failed_piece) {
        k->failed_piece = i_piece;
        k->failed = *why;
    }
    pthread_mutex_unlock(&k->rig->lock);
}

static status failure(const rig_node *k, error *err)
{
    if (k->failed_piece == SIZE_MAX) {
        return OK;
    }
    if (err) {
        *err = k->failed;
    }
    return k->failed.code;
}

static void describe_call(const rig_node *k, phase what, const rig_piece *p, char *out, size_t room)
{
    const optimizer_rig *r = k->rig;
    const char *id = k->prefix[0] ? k->instance->component->id : "";
    int n = snprintf(out, room, "%s%s%s (update %llu", id, id[0] ? "'s " : "", names[what],
        (unsigned long long)r->t);
    if (p && n > 0 && (size_t)n < room) {
        n += snprintf(out + n, room - (size_t)n, ", elements %zu to %zu of %s", p->begin,
            p->begin + p->n, r->tensor[p->i_tensor].name);
    }
    if (n > 0 && (size_t)n < room) {
        snprintf(out + n, room - (size_t)n, ")");
    }
}

/* -- what a call may write -- */

static void accept_slots_whole(rig_node *k, size_t i_tensor)
{
    for (size_t j = 0; j < k->n_slots; j++) {
        const rig_block *b = k->slot[i_tensor * k->n_slots + j];
        if (b) {
            blocks_accept_range(k->rig, b->memory.at, b->memory.bytes);
        }
    }
}

static void accept_same_slots(rig_node *k, const rig_piece *p)
{
    const size_t size = (size_t)k->rig->tensor[p->i_tensor].size;
    for (size_t j = 0; j < k->n_slots; j++) {
        const rig_block *b = k->slot[p->i_tensor * k->n_slots + j];
        for (size_t t = 0; b && k->slots[j].shape == ASSAY_SLOT_SAME && t < k->slots[j].times;
             t++) {
            const float *at = b->memory.at;
            blocks_accept_range(k->rig, at + t * size + p->begin, p->n * sizeof(float));
        }
    }
}

static void accept_weights(rig_node *k, const rig_piece *p)
{
    blocks_accept_range(k->rig, k->w[p->i_tensor] + p->begin, p->n * sizeof(float));
}

static void accept_call(rig_node *k, phase what, const rig_piece *p)
{
    optimizer_rig *r = k->rig;
    switch (what) {
    case REDUCE:
        accept_same_slots(k, p);
        blocks_accept_range(r, k->sum_room->memory.at, k->sum_room->memory.bytes);
        break;
    case COMBINE: blocks_accept_range(r, k->globals->memory.at, k->globals->memory.bytes); break;
    case ELEM:
        accept_weights(k, p);
        accept_same_slots(k, p);
        break;
    case TENSOR:
        accept_weights(k, p);
        accept_slots_whole(k, p->i_tensor);
        break;
    case MODEL:
        blocks_accept_range(r, k->globals->memory.at, k->globals->memory.bytes);
        for (size_t i = 0; i < r->n; i++) {
            accept_weights(k, &(rig_piece){ i, 0, (size_t)r->tensor[i].size });
            accept_slots_whole(k, i);
        }
        break;
    }
}

static void judge(rig_node *k, phase what, const rig_piece *p, size_t i_piece)
{
    char who[300];
    error why = { 0 };
    describe_call(k, what, p, who, sizeof who);
    if (blocks_check(k->rig, who, rules[what], &why) != OK) {
        keep_failure(k, i_piece, &why);
        blocks_accept(k->rig); /* it is not laid to the next call's charge */
    }
}

/* -- one call -- */

static assay_span make_span(rig_node *k, const rig_piece *p, float **room)
{
    const optimizer_rig *r = k->rig;
    for (size_t j = 0; j < k->n_slots; j++) {
        const rig_block *b = k->slot[p->i_tensor * k->n_slots + j];
        float *at = b ? b->memory.at : NULL;
        room[j] = at && k->slots[j].shape == ASSAY_SLOT_SAME ? at + p->begin : at;
    }
    return (assay_span){ .struct_size = sizeof(assay_span),
        .tensor = &r->tensor[p->i_tensor],
        .begin = p->begin,
        .n = p->n,
        .w = k->w[p->i_tensor] + p->begin,
        .g = k->g[p->i_tensor] + p->begin,
        .slot = room,
        .slot_stride = r->tensor[p->i_tensor].size,
        .sums = k->step.sums ? k->tensor_sums + p->i_tensor * (size_t)k->ops->n_sums : NULL,
        .hyper = k->hyper_of[p->i_tensor]->memory.at,
        .draw = tensor_stream(k->step.t, &r->tensor[p->i_tensor]) };
}

/* What the call returned, and what it may not have done to the thread or the host. */
static void note_result(
    rig_node *k, phase what, const rig_piece *p, size_t i_piece, int code, const float_mode *before)
{
    optimizer_rig *r = k->rig;
    char who[300];
    error why = { 0 };
    const int own = instance_code(k->instance, code);
    const char *changed = float_mode_change(before);
    float_mode_set(before);
    describe_call(k, what, p, who, sizeof who);
    if (instance_status(k->instance, own, names[what], &why) != OK) {
        keep_failure(k, i_piece, &why);
    } else if (changed) {
        (void)!fail(&why, E_PLUGIN,
            "%s changed %s of the thread; a callback leaves the floating-point mode as it was", who,
            changed);
        keep_failure(k, i_piece, &why);
    } else if (r->fault[0]) {
        (void)!fail(&why, E_PLUGIN, "%s", r->fault);
        keep_failure(k, i_piece, &why);
    }
}

static int call_reduce(rig_node *k, const assay_span *s, size_t i_piece)
{
    const size_t n = (size_t)k->ops->n_sums;
    double *out = k->piece_sums + i_piece * n;
    double *sums = k->rig->checks_calls ? k->sum_room->memory.at : out;
    memset(sums, 0, n * sizeof *sums);
    const int code = k->ops->reduce(&k->instance->ctx, s->hyper, &k->step, s, sums);
    memmove(out, sums, n * sizeof *sums);
    return code;
}

static void run_piece(void *arg, size_t i)
{
    const pass *x = arg;
    rig_node *k = x->node;
    optimizer_rig *r = k->rig;
    const rig_piece *p = &r->pieces[i];
    const size_t worker = team_worker(r->team);
    const assay_span s = make_span(k, p, k->slot_room[worker]);
    const float_mode mode = float_mode_get();
    const bool is_alone = team_size(r->team) == 1;
    const double start_s = is_alone ? clock_wall_s() : 0;
    int code;
    if (x->what == REDUCE) {
        code = call_reduce(k, &s, i);
    } else {
        code = x->what == ELEM ? k->ops->elem(&k->instance->ctx, s.hyper, &k->step, &s)
                               : k->ops->tensor(&k->instance->ctx, s.hyper, &k->step, &s);
    }
    if (is_alone) {
        const double took_s = clock_wall_s() - start_s;
        r->seconds += took_s;
        r->reduce_seconds += x->what == REDUCE ? took_s : 0;
    }
    note_result(k, x->what, p, i, code, &mode);
    rig_scratch_free(r, worker);
    if (r->checks_calls) {
        accept_call(k, x->what, p);
        judge(k, x->what, p, i);
    }
}

static status run_pieces(rig_node *k, phase what, error *err)
{
    optimizer_rig *r = k->rig;
    pass x = { k, what };
    r->callback = names[what];
    r->is_worker = true;
    if (team_size(r->team) > 1) {
        team_run(r->team, r->n_pieces, run_piece, &x);
    }
    for (size_t i = 0; team_size(r->team) == 1 && i < r->n_pieces; i++) {
        run_piece(&x, r->update->backwards ? r->n_pieces - 1 - i : i);
    }
    r->is_worker = false;
    if (!r->checks_calls) {
        for (size_t i = 0; i < r->n_pieces; i++) {
            accept_call(k, what, &r->pieces[i]);
        }
        judge(k, what, NULL, r->n_pieces);
    }
    return failure(k, err);
}

/* -- sums -- */

static void add_sums(rig_node *k)
{
    const optimizer_rig *r = k->rig;
    const size_t n = (size_t)k->ops->n_sums;
    memset(k->tensor_sums, 0, r->n * n * sizeof(double));
    memset(k->sums, 0, n * sizeof(double));
    for (size_t i = 0; i < r->n_pieces; i++) {
        for (size_t j = 0; j < n; j++) {
            k->tensor_sums[r->pieces[i].i_tensor * n + j] += k->piece_sums[i * n + j];
        }
    }
    for (size_t i = 0; i < r->n; i++) {
        for (size_t j = 0; j < n; j++) {
            k->sums[j] += k->tensor_sums[i * n + j];
        }
    }
    k->step.sums = k->sums;
}

static status reduce_phase(rig_node *k, error *err)
{
    const size_t need = k->rig->n_pieces * (size_t)k->ops->n_sums;
    if (need > k->n_piece_sums) {
        double *grown = realloc(k->piece_sums, need * sizeof *grown);
        if (!grown) {
            return fail_nomem(err, "the kit's sums");
        }
        k->piece_sums = grown;
        k->n_piece_sums = need;
    }
    const status st = run_pieces(k, REDUCE, err);
    if (st == OK) {
        add_sums(k);
    }
    return st;
}

/* -- what is called once an update -- */

/* What combine leaves for elem is no state, but it is to be read. */
static void disturb(rig_node *k)
{
    const char *name = k->rig->update->disturbed;
    for (size_t j = 0; name && j < k->n_slots; j++) {
        if (k->slots[j].shape == ASSAY_SLOT_MODEL && strcmp(k->slots[j].label, name) == 0) {
            double *at = (double *)k->globals->memory.at + k->slots[j].i_global;
            *at = *at * 1.5 + 0.25;
        }
    }
}

static status combine_phase(rig_node *k, error *err)
{
    const float_mode mode = float_mode_get();
    k->rig->callback = names[COMBINE];
    const int code = k->ops->combine(&k->instance->ctx, k->hyper->memory.at, &k->step);
    note_result(k, COMBINE, NULL, 0, code, &mode);
    rig_scratch_free(k->rig, 0);
    accept_call(k, COMBINE, NULL);
    judge(k, COMBINE, NULL, 0);
    disturb(k);
    blocks_accept(k->rig);
    return failure(k, err);
}

/* A message for the plugin's caller, as the trainer's own services leave it. */
static int refuse(rig_node *k, int code, const char *message)
{
    return (k->rig->host.fail)(&k->instance->ctx, code, NULL, message);
}

/* What a callback has written before it asks for something; what is behind it must not be laid
 * to another one's charge. */
static void judge_so_far(rig_node *k)
{
    accept_call(k, MODEL, NULL);
    judge(k, MODEL, NULL, 0);
    blocks_accept(k->rig);
}

static int run_closure(const assay_closure *closure, uint64_t flags, double *out_loss)
{
    const uint64_t known =
        ASSAY_CLOSURE_GRADIENT | ASSAY_CLOSURE_FRESH_BATCH | ASSAY_CLOSURE_FRESH_DRAWS;
    rig_node *k = closure->host_data;
    optimizer_rig *r = k->rig;
    const rig_update *u = r->update;
    judge_so_far(k);
    r->n_evaluations++;
    if (flags & ~known) {
        rig_fault(r, "evaluate was called with flags %#llx, which are not ASSAY_CLOSURE_... alone",
            (unsigned long long)flags);
    }
    if (r->n_evaluations == u->failing_evaluation) {
        return refuse(k, ASSAY_E_NUMERIC, "the kit's closure fails here");
    }
    const bool wants_g = flags & ASSAY_CLOSURE_GRADIENT;
    double loss = u->loss;
    if (u->objective) {
        const float **w = calloc(r->n_all + 1, sizeof *w);
        float **g = calloc(r->n_all + 1, sizeof *g);
        for (size_t i = 0; w && g && i < r->n_all; i++) {
            w[i] = r->all_w[i]->memory.at;
            g[i] = r->all_g[i]->memory.at;
        }
        if (w && g) {
            loss = u->objective(u->objective_self, w, wants_g ? g : NULL, r->n_evaluations,
                flags & ASSAY_CLOSURE_FRESH_BATCH);
        }
        free(w);
        free(g);
    }
    for (size_t i = 0; wants_g && !u->objective && i < r->n_all; i++) {
        rig_block *b = r->all_g[i];
        if (b->memory.bytes) {
            memcpy(b->memory.at, u->g[i], b->memory.bytes);
        }
    }
    blocks_accept(r);
    if (out_loss) {
        *out_loss = loss;
    } else {
        rig_fault(r, "evaluate was called without a place for the loss");
    }
    return ASSAY_OK;
}

static status model_phase(rig_node *k, error *err)
{
    optimizer_rig *r = k->rig;
    float **rooms = calloc(r->n * (k->n_slots + 1), sizeof *rooms);
    assay_span *spans = calloc(r->n, sizeof *spans);
    if (!rooms || !spans) {
        free(rooms);
        free(spans);
        return fail_nomem(err, "the kit's spans");
    }
    for (size_t i = 0; i < r->n; i++) {
        const rig_piece whole = { i, 0, (size_t)r->tensor[i].size };
        spans[i] = make_span(k, &whole, rooms + i * (k->n_slots + 1));
    }
    const assay_closure closure = {
        .struct_size = sizeof closure, .host_data = k, .evaluate = run_closure
    };
    const float_mode mode = float_mode_get();
    r->callback = names[MODEL];
    const double start_s = clock_wall_s();
    const int code = k->ops->model(
        &k->instance->ctx, k->hyper->memory.at, &k->step, spans, r->n, sizeof *spans, &closure);
    r->seconds = clock_wall_s() - start_s; /* with the closure and what is nested */
    note_result(k, MODEL, NULL, 0, code, &mode);
    rig_scratch_free(r, 0);
    accept_call(k, MODEL, NULL);
    judge(k, MODEL, NULL, 0);
    free(rooms);
    free(spans);
    return failure(k, err);
}

/* What one update needs alone is not there for the next. */
static void spoil_scratch(rig_node *k)
{
    for (size_t j = 0; j < k->rig->n * k->n_slots; j++) {
        rig_block *b = k->slot[j];
        if (b && b->memory.bytes && (k->slots[j % k->n_slots].flags & ASSAY_SLOT_SCRATCH)) {
            memset(b->memory.at, 0xff, b->memory.bytes); /* NaN */
            blocks_accept_range(k->rig, b->memory.at, b->memory.bytes);
        }
    }
}

static status update_node(rig_node *k, uint64_t t, double loss, double clip, error *err)
{
    const optimizer_rig *r = k->rig;
    status st = OK;
    spoil_scratch(k);
    k->failed_piece = SIZE_MAX;
    k->step = (assay_step){ .struct_size = sizeof k->step,
        .t = t,
        .loss = loss,
        .global = k->n_globals ? k->globals->memory.at : NULL,
        .draw = update_stream(t),
        .clip = clip,
        .n_tensors = r->n,
        .n_elements = r->n_elements };
    if (k->ops->reduce) {
        TRY(reduce_phase(k, err));
    }
    if (k->ops->combine) {
        TRY(combine_phase(k, err));
    }
    if (k->ops->model) {
        st = model_phase(k, err);
    } else {
        st = run_pieces(k, k->ops->elem ? ELEM : TENSOR, err);
    }
done:
    return st;
}

/* -- nested -- */

static rig_node *nested_of(rig_node *k, const instance *inner)
{
    for (size_t i = 0; i < k->n_nested; i++) {
        if (k->nested[i].instance == inner) {
            return &k->nested[i];
        }
    }
    return NULL;
}

/* An inner optimizer of tier tensor has its tensors whole. */
static status plan_pieces(optimizer_rig *r, size_t chunk, error *err);

static status update_inner(rig_node *k, rig_node *in, const assay_step *step, error *err)
{
    optimizer_rig *r = k->rig;
    rig_scratch *kept = r->scratch[0];
    r->scratch[0] = NULL;
    judge_so_far(k);
    status st = plan_pieces(r, in->ops->elem ? r->update->chunk : 0, err);
    if (st == OK) {
        st = update_node(in, step->t, step->loss, step->clip, err);
    }
    rig_scratch_free(r, 0);
    r->scratch[0] = kept;
    r->callback = names[MODEL];
    return st;
}

int rig_inner_update(void *self, instance *outer, instance *inner, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride)
{
    rig_node *k = self, *in = nested_of(k, inner);
    optimizer_rig *r = k->rig;
    error err = { 0 };
    (void)outer;
    if (!k->ops->model || r->is_worker) {
        rig_fault(r, "inner_update is [control] and belongs to the tier model");
        return refuse(k, ASSAY_E_INVALID, "inner_update belongs to the tier model");
    }
    if (!in || n != r->n || !step || !spans) {
        rig_fault(r, "inner_update got %llu spans; expected all %zu of the group",
            (unsigned long long)n, r->n);
        return refuse(k, ASSAY_E_INVALID, "inner_update wants all spans of the group");
    }
    for (size_t i = 0; i < n; i++) {
        const assay_span *s = assay_span_at(spans, i, stride);
        in->w[i] = s->w;
        in->g[i] = s->g;
    }
    if (update_inner(k, in, step, &err) == OK) {
        return ASSAY_OK;
    }
    if (err.code == E_PLUGIN) { /* found by the kit; the outer one must not be able to hide it */
        rig_fault(r, "%s", err.text);
    }
    return refuse(k, err.code == E_NOMEM ? ASSAY_E_NOMEM : ASSAY_E_INVALID, err.text);
}

/* -- one update of all -- */

static status plan_pieces(optimizer_rig *r, size_t chunk, error *err)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++) {
        const size_t size = (size_t)r->tensor[i].size;
        n += chunk && size ? (size + chunk - 1) / chunk : 1;
    }
    if (n > r->piece_room) {
        rig_piece *grown = realloc(r->pieces, n * sizeof *grown);
        if (!grown) {
            return fail_nomem(err, "the kit's pieces");
        }
        r->pieces = grown;
        r->piece_room = n;
    }
    r->n_pieces = 0;
    for (size_t i = 0; i < r->n; i++) {
        const size_t size = (size_t)r->tensor[i].size, each = chunk ? chunk : size;
        size_t begin = 0;
        do {
            const size_t length = size - begin < each ? size - begin : each;
            r->pieces[r->n_pieces++] = (rig_piece){ i, begin, length };
            begin += length;
        } while (begin < size);
    }
    r->checks_calls = team_size(r->team) == 1 &&
        (double)r->n_pieces * (double)r->block_bytes <= most_compared_bytes;
    return OK;
}

/* The component sees the rig's team for as long as the update takes. */
static status take_team(optimizer_rig *r, size_t n_threads, error *err)
{
    const size_t n = n_threads < 1 ? 1 : n_threads > RIG_MAX_THREADS ? RIG_MAX_THREADS : n_threads;
    if (!r->team || team_size(r->team) != n) {
        team_free(r->team);
        r->team = NULL;
        const status st = team_new(n, false, &r->team, err);
        if (st != OK) {
            return st;
        }
    }
    r->team_before = registry_team(r->root.instance->registry);
    registry_set_team(r->root.instance->registry, r->team);
    return OK;
}

static void give_team_back(optimizer_rig *r)
{
    registry_set_team(r->root.instance->registry, r->team_before);
    r->callback = NULL;
    r->update = NULL;
}

static void begin_update(optimizer_rig *r, const rig_update *u)
{
    r->update = u;
    r->fault[0] = '\0';
    r->n_evaluations = r->n_scratch = r->n_metrics = r->n_random = 0;
    r->seconds = r->reduce_seconds = 0;
    for (size_t i = 0; i < r->n_all; i++) {
        if (r->all_g[i]->memory.bytes) {
            memcpy(r->all_g[i]->memory.at, u->g[i], r->all_g[i]->memory.bytes);
        }
    }
    for (size_t i = 0; i < r->n; i++) {
        r->root.w[i] = r->all_w[r->all_of[i]]->memory.at;
        r->root.g[i] = r->all_g[r->all_of[i]]->memory.at;
    }
    blocks_accept(r);
}

status optimizer_rig_update(optimizer_rig *r, const rig_update *u, error *err)
{
    status st = take_team(r, u->n_threads, err);
    if (st != OK) {
        return st;
    }
    begin_update(r, u);
    r->t++;
    TRY(plan_pieces(r, r->root.ops->elem ? u->chunk : 0, err));
    TRY(update_node(&r->root, r->t, u->loss, u->clip > 0 ? u->clip : 1, err));
    TRY(blocks_check_borders(r, "an update", err));
done:
    give_team_back(r);
    return st;
}

/* -- where to evaluate -- */

static status eval_piece(optimizer_rig *r, const rig_piece *p, float *out, error *err)
{
    rig_node *k = &r->root;
    instance *i = k->instance;
    const assay_span s = make_span(k, p, k->slot_room[0]);
    const float_mode mode = float_mode_get();
    status st = instance_status(
        i, k->ops->eval_weights(&i->ctx, s.hyper, &k->step, &s, out), "eval_weights", err);
    const char *changed = float_mode_change(&mode);
    float_mode_set(&mode);
    rig_scratch_free(r, 0);
    if (st == OK && changed) {
        st = fail(err, E_PLUGIN, "eval_weights changed %s of the thread", changed);
    }
    if (st == OK && r->fault[0]) {
        st = fail(err, E_PLUGIN, "%s", r->fault);
    }
    return st == OK ? blocks_check(r, "eval_weights", "it may write out[n] and nothing else", err)
                    : st;
}

static status eval_pieces(
    optimizer_rig *r, size_t i, size_t chunk, bool backwards, float *out, error *err)
{
    const size_t size = (size_t)r->tensor[i].size, each = chunk && chunk < size ? chunk : size;
    const size_t n = each ? (size + each - 1) / each : 1;
    for (size_t j = 0; j < n; j++) {
        const size_t begin = (backwards ? n - 1 - j : j) * each;
        const rig_piece p = { i, begin, size - begin < each ? size - begin : each };
        const status st = eval_piece(r, &p, out + begin, err);
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

status optimizer_rig_eval_weights_cut(
    optimizer_rig *r, size_t i_tensor, size_t chunk, bool backwards, float *out, error *err)
{
    const rig_block *w = r->all_w[i_tensor];
    const rig_update none = { 0 };
    guarded room;
    if (!r->root.ops->eval_weights || !optimizer_rig_has(r, i_tensor)) {
        if (w->memory.bytes) {
            memcpy(out, w->memory.at, w->memory.bytes);
        }
        return OK;
    }
    status st = guarded_new(w->memory.bytes, GUARD_AFTER, &room, err);
    if (st != OK) {
        return st;
    }
    if (w->memory.bytes) {
        memset(room.at, 0xff, w->memory.bytes); /* NaN */
    }
    st = take_team(r, 1, err);
    if (st == OK) {
        r->update = &none;
        r->callback = "eval_weights";
        r->is_worker = true;
        r->fault[0] = '\0';
        r->root.step = (assay_step){ .struct_size = sizeof(assay_step),
            .t = r->t,
            .global = r->root.n_globals ? r->root.globals->memory.at : NULL,
            .draw = update_stream(r->t),
            .clip = 1,
            .n_tensors = r->n,
            .n_elements = r->n_elements };
        for (size_t i = 0; i < r->n; i++) {
            r->root.w[i] = r->all_w[r->all_of[i]]->memory.at;
            r->root.g[i] = r->all_g[r->all_of[i]]->memory.at;
        }
        spoil_scratch(&r->root);
        blocks_accept(r);
        st = eval_pieces(r, r->of_all[i_tensor], chunk, backwards, room.at, err);
        r->is_worker = false;
        give_team_back(r);
    }
    if (st == OK && !guarded_is_intact(&room)) {
        st = fail(err, E_PLUGIN, "eval_weights wrote before the beginning of out[n]");
    }
    if (st == OK && w->memory.bytes) {
        memcpy(out, room.at, w->memory.bytes);
    }
    guarded_free(&room);
    return st;
}

status optimizer_rig_eval_weights(optimizer_rig *r, size_t i_tensor, float *out, error *err)
{
    return optimizer_rig_eval_weights_cut(r, i_tensor, 0, false, out, err);
}
