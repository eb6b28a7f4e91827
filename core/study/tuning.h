/* One tuning of a study: what a strategy proposed for a contender on a workload, and what came of it. All of it is in the store; a
 * tuning is its reader, and asks for what comes next. */
#ifndef ASSAY_CORE_STUDY_TUNING_H
#define ASSAY_CORE_STUDY_TUNING_H

#include "search/strategy_job.h"
#include "declaration/declaration.h"

typedef struct tuning tuning;

/* Which one. */
typedef struct tuning_key {
    size_t workload, contender, repeat;
} tuning_key;

/* Nothing is read and no plugin loaded yet. All but the key must outlive it. Of a place without a sandbox strategies run in this process. */
status tuning_new(registry *r, const declaration *d, const search_place *place, store *s,
    uint64_t study, tuning_key key, tuning **out, error *err) MUST_CHECK;
void tuning_free(tuning *t);
tuning_key tuning_get_key(const tuning *t);

/* Reads what is new in the store and tells the strategy what it may know by now. */
status tuning_sync(tuning *t, error *err) MUST_CHECK;

/* Adds the next trial to the store, where there is one and its time has come. */
status tuning_ask(tuning *t, bool *out_added, error *err) MUST_CHECK;

/* Nothing will be proposed any more, and everything has ended. */
bool tuning_is_over(const tuning *t);
/* At most so many trials; of them so many have ended. */
uint64_t tuning_most_trials(const tuning *t);

/* Whether trials tell the metric on the way; loads the strategy. */
status tuning_wants_reports(tuning *t, bool *out, error *err) MUST_CHECK;
/* What becomes of a trial that has come to `fidelity`: ASSAY_VERDICT_...; the value and fidelity that the verdict is about. After a sync. */
uint64_t tuning_verdict(
    const tuning *t, uint64_t trial, double fidelity, double *out_value, double *out_fidelity);

/* The best trial of one that is over; false where no trial was successful. Among trials that ran whole, or, where none did, among those
 * that ran farthest; of equal ones the first. `out_params` is borrowed. */
bool tuning_winner(const tuning *t, uint64_t *out_number, const char **out_params);

/* How the store calls it. */
store_search tuning_store_search(const declaration *d, tuning_key key, trial_phase phase);

/* Reads a store's params into a point of a contender's space. */
status point_from_params(const space *s, const char *params, double *x, error *err) MUST_CHECK;

#endif
