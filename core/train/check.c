/* Checks: evaluation at the weights that count, early stopping's judgement, the best point kept.
 *
 * An optimizer may evaluate elsewhere than it trains (eval_point.c); that point is swapped in for the evaluation and out again, so
 * that the training point is what a checkpoint holds. */
#include "model/weights.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DRY_BATCHES = 2 };

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

/* The running training loss since early stopping last judged. */
static double judged_loss(const trainer *t)
{
    return t->at.judged_weight > 0 ? t->at.judged_loss / t->at.judged_weight : t->last_loss;
}

static status judge(trainer *t, double monitored, bool *out_best, stop_reason *out_stop, error *err)
{
    const size_t n = t->early.n;
    t->at.monitored = monitored;
    status st = early_stop_check(&t->early, monitored, judged_loss(t), out_best, out_stop, err);
    if (st == OK && t->early.n > n) {
        t->at.judged_loss = t->at.judged_weight = 0;
    }
    return st;
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
        trainer_emit_evaluation(t, "training_eval", values, false);
    }
    const bool has_validation = dataset_size(t->data, PART_VALIDATION) > 0;
    if (has_validation) {
        TRY(trainer_evaluate(t, PART_VALIDATION, &all, &values, err));
        if (t->monitor_part == PART_VALIDATION) {
            monitored = values[t->monitor].value;
        }
    }
    if (t->monitors) {
        TRY(judge(t, monitored, &best, &stop, err));
        if (best) {
            keep_best(t);
        }
    }
    if (has_validation) {
        trainer_emit_evaluation(t, "validation", values, best);
    }
    t->at.n_checks++;
    t->at.last_checked = t->at.step;
    t->at.interval_loss = t->at.interval_weight = 0;
    if (stop == STOP_DIVERGED) {
        trainer_diverge(
            t, t->at.step, "the monitored value is nan, although all weights are finite");
    } else if (t->at.stop == STOP_NONE) {
        t->at.stop = stop;
    }
done:
    return st;
}

/* A step looks at what came before its update; what the last update left is seen here. */
static bool weights_diverged(trainer *t)
{
    text why = { 0 };
    const bool found = objective_blame_weights(t->objective, &why);
    if (found) {
        trainer_diverge(t, t->at.step, why.s ? why.s : "a weight is not finite");
    }
    text_release(&why);
    return found;
}

status trainer_check(trainer *t, error *err)
{
    if (weights_diverged(t)) {
        return OK;
    }
    const status st = eval_point_enter(t, err);
    return st == OK ? eval_point_leave(t, check(t, err), err) : st;
}

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
            trainer_emit(t, &r);
        }
    }
done:
    return st;
}

static bool restores_best(const trainer *t)
{
    return t->settings.stops_early && t->settings.early.restore_best && t->at.has_best;
}

static void swap_best(trainer *t)
{
    swap_floats(t->model->w, t->best_w, t->model->n_flat);
    swap_floats(t->model->b, t->best_b, t->model->n_flat_buffers);
}

/* Final numbers at the final weights, which are put back afterwards, come what may: a checkpoint holds the training point. */
status trainer_evaluate_at_the_end(trainer *t, error *err)
{
    status st = OK;
    if (!restores_best(t)) {
        TRY(eval_point_enter(t, err));
        return eval_point_leave(t, final_evaluations(t, err), err);
    }
    swap_best(t);
    st = model_prepare(t->model, false, err);
    if (st == OK) {
        st = final_evaluations(t, err);
    }
    swap_best(t);
    const status back = model_prepare(t->model, true, st == OK ? err : NULL);
    st = st == OK ? back : st;
done:
    return st;
}

bool trainer_has_best(const trainer *t)
{
    return t->at.has_best != 0;
}

status trainer_copy_weights(trainer *t, bool best, float *w, float *b, error *err)
{
    const model *m = t->model;
    const budget spent = t->at.spent;
    status st = best ? OK : eval_point_enter(t, err);
    if (st != OK) {
        return st;
    }
    memcpy(w, best ? t->best_w : m->w, m->n_flat * sizeof *w);
    memcpy(b, best ? t->best_b : m->b, m->n_flat_buffers * sizeof *b);
    st = best ? OK : eval_point_leave(t, OK, err);
    t->at.spent = spent;
    return st;
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
    const budget spent = t->at.spent; /* what is written costs the run nothing */
    status st = eval_point_enter(t, err);
    if (st == OK) {
        st = eval_point_leave(t, weights_save(t->model, NULL, path, notes, 3, err), err);
    }
    t->at.spent = spent;
    return st;
}
