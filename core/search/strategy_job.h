/* A search whose strategy and pruner are in a process of their own: the host's side, and the procedure "strategy", which stays and answers
 * (sandbox_call.has_channel). What the two say to each other is in search/port.h. */
#ifndef ASSAY_CORE_SEARCH_STRATEGY_JOB_H
#define ASSAY_CORE_SEARCH_STRATEGY_JOB_H

#include "sandbox/sandbox.h"
#include "search/search.h"

/* In the table of every program that is a fork server for searches. */
extern const procedure strategy_procedure;

/* Where the plugins of a search run. */
typedef struct search_place {
    sandbox *
        sandbox; /* its program has `strategy_procedure` in its table; it must outlive the search */
    sandbox_level
        level; /* process or strict: a plugin that a config names must be readable, see sandbox_options */
    const sandbox_limits *limits; /* wall_s is that of each call; NULL: the default ones */
} search_place;

/* The same in a process of its own: no plugin is loaded here. The config's `plugins` are added there; `strategy` and `pruner` become what
 * they were bound to, as by search_new. The same seed and results give the same proposals, to the bit.
 *
 * A process that crashes, hangs, goes beyond a limit, breaks a rule, or answers what it may not: E_PLUGIN with the outcome's class and
 * text, naming plugin, phase and call ("in ask 17"). E_INTERRUPTED: the process was lost or killed (outcome_is_loss), and a new search
 * to which the log is replayed goes on where this one was. In any case this one may only be freed; what is known of trials stays. */
status search_new_in(const search_place *place, config *c, value *strategy, value *pruner,
    const space *s, const search_options *o, search **out, error *err) MUST_CHECK;

/* How its process ended, or why it was ended; NULL: it has not, or there is none. */
const outcome *search_outcome(const search *s);

/* What its plugins have printed, where that is kept; added to `out`. */
status search_printed(const search *s, text *out, error *err) MUST_CHECK;

#endif
