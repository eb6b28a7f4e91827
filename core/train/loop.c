/* The only training loop: batch -> forward -> loss -> backward -> clip -> schedule -> optimizer -> record.
 *
 * A step ends before anything is decided: checks, limits and checkpoints come between steps, so a checkpoint is always of
 * whole steps and a resumed run goes through the same decisions. Position in the data is (epoch, batch); all random draws are
 * functions of the step. */
#include "base/clock.h"
#include "base/file.h"
#include "model/weights.h"
#include "num/vec.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DRY_BATCHES = 2, MAX_VALUES = 64 };

static const double progress_interval_s = 0.1;

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
    bool gradient;
} pass;

/* Objective (and gradient) of one update's batches at the weights as they stand. */
static status run_pass(trainer *t, const pass *p, objective_value *out, error *err)
{
    const double denominator = denominator_of(t, p->n, p->ahead);
    status st = OK;
    objective_begin(t->objective, denominator > 0 ? denominator : 1);
    for (uint64_t i = 0; i < p->n; i++) {
        batch b;
        get_batch(t, i, p->ahead, &b);
        TRY(objective_add(t->objective, &b, draw_of(t->at.step, p->fresh, i), p->gradient, err));
        t->at.spent.samples_forward += b.n;
        t->at.spent.samples_backward += p->gradient ? b.n : 0;
    }
    objective_end(t->objective, p->gradient, out);
done:
    return st;
}

static double loss_of(const objective_value *v)
{
    return v->loss_sum / v->denominator;
}

static float clip_scale(const trainer *t, double squared_norm)
{
    const double norm = sqrt(squared_norm), limit = t->settings.train.clip_norm;
    return limit > 0 && norm > limit ? (float)(limit / norm) : 1.0f;
}

/* The optimizer's closure: the objective once more, without moving buffers or counters of the run. */
static int evaluate_closure(void *self, uint64_t flags, double *out_loss)
{
    trainer *t = self;
    objective_value v;
    const pass p = { .n = n_micro(t),
        .ahead = flags & ASSAY_CLOSURE_FRESH_BATCH ? ++t->closure_calls : 0,
        .fresh = flags & ASSAY_CLOSURE_FRESH_DRAWS ? ++t->closure_calls : 0,
        .gradient = (flags & ASSAY_CLOSURE_GRADIENT) != 0 };
    const size_t bytes = t->model->n_flat_buffers * sizeof(float);
    memcpy(t->kept_b, t->model->b, bytes);
    t->at.spent.closure_evaluations++;
    status st = model_prepare(t->model, p.gradient, NULL);
    if (st == OK) {
        st = run_pass(t, &p, &v, NULL);
    }
    memcpy(t->model->b, t->kept_b, bytes);
    if (st != OK) {
        return ASSAY_E_NUMERIC;
    }
    if (p.gradient) {
        const float scale = clip_scale(t, v.squared_norm);
        if (scale != 1.0f) {
            vec_scale(objective_gradient(t->objective), t->model->n_flat, scale);
        }
    }
    *out_loss = loss_of(&v) + v.l2;
    return ASSAY_OK;
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

static void diverge(trainer *t, const char *what)
{
    text_clear(&t->diverged);
    text_printf(&t->diverged, "step %llu: %s", (unsigned long long)t->at.step + 1, what);
    t->at.stop = STOP_DIVERGED;
}

/* Names what is not finite and ends the run. */
static void blame(trainer *t, const char *what)
{
    text why = { 0 };
    text_printf(&why, "%s; ", what);
    objective_blame(t->objective, &why);
    diverge(t, why.s ? why.s : what);
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

status trainer_step(trainer *t, error *err)
{
    status st = OK;
    objective_value v;
    const pass p = { .n = n_micro(t), .gradient = true };
    const assay_when when = when_of(t);
    TRY(scheduler_apply(t->scheduler, &when, err));
    TRY(run_pass(t, &p, &v, err));
    const double loss = loss_of(&v);
    if (!isfinite(loss)) {
        blame(t, "the loss is not finite");
        return OK;
    }
    if (!isfinite(v.squared_norm)) {
        blame(t, "the gradient is not finite");
        return OK;
    }
    t->closure_calls = 0;
    const update u = { .t = t->at.step + 1,
        .loss = loss + v.l2,
        .scale = clip_scale(t, v.squared_norm),
        .evaluate = evaluate_closure,
        .evaluate_self = t };
    TRY(optimizer_update(t->optimizer, &u, err));
    TRY(model_prepare(t->model, true, err));
    t->last_loss = loss;
    t->last_l2 = v.l2;
    t->last_norm = sqrt(v.squared_norm);
    t->at.epoch_loss += v.loss_sum;
    t->at.epoch_weight += v.denominator;
    t->at.interval_loss += v.loss_sum;
    t->at.interval_weight += v.denominator;
    move_on(t, p.n);
done:
    return st;
}

/* -- records -- */

void trainer_count_time(trainer *t)
{
    const double wall = clock_wall_s(), cpu = clock_cpu_s();
    t->at.spent.wall_s += wall - t->start_wall_s;
    t->at.spent.cpu_s += cpu - t->start_cpu_s;
    t->at.spent.optimizer_s = optimizer_seconds(t->optimizer);
    t->start_wall_s = wall;
    t->start_cpu_s = cpu;
}

static void emit(trainer *t, record *r)
{
    if (!t->options.sink.emit) {
        return;
    }
    trainer_count_time(t);
    r->step = t->at.step;
    r->total_steps = t->total_steps;
    r->epoch_place = (double)t->at.epoch + (double)t->at.i_batch / (double)t->n_batches;
    r->epoch = t->at.epoch + (t->at.i_batch > 0);
    r->n_epochs =
        t->steps_per_epoch ? (t->total_steps + t->steps_per_epoch - 1) / t->steps_per_epoch : 0;
    r->spent = &t->at.spent;
    t->options.sink.emit(t->options.sink.self, r);
}

/* The running loss and what schedules drive. */
static size_t training_values(const trainer *t, double loss, record_value *out)
{
    size_t n = 0;
    out[n++] = (record_value){ .name = "training.loss", .value = loss };
    if (t->settings.train.l2 > 0) {
        out[n++] = (record_value){ .name = "training.objective", .value = loss + t->last_l2 };
    }
    out[n++] = (record_value){ .name = "gradient_norm", .value = t->last_norm };
    for (size_t i = 0; i < scheduler_count(t->scheduler) && n < MAX_VALUES; i++) {
        out[n++] = (record_value){ .name = scheduler_target(t->scheduler, i),
            .value = scheduler_value(t->scheduler, i) };
    }
    return n;
}

static void emit_training(trainer *t, record_kind kind, double loss)
{
    record_value values[MAX_VALUES];
    record r = { .kind = kind, .values = values };
    r.n_values = training_values(t, loss, values);
    emit(t, &r);
}

static void emit_progress(trainer *t)
{
    const double now = clock_wall_s();
    if (t->options.sink.emit && now - t->last_progress_s >= progress_interval_s) {
        t->last_progress_s = now;
        const double loss =
            t->at.epoch_weight > 0 ? t->at.epoch_loss / t->at.epoch_weight : t->last_loss;
        emit_training(t, RECORD_PROGRESS, loss);
    }
}

static void emit_evaluation(trainer *t, const char *name, const record_value *values, bool best)
{
    record r = { .kind = RECORD_EVALUATION,
        .split = name,
        .values = values,
        .n_values = evaluator_n_values(t->evaluator),
        .is_best = best };
    emit(t, &r);
}

/* -- evaluation -- */

static void swap_floats(float *a, float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

status trainer_with_eval_weights(trainer *t, bool enter, error *err)
{
    if (!t->eval_w) {
        return OK;
    }
    if (enter) {
        status st = optimizer_eval_weights(t->optimizer, t->at.step, t->eval_w, err);
        if (st != OK) {
            return st;
        }
    }
    swap_floats(t->model->w, t->eval_w, t->model->n_flat);
    return model_prepare(t->model, !enter, err);
}

status trainer_evaluate(
    trainer *t, part p, const evaluator_options *o, const record_value **out_values, error *err)
{
    evaluator_options own = *o;
    own.samples = &t->at.spent.samples_evaluated;
    if (t->options.dry_run) {
        own.max_batches = DRY_BATCHES;
    }
    return evaluator_run(t->evaluator, p, &own, out_values, err);
}

static void keep_best(trainer *t)
{
    memcpy(t->best_w, t->model->w, t->model->n_flat * sizeof(float));
    memcpy(t->best_b, t->model->b, t->model->n_flat_buffers * sizeof(float));
    t->at.has_best = 1;
    t->at.best_step = t->at.step;
}

/* The running training loss since the last check. */
static double interval_loss(const trainer *t)
{
    return t->at.interval_weight > 0 ? t->at.interval_loss / t->at.interval_weight : t->last_loss;
}

/* One check: evaluates what is asked for, judges, remembers the best. Called at the evaluation weights. */
static status check(trainer *t, error *err)
{
    const evaluator_options all = { 0 };
    const evaluator_options some = { .max_samples = (size_t)t->settings.train.train_eval };
    const record_value *values;
    status st = OK;
    double monitored = t->monitor_running ? interval_loss(t) : NAN;
    bool best = false;
    stop_reason stop = STOP_NONE;
    if (t->settings.train.train_eval > 0) {
        TRY(trainer_evaluate(t, PART_TRAIN, &some, &values, err));
        if (t->monitor_part == PART_TRAIN && !t->monitor_running) {
            monitored = values[t->monitor].value;
        }
        emit_evaluation(t, "training_eval", values, false);
    }
    const bool has_validation = dataset_size(t->data, PART_VALIDATION) > 0;
    if (has_validation) {
        TRY(trainer_evaluate(t, PART_VALIDATION, &all, &values, err));
        if (t->monitor_part == PART_VALIDATION) {
            monitored = values[t->monitor].value;
        }
    }
    if (t->monitors) {
        t->at.monitored = monitored;
        TRY(early_stop_check(&t->early, monitored, interval_loss(t), &best, &stop, err));
        if (best) {
            keep_best(t);
        }
    }
    if (has_validation) {
        emit_evaluation(t, "validation", values, best);
    }
    t->at.n_checks++;
    t->at.last_checked = t->at.step;
    t->at.interval_loss = t->at.interval_weight = 0;
    if (stop == STOP_DIVERGED) {
        diverge(t, "the monitored value is nan");
    } else if (t->at.stop == STOP_NONE) {
        t->at.stop = stop;
    }
done:
    return st;
}

static status run_check(trainer *t, error *err)
{
    status st = trainer_with_eval_weights(t, true, err);
    if (st == OK) {
        st = check(t, err);
    }
    if (st == OK) {
        st = trainer_with_eval_weights(t, false, err);
    }
    return st;
}

static bool check_is_due(const trainer *t)
{
    const uint64_t every = (uint64_t)t->settings.train.validate_every;
    if (t->options.overfit_one_batch) {
        return false;
    }
    if (t->settings.train.validate_unit == UNIT_STEP) {
        return t->at.step % every == 0;
    }
    return t->at.i_batch == 0 && t->at.epoch % every == 0;
}

/* -- between steps -- */

static bool checkpoint_is_due(const trainer *t)
{
    const struct checkpoint_options *o = &t->settings.checkpoint;
    if (!t->options.checkpoint_dir || o->every == 0) {
        return false;
    }
    switch (o->unit) {
    case CHECKPOINT_STEP: return t->at.step % (uint64_t)o->every == 0;
    case CHECKPOINT_EPOCH: return t->at.i_batch == 0 && t->at.epoch % (uint64_t)o->every == 0;
    default: return clock_wall_s() - t->last_checkpoint_s >= (double)o->every;
    }
}

static status save_checkpoint(trainer *t, error *err)
{
    trainer_count_time(t);
    t->last_checkpoint_s = clock_wall_s();
    return checkpoint_write(t, t->options.checkpoint_dir, err);
}

static void check_limits(trainer *t)
{
    if (t->at.stop != STOP_NONE) {
        return;
    }
    if (t->at.step >= t->total_steps) {
        t->at.stop = STOP_EPOCHS;
        return;
    }
    const double limit = t->settings.train.time_limit;
    if (limit > 0 && t->at.spent.wall_s + clock_wall_s() - t->start_wall_s >= limit) {
        t->at.stop = STOP_TIME;
    } else if (t->options.interrupt && atomic_load(t->options.interrupt)) {
        t->at.stop = STOP_INTERRUPTED;
    }
}

static void end_epoch(trainer *t)
{
    emit_training(t, RECORD_EPOCH, t->at.epoch_loss / t->at.epoch_weight);
    t->at.epoch_loss = t->at.epoch_weight = 0;
}

/* After a step: records, checks, limits, checkpoint, in this order. */
static status between_steps(trainer *t, error *err)
{
    status st = OK;
    const uint64_t log_every = (uint64_t)t->settings.train.log_every;
    if (log_every && t->at.step % log_every == 0) {
        emit_training(t, RECORD_STEP, t->last_loss);
    }
    emit_progress(t);
    if (t->at.i_batch == 0) {
        end_epoch(t);
    }
    if (check_is_due(t)) {
        TRY(run_check(t, err));
    }
    check_limits(t);
    if (t->at.stop == STOP_NONE && checkpoint_is_due(t)) {
        TRY(save_checkpoint(t, err));
    }
done:
    return st;
}

/* -- the end -- */

static status final_evaluations(trainer *t, error *err)
{
    const evaluator_options all = { 0 };
    const record_value *values;
    status st = OK;
    for (part p = PART_VALIDATION; p < N_PARTS; p++) {
        if (dataset_size(t->data, p) > 0) {
            TRY(trainer_evaluate(t, p, &all, &values, err));
            record r = { .kind = RECORD_EVALUATION,
                .split = part_name(p),
                .values = values,
                .n_values = evaluator_n_values(t->evaluator),
                .is_final = 1 };
            emit(t, &r);
        }
    }
done:
    return st;
}

static bool restores_best(const trainer *t)
{
    return t->settings.stops_early && t->settings.early.restore_best && t->at.has_best;
}

/* Final numbers at the final weights, which are put back afterwards: a checkpoint holds the training point. */
static status evaluate_at_the_end(trainer *t, error *err)
{
    const size_t n = t->model->n_flat, n_b = t->model->n_flat_buffers;
    status st = OK;
    if (!restores_best(t)) {
        TRY(trainer_with_eval_weights(t, true, err));
        TRY(final_evaluations(t, err));
        return trainer_with_eval_weights(t, false, err);
    }
    swap_floats(t->model->w, t->best_w, n);
    swap_floats(t->model->b, t->best_b, n_b);
    TRY(model_prepare(t->model, false, err));
    TRY(final_evaluations(t, err));
    swap_floats(t->model->w, t->best_w, n);
    swap_floats(t->model->b, t->best_b, n_b);
    TRY(model_prepare(t->model, true, err));
done:
    return st;
}

static void fill_result(trainer *t, run_result *out)
{
    trainer_count_time(t);
    *out = (run_result){ .stop = (stop_reason)t->at.stop,
        .step = t->at.step,
        .epoch = t->at.epoch,
        .best_step = t->at.best_step,
        .best_value = t->early.best == EARLY_STOP_NONE ? NAN : t->early.curve[t->early.best],
        .monitor = t->settings.stops_early ? t->settings.early.monitor : "validation.loss",
        .diverged = t->at.stop == STOP_DIVERGED ? t->diverged.s : NULL,
        .spent = t->at.spent };
}

static status finish(trainer *t, run_result *out, error *err)
{
    status st = OK;
    if (t->at.stop != STOP_INTERRUPTED && t->at.stop != STOP_DIVERGED &&
        !t->options.overfit_one_batch && t->at.last_checked != t->at.step) {
        const uint64_t reason = t->at.stop;
        TRY(run_check(t, err)); /* the last weights are judged, too */
        t->at.stop = t->at.stop == STOP_DIVERGED ? STOP_DIVERGED : reason;
    }
    if (t->options.checkpoint_dir) {
        TRY(save_checkpoint(t, err));
    }
    if (t->at.stop != STOP_INTERRUPTED && !t->options.overfit_one_batch) {
        TRY(evaluate_at_the_end(t, err));
    }
    fill_result(t, out);
    const record_value values[] = { { .name = "best_step", .value = (double)out->best_step },
        { .name = "best_value", .value = out->best_value } };
    record r = { .kind = RECORD_END,
        .values = values,
        .n_values = t->at.has_best ? 2 : 0,
        .stop = out->stop,
        .text = out->diverged };
    emit(t, &r);
done:
    return st;
}

status trainer_run(trainer *t, run_result *out, error *err)
{
    status st = OK;
    record start = { .kind = RECORD_START };
    emit(t, &start);
    check_limits(t);
    while (t->at.stop == STOP_NONE) {
        TRY(trainer_step(t, err));
        if (t->at.stop == STOP_NONE) {
            TRY(between_steps(t, err));
        }
    }
    TRY(finish(t, out, err));
done:
    return st;
}

bool trainer_has_best(const trainer *t)
{
    return t->at.has_best != 0;
}

status trainer_save_weights(trainer *t, bool best, const char *path, error *err)
{
    char step[32], value_text[40];
    const uint64_t at = best ? t->at.best_step : t->at.step;
    snprintf(step, sizeof step, "%llu", (unsigned long long)at);
    snprintf(value_text, sizeof value_text, "%.17g",
        t->early.best == EARLY_STOP_NONE ? NAN : t->early.curve[t->early.best]);
    const array_note notes[] = { { "assay.name", t->name }, { "assay.step", step },
        { best ? "assay.best_value" : "assay.last_best_value", value_text } };
    if (best) {
        swap_floats(t->model->b, t->best_b, t->model->n_flat_buffers);
        status st = weights_save(t->model, t->best_w, path, notes, 3, err);
        swap_floats(t->model->b, t->best_b, t->model->n_flat_buffers);
        return st;
    }
    status st = trainer_with_eval_weights(t, true, err);
    if (st == OK) {
        st = weights_save(t->model, NULL, path, notes, 3, err);
    }
    const status back = trainer_with_eval_weights(t, false, st == OK ? err : NULL);
    return st == OK ? back : st;
}
