/* The trainer's inside, shared by the files of this room that build, run, judge and save it. */
#ifndef ASSAY_CORE_TRAIN_INTERNAL_H
#define ASSAY_CORE_TRAIN_INTERNAL_H

#include "train/early_stop.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/pace.h"
#include "train/probe.h"
#include "train/replay.h"
#include "train/scheduler.h"
#include "train/trace.h"
#include "train/trainer.h"
#include "train/weight_noise.h"

/* Where the run stands. Everything here is in checkpoints. */
typedef struct run_state {
    uint64_t step; /* updates done */
    uint64_t epoch; /* whole epochs done */
    uint64_t i_batch; /* next batch of this epoch */
    uint64_t n_checks; /* validations done */
    uint64_t best_step;
    uint64_t has_best;
    uint64_t last_checked; /* step of the last validation */
    uint64_t stop; /* stop_reason of a run that is over */
    double epoch_loss, epoch_weight; /* running sums of this epoch */
    double interval_loss, interval_weight; /* since the last validation */
    double judged_loss,
        judged_weight; /* since early stopping last judged, which may be several validations ago */
    double monitored; /* last value of the monitored metric */
    budget spent;
} run_state;

struct trainer {
    arena memory;
    registry *registry;
    config *config;
    trainer_options options;
    train_config settings;
    const char *name;
    uint64_t seed;

    instance *loss;
    void *loss_hyper; /* resolved */
    optimizer *optimizer;
    scheduler *scheduler;
    evaluator *evaluator;
    model *model;
    dataset *data;
    team *team;
    objective *objective;
    batcher *batches;
    early_stop early;
    probe *probe; /* NULL: none */

    size_t n_replicas, n_threads, batch_size, eval_batch;
    uint64_t n_batches, steps_per_epoch, total_steps;
    size_t monitor; /* index among the evaluator's values */
    part monitor_part;
    bool monitors; /* there is something to watch */
    bool monitor_running; /* it is the running training loss */

    run_state at;
    double last_loss, last_l2, last_norm; /* of the last step */
    bool
        knows_norm; /* last_norm is of that step: one in pieces takes it only where a record wants it */
    float *best_w, *best_b; /* weights (as evaluated) and buffers of the best check */
    float *eval_w, *eval_b; /* NULL: evaluated where they train */
    weight_noise noise;
    pace pace;
    float *kept_b; /* buffers put aside while a closure runs */
    uint64_t fresh_batches, fresh_draws; /* that closures of the update under way asked for */
    double denominator; /* of the update under way */
    float clip_scale;
    double start_wall_s, start_cpu_s, start_optimizer_s, last_progress_s, last_checkpoint_s;
    char *fingerprint; /* "key=hash key=hash ...": what a checkpoint must agree with */
    text diverged;
    trace *trace; /* NULL: operations are not looked over */
    float *seen_g; /* [n_flat] the last step's gradient, kept for who asked; or NULL */
    bool has_seen; /* seen_g is of the step just done */

    record_value *values; /* of a training record: room for all */
    size_t n_columns;
    const char **columns;
};

/* plan.c: from what the config says to what the run does; in this order. */
status plan_batches(trainer *t, error *err) MUST_CHECK;
/* Samples or streams of the largest batch in evaluation; the same for all of the data and for a pack of them. */
size_t evaluation_batch(const dataset *d, size_t batch_size);
status plan_model(trainer *t, error *err) MUST_CHECK;
status plan_replicas(trainer *t, error *err) MUST_CHECK;
status plan_monitor(trainer *t, error *err) MUST_CHECK;
status plan_columns(trainer *t, error *err) MUST_CHECK;
status plan_probe(trainer *t, error *err) MUST_CHECK;

/* step.c: notes that the run is over because something is not finite. */
void trainer_diverge(trainer *t, uint64_t step, const char *what);

/* The last pass's gradient as the optimizer gets it, clipped: g[n_flat]. */
void trainer_gradient_as_used(const trainer *t, float scale, float *g);

/* trace.c: each looks over what has happened since the one before it; true: something was not finite, and the run is over. */
bool trace_begin(trace *r); /* before a step; looks at the first one only */
bool trace_pass(trace *r, float clip_scale); /* the step's gradient is made */
bool trace_update(trace *r); /* the step is done */
bool trace_evaluation(trace *r); /* checks are done */

/* check.c: one check; and the numbers at the end, at the final weights. */
status trainer_check(trainer *t, error *err) MUST_CHECK;
status trainer_evaluate_at_the_end(trainer *t, error *err) MUST_CHECK;

/* eval_point.c: to where the model is evaluated, with statistics taken anew, and back to where it trains after work that came to
 * `st`; the first failure is told. Nothing where that is one point. */
status eval_point_enter(trainer *t, error *err) MUST_CHECK;
status eval_point_leave(trainer *t, status st, error *err) MUST_CHECK;
void swap_floats(float *a, float *b, size_t n);

/* fingerprint.c: makes t->fingerprint; and names what is not as it was when a checkpoint was made (`theirs`; NULL: of none). */
status fingerprint_make(trainer *t, error *err) MUST_CHECK;
status fingerprint_check(const char *ours, const char *theirs, error *err) MUST_CHECK;

/* checkpoint_folder.c: writes the state into the folder; removes old ones beyond `keep`, and later ones, which the run has gone back
 * behind. */
status checkpoint_write(trainer *t, const char *dir, error *err) MUST_CHECK;
/* checkpoint.c: all that a checkpoint holds; names in `a`, data mostly the trainer's own. */
status trainer_arrays(trainer *t, arena *a, array **out, size_t *out_n, error *err) MUST_CHECK;
/* Steps of the checkpoints in a folder, newest first. */
status checkpoint_steps(
    const char *dir, arena *a, uint64_t **out, size_t *out_n, error *err) MUST_CHECK;
char *checkpoint_path(arena *a, const char *dir, uint64_t step);

/* emit.c: records. */
void trainer_emit(trainer *t, record *r);
void trainer_emit_training(trainer *t, record_kind kind, double loss);
void trainer_emit_probe(trainer *t); /* of a step that was probed */
void trainer_emit_progress(trainer *t);
void trainer_emit_evaluation(trainer *t, const char *name, const record_value *values, bool best);
void trainer_note(trainer *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* Adds the time since the last call to the budget. (emit.c) */
void trainer_count_time(trainer *t);

#endif
