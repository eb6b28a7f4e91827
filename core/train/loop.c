/* The only training loop: step, then everything that is decided between two steps.
 *
 * A step ends before anything is decided: records, checks, limits and checkpoints come in this order between steps, so a checkpoint
 * is always of whole steps and a resumed run goes through the same decisions. */
#include "base/clock.h"
#include "train/internal.h"

#include <math.h>

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
    trainer_emit_training(t, RECORD_EPOCH, t->at.epoch_loss / t->at.epoch_weight);
    t->at.epoch_loss = t->at.epoch_weight = 0;
}

/* After a step: records, checks, limits, checkpoint, in this order. */
static status between_steps(trainer *t, error *err)
{
    status st = OK;
    const uint64_t log_every = (uint64_t)t->settings.train.log_every;
    if (log_every && t->at.step % log_every == 0) {
        trainer_emit_training(t, RECORD_STEP, t->last_loss);
    }
    if (t->probe) {
        trainer_emit_probe(t);
    }
    trainer_emit_progress(t);
    if (t->at.i_batch == 0) {
        end_epoch(t);
    }
    if (check_is_due(t)) {
        TRY(trainer_check(t, err));
    }
    check_limits(t);
    if (t->at.stop == STOP_NONE && checkpoint_is_due(t)) {
        TRY(save_checkpoint(t, err));
    }
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
    if (t->options.checkpoint_dir) {
        TRY(save_checkpoint(
            t, err)); /* before the extra check: a longer run would not have made it */
    }
    if (t->options.on_end && t->at.stop != STOP_DIVERGED) {
        TRY(t->options.on_end(t->options.sink.self, t, err));
    }
    if (t->at.stop != STOP_INTERRUPTED && t->at.stop != STOP_DIVERGED &&
        !t->options.overfit_one_batch && t->at.last_checked != t->at.step) {
        TRY(trainer_check(t, err)); /* the last weights are judged, too */
    }
    if (t->at.stop != STOP_INTERRUPTED && !t->options.overfit_one_batch) {
        TRY(trainer_evaluate_at_the_end(t, err));
    }
    fill_result(t, out);
    const record_value values[] = { { .name = "best_step", .value = (double)out->best_step },
        { .name = "best_value", .value = out->best_value } };
    record r = { .kind = RECORD_END,
        .values = values,
        .n_values = t->at.has_best ? 2 : 0,
        .stop = out->stop,
        .text = out->diverged };
    trainer_emit(t, &r);
done:
    return st;
}

status trainer_run_to(trainer *t, uint64_t step, error *err)
{
    status st = OK;
    const double limit = t->settings.train.time_limit;
    const char *checkpoint_dir = t->options.checkpoint_dir;
    t->options.checkpoint_dir = NULL;
    t->settings.train.time_limit = 0; /* how long it took is no part of what happened */
    if (t->at.step < step) {
        check_limits(t);
    }
    while (t->at.stop == STOP_NONE && t->at.step < step) {
        TRY(trainer_step(t, err));
        if (t->at.stop == STOP_NONE) {
            TRY(between_steps(t, err));
        }
        if (t->at.stop != STOP_DIVERGED && t->trace) {
            (void)trace_evaluation(t->trace);
        }
    }
done:
    t->settings.train.time_limit = limit;
    t->options.checkpoint_dir = checkpoint_dir;
    return st;
}

status trainer_run(trainer *t, run_result *out, error *err)
{
    status st = OK;
    record start = { .kind = RECORD_START };
    trainer_emit(t, &start);
    check_limits(t);
    while (t->at.stop == STOP_NONE) {
        TRY(trainer_step(t, err));
        if (t->at.stop == STOP_NONE) {
            TRY(between_steps(t, err));
        }
        if (t->at.stop != STOP_DIVERGED && t->trace) {
            (void)trace_evaluation(t->trace);
        }
    }
    TRY(finish(t, out, err));
done:
    return st;
}
