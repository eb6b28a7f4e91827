/* A run gone through once more: from a checkpoint, or its start, to a step, with what it had there for the taking. Nothing of the
 * run's folder is written, and a step has the bits that it had the first time (on the same machine, with the same plugins). */
#ifndef ASSAY_CORE_TRAIN_REPLAY_H
#define ASSAY_CORE_TRAIN_REPLAY_H

#include "model/safetensors.h"
#include "train/trainer.h"

/* Of a trainer that has taken no step yet: restores the newest whole checkpoint of the folder that is of step `last` or before.
 * `finite`: whose weights and state are, too. *out_step is where the trainer now stands: 0 when there is none. A run that had
 * diverged is open again. */
status trainer_restore_before(trainer *t, const char *dir, uint64_t last, bool finite,
    uint64_t *out_step, error *err) MUST_CHECK;

/* How a run ended by its newest whole checkpoint: its step, and STOP_NONE where it has not. E_MISSING: there is none. */
status checkpoint_outcome(
    const char *dir, uint64_t *out_step, stop_reason *out_stop, error *err) MUST_CHECK;

/* From now on each step's gradient is kept, as the optimizer gets it. */
status trainer_keep_gradient(trainer *t, error *err) MUST_CHECK;

/* Steps and checks as in trainer_run, until `step` updates are done or the run ends by itself; limits of time do not count. No
 * final evaluation, no checkpoint. */
status trainer_run_to(trainer *t, uint64_t step, error *err) MUST_CHECK;

/* Why it is over; STOP_NONE: it is not. The text is that of a divergence, or NULL. */
stop_reason trainer_stopped(const trainer *t, const char **out_diverged);

/* A run's numbers by the names they have in checkpoints, and "gradient/<tensor>" where it is kept and a step has been taken. Names
 * lie in `a`, the numbers are the trainer's. */
status trainer_state(trainer *t, arena *a, const array **out, size_t *out_n, error *err) MUST_CHECK;

/* The same of a checkpoint; the file must stay open. */
status checkpoint_state(
    const safetensors *f, arena *a, const array **out, size_t *out_n, error *err) MUST_CHECK;

/* Opens the folder's checkpoint of exactly that step; NULL where there is none. */
status checkpoint_open(const char *dir, uint64_t step, safetensors **out, error *err) MUST_CHECK;

/* The value of a hyperparameter that a schedule drives: i-th of n; NULL beyond the last. */
const char *trainer_scheduled(const trainer *t, size_t i, double *out);

#endif
