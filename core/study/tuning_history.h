/* What a tuning has in the store, in memory: its proposals, and what was told of them in the order in which it happened. Private to
 * tuning.c. */
#ifndef ASSAY_CORE_STUDY_TUNING_HISTORY_H
#define ASSAY_CORE_STUDY_TUNING_HISTORY_H

#include "store/store.h"
#include "study/record_cost.h"

/* A trial as the store has it. */
typedef struct proposal {
    uint64_t id, number; /* of the store; of the study */
    uint64_t inside; /* its number in the search, once it has been asked for here */
    uint64_t asked_after, from_trial, replicate;
    const char *params;
    double fidelity;
    bool has_ended;
    trial_state state;
    double value, standard_error, reached;
    record_cost cost; /* where it counts */
    uint64_t verdict; /* the first that was not to go on, and what it was about */
    double verdict_value, verdict_fidelity;
} proposal;

/* REPORTED or FINISHED. */
typedef struct fact {
    uint64_t seq;
    event_kind kind;
    size_t i_proposal;
    double value, standard_error, fidelity;
} fact;

typedef struct history {
    store *store;
    uint64_t study;
    arena memory;
    bool has_costs; /* what trials have cost is read, too */
    proposal *proposals; // [capacity], by number of the proposal
    size_t n, capacity, n_ended;
    fact *facts; // [fact_capacity]
    size_t n_facts, fact_capacity;
    uint64_t seen; /* seq of the last event that was read */
} history;

void history_release(history *h);

/* Reads the events that are new. */
status history_read(history *h, const store_search *key, error *err) MUST_CHECK;

/* The proposal with that id of the store; NULL: there is none. */
proposal *history_find(const history *h, uint64_t id);

#endif
