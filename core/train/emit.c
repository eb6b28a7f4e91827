/* What a run says about itself, as records to whoever listens. */
#include "base/clock.h"
#include "train/internal.h"

#include <stdarg.h>
#include <stdio.h>

static const double progress_interval_s = 0.1;

void trainer_count_time(trainer *t)
{
    const double wall = clock_wall_s(), cpu = clock_cpu_s();
    t->at.spent.wall_s += wall - t->start_wall_s;
    t->at.spent.cpu_s += cpu - t->start_cpu_s;
    const double optimizer_s = optimizer_seconds(t->optimizer);
    t->at.spent.optimizer_s += optimizer_s - t->start_optimizer_s;
    t->start_optimizer_s = optimizer_s;
    t->start_wall_s = wall;
    t->start_cpu_s = cpu;
}

void trainer_emit(trainer *t, record *r)
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

/* The running loss, what schedules drive, what the optimizers report of themselves. */
static size_t training_values(const trainer *t, double loss, record_value *out)
{
    size_t n = 0;
    out[n++] = (record_value){ .name = "training.loss", .value = loss };
    if (t->settings.train.l2 > 0) {
        out[n++] = (record_value){ .name = "training.objective", .value = loss + t->last_l2 };
    }
    if (t->knows_norm) {
        out[n++] = (record_value){ .name = "gradient_norm", .value = t->last_norm };
    }
    for (size_t i = 0; i < scheduler_count(t->scheduler); i++) {
        out[n++] = (record_value){ .name = scheduler_target(t->scheduler, i),
            .value = scheduler_value(t->scheduler, i) };
    }
    optimizer_values(t->optimizer, out + n);
    return n + optimizer_n_values(t->optimizer);
}

void trainer_emit_training(trainer *t, record_kind kind, double loss)
{
    record r = { .kind = kind, .values = t->values };
    r.n_values = training_values(t, loss, t->values);
    trainer_emit(t, &r);
}

void trainer_emit_probe(trainer *t)
{
    record r = { .kind = RECORD_PROBE };
    r.n_values = probe_take(t->probe, &r.values);
    if (r.n_values) {
        trainer_emit(t, &r);
    }
}

void trainer_emit_progress(trainer *t)
{
    const double now = clock_wall_s();
    if (t->options.sink.emit && now - t->last_progress_s >= progress_interval_s) {
        t->last_progress_s = now;
        const double loss =
            t->at.epoch_weight > 0 ? t->at.epoch_loss / t->at.epoch_weight : t->last_loss;
        trainer_emit_training(t, RECORD_PROGRESS, loss);
    }
}

void trainer_emit_evaluation(trainer *t, const char *name, const record_value *values, bool best)
{
    record r = { .kind = RECORD_EVALUATION,
        .split = name,
        .values = values,
        .n_values = evaluator_n_values(t->evaluator),
        .is_best = best };
    trainer_emit(t, &r);
}

void trainer_note(trainer *t, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const record note = { .kind = RECORD_NOTE, .step = t->at.step, .text = message };
    if (t->options.sink.emit) {
        t->options.sink.emit(t->options.sink.self, &note);
    }
}
