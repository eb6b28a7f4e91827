/* The trainer's inside, shared by trainer.c (building), loop.c (running) and checkpoint.c (saving). */
#ifndef ASSAY_CORE_TRAIN_INTERNAL_H
#define ASSAY_CORE_TRAIN_INTERNAL_H

#include "train/early_stop.h"
#include "train/objective.h"
#include "train/optimizer.h"
#include "train/scheduler.h"
#include "train/trainer.h"

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

    size_t n_replicas, n_threads, batch_size, eval_batch;
    uint64_t n_batches, steps_per_epoch, total_steps;
    size_t monitor; /* index among the evaluator's values */
    part monitor_part;
    bool monitors; /* there is something to watch */
    bool monitor_running; /* it is the running training loss */

    run_state at;
    double last_loss, last_l2, last_norm; /* of the last step */
    float *best_w, *best_b; /* weights (as evaluated) and buffers of the best check */
    float *eval_w; /* NULL: evaluated where they train */
    float *kept_b; /* buffers put aside while a closure runs */
    uint64_t closure_calls; /* of the update under way */
    double denominator; /* of the update under way */
    float clip_scale;
    double start_wall_s, start_cpu_s, last_progress_s, last_checkpoint_s;
    uint64_t last_checkpoint_step, last_checkpoint_epoch;
    char *fingerprint; /* hash of what a checkpoint must agree with */
    text diverged;

    size_t n_columns;
    const char **columns;
};

/* A seed, a name, the whole tree of `data`, `model`, `loss`, `optimizer`: what makes a checkpoint this run's. (trainer.c) */
status trainer_fingerprint(trainer *t, error *err) MUST_CHECK;

/* Evaluates where the optimizer says; swaps eval weights in and out. (loop.c) */
status trainer_with_eval_weights(trainer *t, bool enter, error *err) MUST_CHECK;

/* Writes the state into the folder and removes old ones beyond `keep`. (checkpoint.c) */
status checkpoint_write(trainer *t, const char *dir, error *err) MUST_CHECK;

void trainer_note(trainer *t, const char *format, ...) PRINTF_LIKE(2, 3);
void trainer_count_time(trainer *t);

#endif
