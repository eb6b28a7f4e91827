/* One update: batch -> forward -> loss -> backward -> clip -> schedule -> optimizer.
 *
 * All random draws are functions of the step, so that a resumed run makes the same ones. A loss or gradient that is not finite ends
 * the run before the optimizer sees it; the weights stay as they were. */
#include "num/vec.h"
#include "train/internal.h"

#include <math.h>
#include <string.h>

/* Stream of the draws of micro-batch i of a step; `fresh` counts closure calls that asked for new ones. */
static uint64_t draw_of(uint64_t step, uint64_t fresh, uint64_t i)
{
    return (step << 28) + ((fresh & 0xfff) << 16) + (i & 0xffff);
}

/* The i-th micro-batch of the update under way, `ahead` updates' worth further on in the epoch for a fresh one. */
static void get_batch(trainer *t, uint64_t i, uint64_t ahead, batch *out)
{
    const uint64_t k = (uint64_t)t->settings.train.accumulate;
    if (t->options.overfit_one_batch) {
        batcher_get(t->batches, 0, 0, out);
        return;
    }
    const uint64_t at = (t->at.i_batch + i + ahead * k) % t->n_batches;
    batcher_get(t->batches, t->at.epoch, (size_t)at, out);
}

static uint64_t n_micro(const trainer *t)
{
    const uint64_t k = (uint64_t)t->settings.train.accumulate, left = t->n_batches - t->at.i_batch;
    return left < k ? left : k;
}

/* The weight of everything in an update, known before its first forward pass. */
static double denominator_of(trainer *t, uint64_t n, uint64_t ahead)
{
    const uint64_t k = (uint64_t)t->settings.train.accumulate;
    double sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t at =
            t->options.overfit_one_batch ? 0 : (t->at.i_batch + i + ahead * k) % t->n_batches;
        sum += batcher_weight_sum(
            t->batches, t->options.overfit_one_batch ? 0 : t->at.epoch, (size_t)at);
    }
    return sum;
}

typedef struct pass {
    uint64_t n, ahead, fresh;
    bool gradient, in_pieces;
    bool probes;
} pass;

static status run_batches(trainer *t, const pass *p, error *err)
{
    status st = OK;
    if (t->settings.train.weight_noise > 0) {
        weight_noise_add(&t->noise, draw_of(t->at.step, p->fresh, 0));
        TRY(model_prepare(t->model, p->gradient, err));
    }
    for (uint64_t i = 0; i < p->n; i++) {
        batch b;
        get_batch(t, i, p->ahead, &b);
        TRY(objective_add(t->objective, &b, draw_of(t->at.step, p->fresh, i), p->gradient, err));
        if (p->probes) {
            probe_add(t->probe, &b);
        }
        t->at.spent.samples_forward += b.n_samples;
        t->at.spent.samples_backward += p->gradient ? b.n_samples : 0;
    }
done:
    weight_noise_remove(&t->noise);
    return st;
}

/* Objective (and gradient) of one update's batches at the weights as they stand. */
static status run_pass(trainer *t, const pass *p, objective_value *out, error *err)
{
    const double denominator = denominator_of(t, p->n, p->ahead);
    objective_begin(t->objective, denominator > 0 ? denominator : 1, p->in_pieces);
    const status st = run_batches(t, p, err);
    if (st == OK) {
        objective_end(t->objective, p->gradient, out);
        out->denominator = denominator; /* batches without weight add nothing to a mean */
    }
    return st;
}

static double loss_of(const objective_value *v)
{
    return v->denominator > 0 ? v->loss_sum / v->denominator : 0;
}

static float clip_scale(const trainer *t, double squared_norm)
{
    const double norm = sqrt(squared_norm), limit = t->settings.train.clip_norm;
    return limit > 0 && norm > limit ? (float)(limit / norm) : 1.0f;
}

/* The optimizer's closure: the objective once more, without moving buffers or counters of the run. */
static status evaluate_closure(void *self, uint64_t flags, double *out_loss, error *err)
{
    trainer *t = self;
    objective_value v;
    const pass p = { .n = n_micro(t),
        .ahead = flags & ASSAY_CLOSURE_FRESH_BATCH ? ++t->fresh_batches : 0,
        .fresh = flags & ASSAY_CLOSURE_FRESH_DRAWS ? ++t->fresh_draws : 0,
        .gradient = (flags & ASSAY_CLOSURE_GRADIENT) != 0 };
    const size_t bytes = t->model->n_flat_buffers * sizeof(float);
    memcpy(t->kept_b, t->model->b, bytes);
    t->at.spent.closure_evaluations++;
    status st = model_prepare(t->model, p.gradient, err);
    if (st == OK) {
        st = run_pass(t, &p, &v, err);
    }
    memcpy(t->model->b, t->kept_b, bytes);
    if (st != OK) {
        return st;
    }
    if (p.gradient) {
        const float scale = clip_scale(t, v.squared_norm);
        if (scale != 1.0f) {
            vec_scale(objective_gradient(t->objective), t->model->n_flat, scale);
        }
    }
    *out_loss = loss_of(&v) + v.l2;
    return OK;
}

static assay_when when_of(const trainer *t)
{
    return (assay_when){ .struct_size = sizeof(assay_when),
        .step = t->at.step,
        .total_steps = t->total_steps,
        .epoch = t->at.epoch,
        .total_epochs = (uint64_t)t->settings.train.epochs,
        .steps_per_epoch = t->steps_per_epoch,
        .n_checks = t->at.n_checks,
        .monitored = t->at.monitored,
        .monitor_is_max = t->early.larger_is_better };
}

void trainer_diverge(trainer *t, uint64_t step, const char *what)
{
    text_clear(&t->diverged);
    text_printf(&t->diverged, "step %llu: %s", (unsigned long long)step, what);
    t->at.stop = STOP_DIVERGED;
}

/* Names what is not finite and ends the run. */
static void blame(trainer *t, const char *what)
{
    text why = { 0 };
    text_printf(&why, "%s; ", what);
    objective_blame(t->objective, &why);
    trainer_diverge(t, t->at.step + 1, why.s ? why.s : what);
    text_release(&why);
}

static void move_on(trainer *t, uint64_t n)
{
    t->at.step++;
    t->at.spent.steps++;
    t->at.i_batch += n;
    if (t->at.i_batch >= t->n_batches) {
        t->at.i_batch = 0;
        t->at.epoch++;
    }
}

static const float *stretch(void *self, size_t i_tensor, size_t begin, size_t n, float *room)
{
    const trainer *t = self;
    return objective_stretch(t->objective, i_tensor, begin, n, room);
}

static bool is_whole(void *self, size_t i_tensor)
{
    const trainer *t = self;
    return objective_is_whole(t->objective, i_tensor);
}

/* Whether this step's gradient may be made piece by piece as the optimizer uses it: nobody looks at it as a whole. A matter of
 * the config alone, for products made in pieces may differ in their last bits from those made whole. */
static bool in_pieces(const trainer *t)
{
    return t->settings.train.accumulate == 1 && !(t->settings.train.clip_norm > 0) &&
        objective_allows_pieces(t->objective) && optimizer_takes_pieces(t->optimizer);
}

/* Whether a record of this step will want the gradient's norm. */
static bool is_recorded(const trainer *t)
{
    const uint64_t every = (uint64_t)t->settings.train.log_every;
    return (every && (t->at.step + 1) % every == 0) || t->at.i_batch + n_micro(t) >= t->n_batches;
}

void trainer_gradient_as_used(const trainer *t, float scale, float *g)
{
    objective_gather(t->objective, g);
    if (scale != 1.0f) {
        vec_scale(g, t->model->n_flat, scale);
    }
}

/* What the records of this step, interval and epoch are made of. */
static void keep_sums(
    trainer *t, const objective_value *v, const update *u, const update_finding *f)
{
    t->last_loss = loss_of(v);
    t->last_l2 = v->l2;
    t->knows_norm = !v->in_pieces || u->wants_norm;
    if (t->knows_norm) {
        t->last_norm = sqrt(v->in_pieces ? f->squared_norm : v->squared_norm);
    }
    t->at.epoch_loss += v->loss_sum;
    t->at.epoch_weight += v->denominator;
    t->at.interval_loss += v->loss_sum;
    t->at.interval_weight += v->denominator;
    t->at.judged_loss += v->loss_sum;
    t->at.judged_weight += v->denominator;
}

status trainer_step(trainer *t, error *err)
{
    status st = OK;
    objective_value v;
    update_finding found;
    const pass p = { .n = n_micro(t),
        .gradient = true,
        .in_pieces = in_pieces(t),
        .probes = t->probe && probe_is_due(t->probe, t->at.step + 1) };
    const assay_when when = when_of(t);
    if (t->trace && trace_begin(t->trace)) {
        return OK;
    }
    if (t->options.step_at) {
        atomic_store_explicit(t->options.step_at, t->at.step + 1, memory_order_relaxed);
    }
    pace_begin(&t->pace);
    TRY(scheduler_apply(t->scheduler, &when, err));
    if (p.probes) {
        probe_begin(t->probe, t->at.step + 1);
    }
    TRY(run_pass(t, &p, &v, err));
    objective_hold_carried(t->objective);
    if (p.probes) {
        probe_look(t->probe);
    }
    if (t->trace && trace_pass(t->trace, clip_scale(t, v.squared_norm))) {
        return OK;
    }
    const double loss = loss_of(&v);
    if (!isfinite(loss)) {
        blame(t, "the loss is not finite");
        return OK;
    }
    if (!isfinite(v.squared_norm)) {
        blame(t, "the gradient is not finite");
        return OK;
    }
    t->fresh_batches = t->fresh_draws = 0;
    const update u = { .t = t->at.step + 1,
        .loss = loss + v.l2,
        .scale = clip_scale(t, v.squared_norm),
        .evaluate = evaluate_closure,
        .evaluate_self = t,
        .stretch = v.in_pieces ? stretch : NULL,
        .is_whole = is_whole,
        .stretch_self = t,
        .probes = p.probes,
        .wants_norm = is_recorded(t) };
    if (t->seen_g) {
        trainer_gradient_as_used(t, u.scale, t->seen_g);
        t->has_seen = true;
    }
    TRY(optimizer_update(t->optimizer, &u, &found, err));
    if (p.probes) {
        probe_end(t->probe, v.denominator, u.scale);
    }
    TRY(model_prepare(t->model, true, err));
    keep_sums(t, &v, &u, &found);
    pace_end(&t->pace);
    objective_advance(t->objective);
    move_on(t, p.n);
    if (t->trace) {
        (void)trace_update(t->trace);
    }
done:
    return st;
}
