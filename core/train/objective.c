/* Forward, loss, backward, reduce.
 *
 * A batch of n samples is cut into R shards at n i / R. Replica i runs shard i: its random draws are keyed by the sample's
 * place in the whole batch, its loss is divided by the whole batch's denominator, so a shard does not know how the batch was
 * cut. Afterwards chunks of the flat gradient are summed over the replicas in order 0, 1, ... by whichever thread is free. */
#include "train/objective_internal.h"

#include "num/vec.h"

#include <float.h>
#include <math.h>

/* A product of more rows than DEFER_K is made at once: it then keeps its panels in cache better than piece by piece. */
enum { DEFER_K = 64 };

bool objective_allows_pieces(const objective *o)
{
    return !(o->options.l2 > 0) && !(o->options.clip_value > 0);
}

void objective_begin(objective *o, double denominator, bool in_pieces)
{
    o->denominator = denominator;
    o->loss_sum = 0;
    o->in_pieces = in_pieces;
    for (size_t i = 0; i < o->options.n_replicas; i++) {
        o->wrote[i] = false;
        replica_defer(o->replicas[i], in_pieces ? DEFER_K : 0, STRETCH_FLOATS);
    }
    carried_rewind(&o->trained);
}

void objective_hold_carried(objective *o)
{
    carried_hold(&o->trained);
}

void objective_advance(objective *o)
{
    carried_advance(&o->trained);
}

carried *objective_carried(objective *o)
{
    return &o->trained;
}

/* Where shard i of n samples begins. */
size_t objective_shard_begin(const objective *o, size_t n, size_t i)
{
    return batch_shard_begin(n, i, o->options.n_replicas);
}

/* The states that a shard's streams begin with and leave. */
static void carry(const objective *o, const carried *c, size_t i, shard *s)
{
    for (size_t k = 0; k < c->n; k++) {
        o->carry_in[i][k] = c->now[k] + s->batch_begin * c->floats[k];
        o->carry_out[i][k] = c->next[k] + s->batch_begin * c->floats[k];
    }
    s->carry_in = o->batch.starts ? NULL : o->carry_in[i];
    s->carry_out = o->carry_out[i];
}

static shard shard_of(const objective *o, const carried *c, size_t i)
{
    const batch *b = &o->batch;
    const size_t features = dataset_features(o->data);
    const size_t begin = objective_shard_begin(o, b->n, i);
    const size_t end = objective_shard_begin(o, b->n, i + 1);
    const size_t first = begin * b->time; /* of the shard's steps: its arrays are contiguous */
    shard s = { .n = end - begin,
        .time = b->time,
        .x = b->x ? b->x + first * features : NULL,
        .tokens = b->tokens ? b->tokens + first * features : NULL,
        .weight = b->weight ? b->weight + begin * b->target_time : NULL,
        .step_weight = b->step_weight ? b->step_weight + first : NULL,
        .length = b->length ? b->length + begin : NULL,
        .batch_begin = begin,
        .batch_total = b->n,
        .draw = o->draw };
    if (c->n > 0) {
        carry(o, c, i, &s);
    }
    return s;
}

static assay_rows rows_of(const objective *o, size_t i, const shard *s)
{
    const batch *b = &o->batch;
    const size_t n_targets = dataset_view(o->data)->n_targets;
    const size_t first = s->batch_begin * b->target_time;
    return (assay_rows){ .struct_size = sizeof(assay_rows),
        .n = s->n * b->target_time,
        .n_outputs = model_n_outputs(o->m),
        .n_targets = n_targets,
        .y = replica_output(o->replicas[i]),
        .label = b->label ? b->label + first : NULL,
        .target = b->target ? b->target + first * n_targets : NULL,
        .weight = s->weight };
}

/* -- what an observer is shown -- */

static void show_input(const objective *o, size_t i, const shard *s)
{
    const size_t features = dataset_features(o->data);
    const sight input = { .kind = SIGHT_INPUT,
        .x = s->x,
        .n = s->time * s->n * features,
        .per_sample = features,
        .batch = s->n,
        .batch_begin = s->batch_begin };
    if (o->observer && s->x) {
        o->observer->see(o->observer->self, i, &input);
    }
}

/* The first row whose own loss is not finite; n when that is true of the sum alone. */
static size_t bad_row(const objective *o, const assay_rows *rows)
{
    assay_rows one = *rows;
    one.n = 1;
    for (size_t i = 0; i < rows->n; i++) {
        double sum = 0;
        one.y = rows->y + i * rows->n_outputs;
        one.label = rows->label ? rows->label + i : NULL;
        one.target = rows->target ? rows->target + i * rows->n_targets : NULL;
        one.weight = rows->weight ? rows->weight + i : NULL;
        const int code =
            o->loss_ops->loss(&o->loss->ctx, o->loss_hyper, &one, 1 / o->denominator, NULL, &sum);
        if (code == ASSAY_OK && !isfinite(sum)) {
            return i;
        }
    }
    return rows->n;
}

static void show_loss(const objective *o, size_t i, const shard *s, const assay_rows *rows)
{
    sight seen = { .kind = SIGHT_LOSS, .value = o->sums[i], .batch = s->n };
    const size_t bad = isfinite(seen.value) ? rows->n : bad_row(o, rows);
    seen.per_sample = bad < rows->n;
    seen.batch_begin = s->batch_begin + (bad < rows->n ? bad % s->n : 0);
    o->observer->see(o->observer->self, i, &seen);
    if (o->gradient) {
        seen = (sight){ .kind = SIGHT_LOSS_GRADIENT,
            .x = replica_output_gradient(o->replicas[i]),
            .n = replica_output_rows(o->replicas[i]) * rows->n_outputs,
            .per_sample = rows->n_outputs,
            .batch = s->n,
            .batch_begin = s->batch_begin };
        if (seen.x) {
            o->observer->see(o->observer->self, i, &seen);
        }
    }
}

void objective_observe(objective *o, const observer *by)
{
    o->observer = by;
    for (size_t i = 0; i < o->options.n_replicas; i++) {
        replica_observe(o->replicas[i], by, i);
    }
}

uint64_t objective_passes(const objective *o)
{
    return o->passes;
}

const batch *objective_batch(const objective *o)
{
    return &o->batch;
}

static void train_shard(void *arg, size_t i)
{
    objective *o = arg;
    const shard s = shard_of(o, &o->trained, i);
    o->sums[i] = 0;
    o->st[i] = OK;
    if (s.n == 0) {
        return;
    }
    if (o->observer) {
        show_input(o, i, &s);
    }
    o->st[i] = replica_forward(o->replicas[i], &s, true, &o->errors[i]);
    if (o->st[i] == OK) {
        const assay_rows rows = rows_of(o, i, &s);
        const int code = instance_code(o->loss,
            o->loss_ops->loss(&o->loss->ctx, o->loss_hyper, &rows, 1 / o->denominator,
                o->gradient ? replica_output_gradient(o->replicas[i]) : NULL, &o->sums[i]));
        o->st[i] = code == ASSAY_OK ? OK : instance_status(o->loss, code, "loss", &o->errors[i]);
        if (o->observer && o->st[i] == OK) {
            show_loss(o, i, &s, &rows);
        }
    }
    if (o->st[i] == OK && o->gradient) {
        o->st[i] = replica_backward(o->replicas[i], o->wrote[i], &o->errors[i]);
        o->wrote[i] = true;
        o->bounds[i] = o->in_pieces ? replica_gradient_bound(o->replicas[i]) : 0;
    }
    team_scratch_reset(o->team);
}

static status first_error(objective *o, error *err)
{
    for (size_t i = 0; i < o->options.n_replicas; i++) {
        if (o->st[i] != OK) {
            if (err) {
                *err = o->errors[i];
            }
            return o->st[i];
        }
    }
    return OK;
}

status objective_add(objective *o, const batch *b, uint64_t draw, bool gradient, error *err)
{
    o->batch = *b;
    o->draw = draw;
    o->gradient = gradient;
    o->passes++;
    team_run(o->team, o->options.n_replicas, train_shard, o);
    carried_turn(&o->trained);
    for (size_t i = 0; i < o->options.n_replicas; i++) {
        o->loss_sum += o->sums[i];
    }
    return first_error(o, err);
}

/* One stretch of the gradient: sum over replicas, + l2 w, clipped; and its squares. */
static void reduce_stretch(void *arg, size_t i)
{
    objective *o = arg;
    const stretch *s = &o->stretches[i];
    float *g = objective_gradient(o) + s->begin;
    const float *w = o->m->w + s->begin;
    if (o->n_parts > 1 || (o->n_parts == 1 && o->parts[0] != objective_gradient(o))) {
        vec_sum_parts(objective_gradient(o), o->parts, o->n_parts, s->begin, s->begin + s->n);
    }
    o->weight_squares[i] = 0;
    if (o->options.l2 > 0 && s->decays) {
        o->weight_squares[i] = vec_sum_squares(w, s->n);
        vec_axpy(g, w, s->n, (float)o->options.l2);
    }
    if (o->options.clip_value > 0) {
        vec_clip(g, s->n, (float)o->options.clip_value);
    }
    o->squares[i] = vec_sum_squares(g, s->n);
}

/* Without a gradient, the reported objective still includes L2. */
static void square_weights(void *arg, size_t i)
{
    objective *o = arg;
    const stretch *s = &o->stretches[i];
    o->squares[i] = 0;
    o->weight_squares[i] =
        s->decays && o->options.l2 > 0 ? vec_sum_squares(o->m->w + s->begin, s->n) : 0;
}

void objective_end(objective *o, bool gradient, objective_value *out)
{
    double bound = 0;
    o->n_parts = 0;
    for (size_t i = 0; i < o->options.n_replicas; i++) {
        if (o->wrote[i]) {
            bound += o->bounds[i];
            o->sources[o->n_parts] = o->replicas[i];
            o->parts[o->n_parts++] = replica_gradient(o->replicas[i]);
        }
    }
    *out = (objective_value){ .loss_sum = o->loss_sum, .denominator = o->denominator };
    if (o->look) {
        o->look(o->look_self);
    }
    out->in_pieces = o->in_pieces && bound <= FLT_MAX / 2; /* half: for what rounding adds */
    if (out->in_pieces) {
        return;
    }
    for (size_t i = 0; o->in_pieces && i < o->options.n_replicas; i++) {
        if (o->wrote[i]) {
            replica_finish(o->replicas[i]);
        }
    }
    o->in_pieces = false;
    if (gradient) {
        team_run(o->team, o->n_stretches, reduce_stretch, o);
    } else if (o->options.l2 > 0) {
        team_run(o->team, o->n_stretches, square_weights, o);
    }
    for (size_t i = 0; i < o->n_stretches; i++) {
        out->squared_norm += o->squares[i];
        out->l2 += o->options.l2 > 0 ? 0.5 * o->options.l2 * o->weight_squares[i] : 0;
    }
}

const float *objective_layer_output(const objective *o, size_t i, size_t i_layer, size_t *out_n)
{
    const size_t n = o->batch.n;
    const float *y = replica_layer_output(o->replicas[i], i_layer, out_n);
    if (objective_shard_begin(o, n, i) == objective_shard_begin(o, n, i + 1)) {
        *out_n = 0;
    }
    return y;
}

float *objective_gradient(objective *o)
{
    return replica_gradient(o->replicas[0]);
}

size_t objective_n_replicas(const objective *o)
{
    return o->options.n_replicas;
}

model *objective_model(const objective *o)
{
    return o->m;
}

instance *objective_loss_instance(const objective *o)
{
    return o->loss;
}

int objective_loss(objective *o, const assay_rows *rows, double *out_sum)
{
    return o->loss_ops->loss(&o->loss->ctx, o->loss_hyper, rows, 1, NULL, out_sum);
}

static void evaluate_shard(void *arg, size_t i)
{
    objective *o = arg;
    const shard s = shard_of(o, &o->judged, i);
    o->st[i] = OK;
    if (s.n == 0) {
        return;
    }
    if (o->observer) {
        show_input(o, i, &s);
    }
    o->st[i] = replica_forward(o->replicas[i], &s, false, &o->errors[i]);
    if (o->st[i] == OK) {
        const assay_rows rows = rows_of(o, i, &s);
        o->visit(o->visit_self, i, &rows, s.batch_begin * o->batch.target_time);
    }
    team_scratch_reset(o->team);
}

status objective_evaluate(
    objective *o, const batch *b, objective_visitor each, void *self, error *err)
{
    o->batch = *b;
    o->draw = 0;
    o->passes++;
    o->visit = each;
    o->visit_self = self;
    team_run(o->team, o->options.n_replicas, evaluate_shard, o);
    carried_turn(&o->judged);
    return first_error(o, err);
}

static bool blame_values(text *t, const char *what, const char *name, const float *x, size_t n)
{
    const size_t i = vec_first_nonfinite(x, n);
    if (i < n) {
        text_printf(t, "%s %s is %s at element %zu of %zu", what, name,
            isnan(x[i]) ? "nan" : "infinite", i, n);
    }
    return i < n;
}

bool objective_blame_weights(const objective *o, text *t)
{
    const model *m = o->m;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *w = &m->tensors[i];
        if (blame_values(t, "weight", w->info.name, m->w + w->offset, w->info.size)) {
            return true;
        }
    }
    return false;
}

void objective_blame(objective *o, text *t)
{
    const model *m = o->m;
    if (objective_blame_weights(o, t)) {
        return;
    }
    const size_t features = dataset_features(o->data);
    if (o->batch.x &&
        blame_values(
            t, "the data's", "features", o->batch.x, o->batch.time * o->batch.n * features)) {
        return;
    }
    for (size_t i = 0; i < m->n_layers; i++) {
        for (size_t r = 0; r < o->options.n_replicas; r++) {
            size_t n;
            const float *y = replica_layer_output(o->replicas[r], i, &n);
            if (blame_values(t, "the output of layer", m->layers[i].name, y, n)) {
                return;
            }
        }
    }
    for (size_t i = m->n_tensors; i-- > 0;) {
        const tensor *w = &m->tensors[i];
        if (w->trainable &&
            blame_values(t, "the gradient of", w->info.name, objective_gradient(o) + w->offset,
                w->info.size)) {
            return;
        }
    }
    text_add(t, "the loss is not finite although all outputs, weights and gradients are");
}
