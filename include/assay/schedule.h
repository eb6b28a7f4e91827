/* Schedules: a factor as a function of progress. By default it multiplies the learning rate `lr` of every optimizer, nested
 * ones included; the config's `target` names another hyperparameter that is flagged ASSAY_SCHED. */
#ifndef ASSAY_SCHEDULE_H
#define ASSAY_SCHEDULE_H

#include "abi.h"
#include "hyper.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assay_when {
    uint64_t struct_size;
    uint64_t step; /* updates done before this one */
    uint64_t total_steps; /* the trial's planned horizon; 0: unknown */
    uint64_t epoch; /* whole epochs done */
    uint64_t total_epochs; /* planned; 0: unknown */
    uint64_t steps_per_epoch;
    uint64_t
        n_checks; /* evaluations so far of the metric that train.early_stopping.monitor names (validation.loss) */
    double monitored; /* its last value; NaN before the first */
    uint64_t monitor_is_max; /* 1: larger is better */
} assay_when;

typedef struct assay_schedule {
    uint64_t struct_size;

    /* REQUIRED. A pure function of `when` and `state` (n_state doubles, zero at first, kept by the host and in
     * checkpoints). Called once before every update, in order. The factor is finite and not negative. [control] */
    int (*factor)(assay_ctx *ctx, const void *hyper, const assay_when *when, double *state,
        double *out_factor);

    /* OPTIONAL */
    uint64_t n_state;
    uint64_t
        horizon; /* 1: its shape depends on total_steps, so stopping early would end the run before its schedule */
    int (*validate)(assay_ctx *ctx, const void *hyper); /* [control] */
} assay_schedule;

#ifdef __cplusplus
}
#endif

#endif
