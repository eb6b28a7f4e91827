/* What becomes of a trial when a run of it has ended. */
#ifndef ASSAY_CORE_STUDY_TRIAL_END_H
#define ASSAY_CORE_STUDY_TRIAL_END_H

#include "declaration/declaration.h"
#include "study/runner.h"
#include "study/tuning.h"

typedef enum trial_fate { FATE_FINISHED, FATE_AGAIN, FATE_NOT_OURS } trial_fate;

/* What a strategy or pruner had decided while it ran. */
typedef struct trial_verdict {
    uint64_t verdict; /* ASSAY_VERDICT_...; GO: nothing */
    double value, fidelity; /* what it was about */
    bool is_part; /* it was to run in part only */
} trial_verdict;

/* Writes the end into the store: finished for good, or to be run again (lost, cancelled, by `retry`). Not ours: another host holds it by
 * now, and nothing was written. *out_state is what it became, of FINISHED. */
status trial_end(store *s, const declaration *d, const store_trial *t, const trial_verdict *v,
    const run_end *end, trial_fate *out_fate, trial_state *out_state, error *err) MUST_CHECK;

#endif
