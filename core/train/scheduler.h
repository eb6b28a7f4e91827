/* The schedules of a run: each drives one hyperparameter, as base value times factor. */
#ifndef ASSAY_CORE_TRAIN_SCHEDULER_H
#define ASSAY_CORE_TRAIN_SCHEDULER_H

#include "train/optimizer.h"

typedef struct scheduler scheduler;

/* The keys of a schedule that are the host's. */
extern const hyper_table schedule_table;
extern const char *const schedule_keys[]; /* their names, NULL-terminated */

/* From the config's `schedule` (a block or a list of blocks with `target`; NULL: none). */
status scheduler_new(
    registry *r, config *c, value *block, uint64_t seed, scheduler **out, error *err) MUST_CHECK;

/* Finds what each `target` names: "lr" (default) or another hyperparameter of the optimizer, "model.<layer>.<hyper>",
 * "loss.<hyper>". `loss` and `loss_hyper` (resolved) may be NULL. */
status scheduler_plan(
    scheduler *s, optimizer *o, model *m, instance *loss, void *loss_hyper, error *err) MUST_CHECK;
void scheduler_free(scheduler *s);

/* Before every update: computes the factors and writes the resolved values. */
status scheduler_apply(scheduler *s, const assay_when *when, error *err) MUST_CHECK;

/* The i-th driven value now, for records: its target and value. */
size_t scheduler_count(const scheduler *s);
const char *scheduler_target(const scheduler *s, size_t i);
double scheduler_value(const scheduler *s, size_t i);

/* The id of a schedule whose shape depends on the planned horizon, or NULL. */
const char *scheduler_horizon(const scheduler *s);

/* State for checkpoints: "schedule/<i>", nested schedules below. */
size_t scheduler_n_arrays(const scheduler *s);
status scheduler_arrays(const scheduler *s, arena *a, array *out, error *err) MUST_CHECK;
status scheduler_restore(scheduler *s, const safetensors *file, bool check, error *err) MUST_CHECK;

#endif
