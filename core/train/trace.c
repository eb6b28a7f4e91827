/* Looking over a run's operations.
 *
 * Replicas run at the same time, so each keeps its own first finding under (pass, operation); the earliest of all is the run's. What
 * happens on one thread is checked in its place. An update's weights and state are checked when it is done: chunks do not see each
 * other, so nothing is lost by not stopping between them. A closure may try points where the loss is not finite, and the
 * optimizer may then draw back: what a closure saw counts only when the update left something that is not finite. */
#include "train/trace.h"

#include "num/vec.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first thing that a replica saw. */
typedef struct spot {
    bool is_set;
    uint64_t pass;
    size_t operation, i_replica;
    sight seen; /* its x is not to be read any more */
    size_t element;
    double value;
    bool has_sample;
    uint32_t sample;
    size_t in_batch;
    bool is_suspect;
    double largest;
} spot;

/* A replica's count of operations. */
typedef struct counter {
    uint64_t pass;
    size_t operation;
    spot first;
} counter;

struct trace {
    trainer *trainer;
    observer observer;
    counter *counters; /* [n_replicas] */
    size_t n_counters;
    float *g; /* [n_flat] the gradient as a whole */
    bool has_begun;
    array *slots; /* [n_slots] optimizer state where it lies; without a name: none */
    size_t n_slots;
    bool *excused; /* [n_slots] optimizer state that is not finite by intention, from the start */
    bool is_found;
    trace_finding finding;
};

/* -- in passes -- */

/* Where step t of the batch's sample i begins among the features. */
static const float *step_of(const trace *r, size_t i, size_t t)
{
    const batch *b = objective_batch(r->trainer->objective);
    const size_t n_shards = objective_n_replicas(r->trainer->objective);
    size_t k = i * n_shards / b->n; /* the shard or one before it */
    while (batch_shard_begin(b->n, k + 1, n_shards) <= i) {
        k++;
    }
    const size_t begin = batch_shard_begin(b->n, k, n_shards);
    const size_t n = batch_shard_begin(b->n, k + 1, n_shards) - begin;
    return b->x + (begin * b->time + t * n + (i - begin)) * dataset_features(r->trainer->data);
}

/* How large the features of the batch's sample i are, in all its steps; NaN where one is. */
static double largest_of(const trace *r, size_t i)
{
    const batch *b = objective_batch(r->trainer->objective);
    const size_t n = b->length ? b->length[i] : b->time;
    double largest = 0;
    for (size_t t = 0; t < n; t++) {
        const double v = vec_max_abs(step_of(r, i, t), dataset_features(r->trainer->data));
        if (!(v <= largest)) {
            largest = v;
        }
    }
    return largest;
}

/* Which sample an element belongs to, and how large its features are. The steps of a stream are samples. */
static void name_sample(const trace *r, const sight *s, size_t element, spot *out)
{
    const batch *b = objective_batch(r->trainer->objective);
    const size_t row = element / s->per_sample, step = row / s->batch;
    const size_t place = s->batch_begin + row % s->batch;
    out->has_sample = place < b->n;
    if (!out->has_sample) {
        return;
    }
    out->in_batch = place;
    out->sample = b->rows[place] + (b->carries ? (uint32_t)step : 0);
    out->largest = b->x ? largest_of(r, place) : NAN;
}

/* Of a sum over samples [begin, begin + n) of the batch: whose features are the largest. */
static void suspect_sample(const trace *r, size_t begin, size_t n, spot *out)
{
    const batch *b = objective_batch(r->trainer->objective);
    out->largest = -1;
    for (size_t i = begin; b->x && i < begin + n && i < b->n; i++) {
        const double largest = largest_of(r, i);
        if (largest > out->largest) {
            out->largest = largest;
            out->in_batch = i;
            out->sample = b->rows[i];
            out->has_sample = out->is_suspect = true;
        }
    }
    out->largest = out->has_sample ? out->largest : NAN;
}

static void see(void *self, size_t i_replica, const sight *s)
{
    trace *r = self;
    counter *c = &r->counters[i_replica];
    const uint64_t pass = objective_passes(r->trainer->objective);
    if (c->pass != pass) {
        c->pass = pass;
        c->operation = 0;
    }
    c->operation++;
    if (c->first.is_set) {
        return;
    }
    const size_t at = s->x ? vec_first_nonfinite(s->x, s->n) : 0;
    if (s->x ? at == s->n : isfinite(s->value)) {
        return;
    }
    c->first = (spot){ .is_set = true,
        .pass = pass,
        .operation = c->operation,
        .i_replica = i_replica,
        .seen = *s,
        .element = at,
        .value = s->x ? (double)s->x[at] : s->value,
        .largest = NAN };
    if (s->per_sample > 0) {
        name_sample(r, s, at, &c->first);
    } else if (s->kind == SIGHT_PARAMETER_GRADIENT) {
        suspect_sample(r, s->batch_begin, s->batch, &c->first);
    }
}

static bool is_earlier(const spot *a, const spot *b)
{
    return a->pass != b->pass ? a->pass < b->pass : a->operation < b->operation;
}

/* The earliest spot of all replicas; NULL when there is none. */
static const spot *first_spot(const trace *r)
{
    const spot *first = NULL;
    for (size_t i = 0; i < r->n_counters; i++) {
        const spot *s = &r->counters[i].first;
        if (s->is_set && (!first || is_earlier(s, first))) {
            first = s;
        }
    }
    return first;
}

static void forget_spots(trace *r)
{
    for (size_t i = 0; i < r->n_counters; i++) {
        r->counters[i].first.is_set = false;
    }
}

/* -- hyperparameters of who is at fault -- */

static bool drives(const trainer *t, const char *prefix, const char *name)
{
    char full[TRACE_NAME];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    for (size_t i = 0; i < scheduler_count(t->scheduler); i++) {
        const char *target = scheduler_target(t->scheduler, i);
        if (strcmp(target, full) == 0 ||
            (strncmp(prefix, "optimizer.", 10) == 0 && strcmp(target, name) == 0)) {
            return true;
        }
    }
    return false;
}

static void note_hyper(trace *r, const char *whose, const char *prefix, const char *name, double v)
{
    trace_finding *f = &r->finding;
    if (f->n_hypers < TRACE_HYPERS) {
        f->hypers[f->n_hypers++] =
            (trace_hyper){ whose, name, v, drives(r->trainer, prefix, name) };
    }
}

/* All real ones of a component. */
static void note_hypers(trace *r, const component *c, void *hyper, const char *prefix)
{
    for (size_t i = 0; i < c->hypers.n; i++) {
        const char *name = hyper_row(&c->hypers, i)->name;
        const double *at = hyper_real_at(c, hyper, name);
        if (at) {
            note_hyper(r, c->id, prefix, name, *at);
        }
    }
}

static void note_of_optimizer(void *self, const char *whose, const char *name, double v)
{
    note_hyper(self, whose, "optimizer.", name, v);
}

/* -- findings -- */

static const char *operation_of(const spot *s)
{
    switch (s->seen.kind) {
    case SIGHT_INPUT: return "data";
    case SIGHT_OUTPUT:
    case SIGHT_BUFFER: return "forward";
    case SIGHT_LOSS:
    case SIGHT_LOSS_GRADIENT: return "loss";
    default: return "backward";
    }
}

static void name_thing(const trace *r, const sight *s, char out[TRACE_NAME])
{
    const model *m = r->trainer->model;
    const layer *l = &m->layers[s->i_layer];
    switch (s->kind) {
    case SIGHT_INPUT: snprintf(out, TRACE_NAME, "features"); break;
    case SIGHT_OUTPUT: snprintf(out, TRACE_NAME, "output"); break;
    case SIGHT_BUFFER:
        snprintf(out, TRACE_NAME, "%s", m->buffers[l->first_buffer + s->i].name);
        break;
    case SIGHT_LOSS: snprintf(out, TRACE_NAME, "loss"); break;
    case SIGHT_LOSS_GRADIENT: snprintf(out, TRACE_NAME, "gradient of the model's output"); break;
    case SIGHT_INPUT_GRADIENT: snprintf(out, TRACE_NAME, "gradient of input %zu", s->i); break;
    case SIGHT_PARAMETER_GRADIENT:
        snprintf(out, TRACE_NAME, "gradient of %s", m->tensors[l->param[s->i]].info.name);
        break;
    }
}

/* `operation` NULL: by what was seen. */
static void take_spot(trace *r, const spot *s, uint64_t step, const char *operation)
{
    const trainer *t = r->trainer;
    const bool is_loss = s->seen.kind == SIGHT_LOSS || s->seen.kind == SIGHT_LOSS_GRADIENT;
    const bool is_data = s->seen.kind == SIGHT_INPUT;
    const layer *l = &t->model->layers[s->seen.i_layer];
    r->is_found = true;
    r->finding = (trace_finding){ .step = step,
        .operation = operation ? operation : operation_of(s),
        .layer = is_loss || is_data ? NULL : l->name,
        .type = is_loss ? t->loss->component->id
            : is_data   ? "data"
                        : l->type,
        .element = s->element,
        .n = s->seen.kind == SIGHT_LOSS ? 1 : s->seen.n,
        .value = s->value,
        .has_sample = s->has_sample,
        .sample = s->sample,
        .in_batch = s->in_batch,
        .is_suspect = s->is_suspect,
        .largest_feature = s->largest };
    name_thing(r, &s->seen, r->finding.tensor);
    if (is_loss) {
        note_hypers(r, t->loss->component, t->loss_hyper, "loss.");
    } else if (!is_data) {
        char prefix[TRACE_NAME];
        snprintf(prefix, sizeof prefix, "model.%s.", l->name);
        note_hypers(r, l->instance->component, l->hyper, prefix);
    }
}

/* The layer that a tensor belongs to; NULL when none declared it. */
static const layer *layer_of(const model *m, size_t i_tensor)
{
    for (size_t i = 0; i < m->n_layers; i++) {
        for (size_t k = 0; k < m->layers[i].n_params; k++) {
            if (m->layers[i].param[k] == i_tensor) {
                return &m->layers[i];
            }
        }
    }
    return NULL;
}

/* Something that no pass made: of a tensor, or (i_tensor beyond the last) of the optimizer as a whole. */
static void take_tensor(trace *r, const char *operation, uint64_t step, size_t i_tensor,
    const char *name, size_t element, size_t n, double v)
{
    const model *m = r->trainer->model;
    const layer *l = i_tensor < m->n_tensors ? layer_of(m, i_tensor) : NULL;
    r->is_found = true;
    r->finding = (trace_finding){ .step = step,
        .operation = operation,
        .layer = l ? l->name : NULL,
        .type = l ? l->type : "optimizer",
        .element = element,
        .n = n,
        .value = v,
        .largest_feature = NAN };
    snprintf(r->finding.tensor, TRACE_NAME, "%s", name);
    optimizer_visit_hypers(r->trainer->optimizer, i_tensor, note_of_optimizer, r);
}

/* Ends the run with what was found. */
static bool end_run(trace *r)
{
    text words = { 0 };
    trace_describe(&r->finding, &words);
    const char *colon = words.s ? strstr(words.s, ": ") : NULL;
    trainer_diverge(r->trainer, r->finding.step, colon ? colon + 2 : "a value is not finite");
    text_release(&words);
    return true;
}

/* -- weights and state -- */

static bool check_tensors(
    trace *r, const char *operation, const char *prefix, uint64_t step, const float *x)
{
    const model *m = r->trainer->model;
    char name[TRACE_NAME];
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        const float *values = x + t->offset;
        const size_t at = vec_first_nonfinite(values, t->info.size);
        if (at < t->info.size) {
            snprintf(name, sizeof name, "%s%s", prefix, t->info.name);
            take_tensor(r, operation, step, i, name, at, t->info.size, (double)values[at]);
            return true;
        }
    }
    return false;
}

/* The tensor that a slot "optimizer/0/<tensor>/<slot>" belongs to; n_tensors for one of the model's. */
static size_t tensor_of_slot(const model *m, const char *slot)
{
    char inside[TRACE_NAME];
    for (size_t i = 0; i < m->n_tensors; i++) {
        snprintf(inside, sizeof inside, "/%s/", m->tensors[i].info.name);
        if (strstr(slot, inside)) {
            return i;
        }
    }
    return m->n_tensors;
}

static size_t first_bad(const array *a, double *out)
{
    size_t i = 0;
    if (a->dtype == ARRAY_F32) {
        const float *x = a->data;
        i = vec_first_nonfinite(x, a->n);
        *out = i < a->n ? (double)x[i] : 0;
        return i;
    }
    if (a->dtype != ARRAY_F64) {
        return a->n; /* a plugin's own bytes */
    }
    const double *x = a->data;
    while (i < a->n && isfinite(x[i])) {
        i++;
    }
    *out = i < a->n ? x[i] : 0;
    return i;
}

/* Looks at all optimizer state; with `excuses` only notes what is not finite already. */
static bool check_slots(trace *r, uint64_t step, bool excuses)
{
    for (size_t i = 0; i < r->n_slots; i++) {
        const array *a = &r->slots[i];
        double v = 0;
        const size_t at = a->name ? first_bad(a, &v) : 0;
        const bool is_bad = a->name && at < a->n;
        if (excuses) {
            r->excused[i] = is_bad;
        } else if (is_bad && !r->excused[i]) {
            take_tensor(r, "update", step, tensor_of_slot(r->trainer->model, a->name), a->name, at,
                a->n, v);
            return true;
        }
    }
    return false;
}

/* -- what the trainer calls -- */

bool trace_begin(trace *r)
{
    if (r->has_begun) {
        return false;
    }
    r->has_begun = true;
    (void)check_slots(r, 0, true);
    const uint64_t step = r->trainer->at.step;
    return check_tensors(r, "start", "", step, r->trainer->model->w) && end_run(r);
}

bool trace_pass(trace *r, float clip_scale)
{
    const trainer *t = r->trainer;
    const spot *s = first_spot(r);
    if (s) {
        take_spot(r, s, t->at.step + 1, NULL);
        return end_run(r);
    }
    trainer_gradient_as_used(t, clip_scale, r->g);
    if (!check_tensors(r, "gradient", "gradient of ", t->at.step + 1, r->g)) {
        return false;
    }
    if (t->settings.train.accumulate == 1) {
        spot of = { 0 };
        suspect_sample(r, 0, objective_batch(t->objective)->n, &of);
        r->finding.has_sample = of.has_sample;
        r->finding.is_suspect = of.is_suspect;
        r->finding.sample = of.sample;
        r->finding.in_batch = of.in_batch;
        r->finding.largest_feature = of.largest;
    }
    return end_run(r);
}

bool trace_update(trace *r)
{
    const trainer *t = r->trainer;
    const spot *s = first_spot(r);
    if (!check_slots(r, t->at.step, false) &&
        !check_tensors(r, "update", "", t->at.step, t->model->w)) {
        forget_spots(r);
        return false;
    }
    if (s) {
        take_spot(r, s, t->at.step, "closure");
    }
    return end_run(r);
}

bool trace_evaluation(trace *r)
{
    const spot *s = first_spot(r);
    if (!s) {
        return false;
    }
    take_spot(r, s, r->trainer->at.step, "evaluation");
    return end_run(r);
}

status trainer_trace(trainer *t, error *err)
{
    trace *r = arena_alloc(&t->memory, sizeof *r);
    if (!r) {
        return fail_nomem(err, "the trace");
    }
    *r = (trace){ .trainer = t,
        .observer = { r, see },
        .n_counters = t->n_replicas,
        .n_slots = optimizer_n_arrays(t->optimizer) };
    r->counters = arena_alloc_array(&t->memory, t->n_replicas, sizeof *r->counters);
    r->g = arena_alloc_array(&t->memory, t->model->n_flat, sizeof *r->g);
    r->slots = arena_alloc_array(&t->memory, r->n_slots, sizeof *r->slots);
    r->excused = arena_alloc_array(&t->memory, r->n_slots, sizeof *r->excused);
    if (!r->counters || !r->g || !r->slots || !r->excused) {
        return fail_nomem(err, "the trace");
    }
    status st = optimizer_arrays(t->optimizer, &t->memory, r->slots, err);
    if (st != OK) {
        return st;
    }
    objective_observe(t->objective, &r->observer);
    t->trace = r;
    return OK;
}

const trace_finding *trainer_finding(const trainer *t)
{
    return t->trace && t->trace->is_found ? &t->trace->finding : NULL;
}

/* -- in words -- */

static void add_value(text *t, double v)
{
    text_add(t, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
}

void trace_describe(const trace_finding *f, text *t)
{
    text_printf(t, "step %llu: %s of ", (unsigned long long)f->step, f->operation);
    if (f->layer) {
        text_printf(t, "layer %s (%s): ", f->layer, f->type);
    } else {
        text_printf(t, "%s: ", f->type);
    }
    text_printf(t, "%s is ", f->tensor);
    add_value(t, f->value);
    text_printf(t, " at element %zu of %zu", f->element, f->n);
    if (f->has_sample) {
        text_printf(t, ", %ssample %lu of the data (%zu in the batch)",
            f->is_suspect ? "the largest features are those of " : "", (unsigned long)f->sample,
            f->in_batch);
    }
    if (f->has_sample && isfinite(f->largest_feature)) {
        text_printf(t, ", whose features reach %g in size", f->largest_feature);
    }
    for (size_t i = 0; i < f->n_hypers; i++) {
        const trace_hyper *h = &f->hypers[i];
        text_printf(t, "%s%s.%s = ", i ? ", " : "; ", h->component, h->name);
        text_add_real(t, h->value);
        text_add(t, h->is_scheduled ? " (scheduled)" : "");
    }
}
