/* Carries a study out: asks strategies, claims trials, runs them on all cores, keeps what comes of it.
 *
 * The store is the only memory: everything else is made from it when an engine begins, so an engine that is killed at any moment is
 * followed by another as if nothing had happened, and several work on one study at once.
 *
 * What a strategy is told depends on the study alone, not on the machine: where trials have no parts and no pruner watches, ask k of a
 * search sees the results of trials 0 to k - `parallel` and no more, in their order, whoever was done first. So the same
 * declaration proposes the same trials on any number of cores. With reports on the way the order of events decides; it is
 * in the store, and a resumed search is told them in that order. */
#ifndef ASSAY_CORE_STUDY_ENGINE_H
#define ASSAY_CORE_STUDY_ENGINE_H

#include "declaration/declaration.h"
#include "study/runner.h"

#include <stdatomic.h>

typedef enum study_news_kind {
    STUDY_TRIAL_BEGUN,
    STUDY_TRIAL_ENDED,
    STUDY_TRIAL_RETRIED, /* lost, or by the study's own `retry` */
} study_news_kind;

/* What a user may want to see as it happens. */
typedef struct study_news {
    study_news_kind kind;
    const declaration *declaration;
    const store_trial *trial; /* before it ended: without a value */
    const run_end *end; /* of ENDED and RETRIED */
    trial_state state; /* of ENDED */
    uint64_t n_done, n_total; /* trials that have ended; all that there will be at most */
    uint64_t n_bad; /* of those that have ended: FAILED, DIVERGED, TIMEOUT and LOST */
} study_news;

typedef struct engine_options {
    const char *program; /* as of sandbox_options */
    unsigned n_jobs; /* trials at once; 0: as many as there are cores */
    bool is_debugged;
    const char *folder; /* for checkpoints of paused trials */
    double lease_s; /* for so long a trial is held by who says nothing; 0: 60 s */
    const atomic_int *
        interrupt; /* 1: let what runs end, begin nothing; 2: end what runs, too (it waits again). NULL: nobody does */
    void (*on_news)(void *self, const study_news *n); /* NULL: nobody listens */
    void (*on_warning)(void *self,
        const char *text); /* once: the sandbox is less than what was asked for; may be NULL */
    void *self;
} engine_options;

typedef struct engine_summary {
    uint64_t n_run; /* trials that this engine ran to an end */
    uint64_t count[N_TRIAL_STATES]; /* of the whole study */
    bool is_over; /* nothing is left to do */
} engine_summary;

/* Writes the declaration into the store, before any trial; or finds it there. E_CONFLICT: the store has another one by that name. */
status study_declare(
    const declaration *d, store *s, uint64_t *out_study, bool *out_is_new, error *err) MUST_CHECK;

/* Works on a study of the store until nothing is left, or until it is closed or interrupted. */
status engine_run(registry *r, const declaration *d, store *s, uint64_t study,
    const engine_options *o, engine_summary *out, error *err) MUST_CHECK;

#endif
