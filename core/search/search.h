/* A search at work: a strategy asked for points of a space and told what became of them, with a log that brings it back.
 *
 *     search_new | search_new_in (search/strategy_job.h) -> (search_ask | search_tell | search_explain)* -> search_free
 *
 * Everything that the strategy may know is in the log: asks with what they gave, events with their verdicts. A fresh search to
 * which the entries of a log are replayed proposes what the first one would have; where an ask of the log gives another proposal
 * now, search_replay says which.
 *
 * The engine stands between the two: it repairs proposals, tells RUNNING of each, and in a space of finitely many points asks again where a
 * point has been proposed before, some times; then the repeat is a replicate. No files, no clock: who keeps the log is the caller. After an
 * error of the strategy or of memory a search may only be freed; one of the arguments leaves it as it was. */
#ifndef ASSAY_CORE_SEARCH_SEARCH_H
#define ASSAY_CORE_SEARCH_SEARCH_H

#include "registry/registry.h"
#include "search/space.h"

typedef struct search_options {
    uint64_t seed;
    uint64_t n_trials; /* the budget, as far as it is known; 0: unknown */
    double max_fidelity, min_fidelity; /* as in assay_search_plan */
    bool is_noisy;
} search_options;

typedef struct search search;

/* A point to run. */
typedef struct search_trial {
    uint64_t number;
    const double *x; /* [n_dimensions], inside the space; the search's, until search_free */
    double fidelity; /* how far to run it; 0: whole */
    uint64_t from; /* continue that paused trial; ASSAY_NO_TRIAL: from the start */
    uint64_t replicate; /* how many trials from the start had this point before */
} search_trial;

/* What happened to a trial. */
typedef struct search_result {
    uint64_t trial;
    uint64_t state; /* ASSAY_TRIAL_..., but not RUNNING */
    double value; /* NaN where there is none: then a state of DONE becomes DIVERGED */
    double standard_error; /* NaN: unknown */
    double fidelity; /* reached; 0: that of the proposal, or all of it */
} search_result;

typedef enum search_entry_kind {
    SEARCH_ASKED,
    SEARCH_TOLD,
} search_entry_kind;

/* One fact of the log. */
typedef struct search_entry {
    search_entry_kind kind;
    /* of SEARCH_ASKED: what was asked for and what was given */
    uint64_t want;
    const search_trial *trials; /* [n_trials] */
    size_t n_trials;
    bool is_over;
    /* of SEARCH_TOLD */
    search_result result;
    uint64_t verdict; /* ASSAY_VERDICT_..., of REPORTED */
} search_entry;

/* Makes the strategy of `strategy` (a block with `type`, or a string), and the pruner of `pruner` unless that is NULL. A space that the
 * strategy cannot handle is refused, naming the dimension: E_UNSUPPORTED. The space is borrowed and must outlive the search. */
status search_new(registry *r, config *c, value *strategy, value *pruner, const space *s,
    const search_options *o, search **out, error *err) MUST_CHECK;
void search_free(search *s);

/* Asks for up to `want` points: *out_n of them in out[want], 0 where results are needed first; *out_is_over where nothing is left. Errors:
 * E_PLUGIN (more than wanted, a trial that cannot be continued), what the strategy says. */
status search_ask(search *s, uint64_t want, search_trial *out, size_t *out_n, bool *out_is_over,
    error *err) MUST_CHECK;

/* Tells a result; *out_verdict (may be NULL) is what becomes of a REPORTED trial. Errors: E_UNKNOWN (no such trial), E_CONFLICT (it has
 * ended already), E_RANGE (a state, a fidelity). After LOST the trial is still under way. */
status search_tell(search *s, const search_result *r, uint64_t *out_verdict, error *err) MUST_CHECK;

/* Why a trial was proposed: a line of at most `bytes`; "" where the strategy does not say. */
status search_explain(search *s, uint64_t trial, char *out, size_t bytes, error *err) MUST_CHECK;

/* Does again what an entry of a log says. E_CORRUPT, naming the ask or trial and both values, where something else comes out. */
status search_replay(search *s, const search_entry *e, error *err) MUST_CHECK;
/* Behind the last of them: a strategy in a process of its own may still have to be told of some. */
status search_replay_end(search *s, error *err) MUST_CHECK;

/* Whether it is told of trials on their way, or proposes parts of trials. */
bool search_has_parts(const search *s);

/* Trials so far, and one of them; NULL where there is none of that number. `out_state` (may be NULL) is its last state. */
size_t search_count(const search *s);
const search_trial *search_trial_find(const search *s, uint64_t number, uint64_t *out_state);

/* The best DONE trial so far; NULL where there is none. */
const search_trial *search_best(const search *s, double *out_value);

/* An entry as one line of JSON (without the line's end), and back: what it points at is in the arena. */
void search_entry_to_json(const space *s, const search_entry *e, text *t);
status search_entry_from_json(
    const space *s, json_in *j, arena *a, search_entry *out, error *err) MUST_CHECK;

/* "done", "pruned"; NULL for a number that is no state. search_state_find: 0 for a name that is none. */
const char *search_state_name(uint64_t state);
uint64_t search_state_find(const char *name);

#endif
