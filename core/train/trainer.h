/* A run: everything a config names, wired up, and the only training loop. */
#ifndef ASSAY_CORE_TRAIN_TRAINER_H
#define ASSAY_CORE_TRAIN_TRAINER_H

#include "base/record.h"
#include "data/dataset.h"
#include "model/model.h"
#include "train/evaluator.h"

#include <stdatomic.h>

typedef struct trainer trainer;

typedef struct trainer_options {
    record_sink sink; /* where records go; zero: nowhere */
    const atomic_int *interrupt; /* becomes non-zero when the user wants to stop; may be NULL */
    const char *checkpoint_dir; /* NULL: no checkpoints */
    /* Where the number of a step is stored as it begins; called when plugins are loaded and the data come next; either may be
     * NULL. */
    _Atomic uint64_t *step_at;
    void (*on_plan)(void *sink_self);
    /* When the run has come to its end, before the last weights are judged: where a checkpoint from which a longer run can go on
     * is taken, as that one would not have judged there. May be NULL. */
    status (*on_end)(void *sink_self, trainer *t, error *err);
    const void *
        pack; // [n_pack] a trainer's pack (data/pack.h) to be used instead of opening the data; NULL: none
    size_t n_pack;
    bool dry_run; /* two steps of everything */
    bool
        overfit_one_batch; /* the first batch again and again, as a check that the model can learn at all */
} trainer_options;

/* Reads the config whole (plugins, hyperparameters: a bad run dies here, before data are read), then opens the data, plans
 * the model and lays out all memory. The config's tree becomes the resolved config. The registry and config are borrowed. */
status trainer_new(
    registry *r, config *c, const trainer_options *o, trainer **out, error *err) MUST_CHECK;
void trainer_free(trainer *t);

/* What a run came to. */
typedef struct run_result {
    stop_reason stop;
    uint64_t step, epoch;
    uint64_t best_step; /* of the best check; 0 when there was none */
    double best_value; /* of the monitored metric */
    const char *monitor; /* its name */
    const char *diverged; /* where and what, when stop is STOP_DIVERGED */
    budget spent;
} run_result;

/* Trains until something ends the run, then evaluates validation and test with the final weights (the best ones where
 * early stopping restores them). Continues where trainer_restore left off. */
status trainer_run(trainer *t, run_result *out, error *err) MUST_CHECK;

/* One update, no records, no checks: for benchmarks and tests. */
status trainer_step(trainer *t, error *err) MUST_CHECK;

/* Evaluates a part with the weights as they stand. */
status trainer_evaluate(trainer *t, part p, const evaluator_options *o,
    const record_value **out_values, error *err) MUST_CHECK;

/* Checkpoints: all state, by name, checksummed, atomic. trainer_restore refuses one of another model, data or optimizer. */
status trainer_save(trainer *t, const char *path, error *err) MUST_CHECK;
status trainer_restore(trainer *t, const char *path, error *err) MUST_CHECK;

/* The same into memory, to[room]; *out_n bytes of it (E_RANGE: they need more). trainer_save_most: how many they can be, at any time of this
 * run. Restoring reads from the bytes alone. */
status trainer_save_bytes(trainer *t, void *to, size_t room, size_t *out_n, error *err) MUST_CHECK;
status trainer_save_most(trainer *t, size_t *out_n, error *err) MUST_CHECK;
status trainer_restore_bytes(trainer *t, const void *bytes, size_t n, error *err) MUST_CHECK;

/* The newest checkpoint of a folder that is whole; E_MISSING when there is none. Damaged ones are passed over with a note. */
status trainer_restore_latest(trainer *t, const char *dir, error *err) MUST_CHECK;

/* Weights at the end: those of the best check (where there is one) and the last ones, as evaluated. */
status trainer_save_weights(trainer *t, bool best, const char *path, error *err) MUST_CHECK;
bool trainer_has_best(const trainer *t);

/* The same into memory: w[model's n_flat], b[model's n_flat_buffers]. `best` where there is one. */
status trainer_copy_weights(trainer *t, bool best, float *w, float *b, error *err) MUST_CHECK;

/* What a run is made of; borrowed. */
model *trainer_model(trainer *t);
dataset *trainer_data(trainer *t);
evaluator *trainer_evaluator(trainer *t);
uint64_t trainer_steps_done(const trainer *t);
bool trainer_is_over(const trainer
        *t); /* nothing is left to train: all steps are done, or the run ended by itself */
uint64_t trainer_last_checked(const trainer *t); /* the step of the last check; 0: none yet */
uint64_t trainer_total_steps(const trainer *t); /* planned; 0: none are */
uint64_t trainer_steps_per_epoch(const trainer *t);
size_t trainer_n_replicas(const trainer *t);
size_t trainer_n_threads(const trainer *t);
size_t trainer_batch_size(const trainer *t);
void trainer_describe_optimizer(const trainer *t, text *out);

/* Columns of metrics.csv: "training.loss", "lr", "validation.accuracy" ... */
size_t trainer_n_columns(const trainer *t);
const char *trainer_column(const trainer *t, size_t i);

#endif
