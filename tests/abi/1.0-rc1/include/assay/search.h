/* Search strategies: which hyperparameters to try next; and pruners: which trials to stop.
 *
 * A strategy sees a space of dimensions and facts about trials, and proposes points. Values are always minimised: the host turns
 * the sign of a metric that is better when larger. What a strategy proposes is a function of its hyperparameters, the space,
 * the run's seed (through host->random_u32 and its like), the numbers of the asks, and the events told so far in their order: no
 * clock, no addresses, no files. The host keeps the events, so that a study resumes by telling them again to a fresh instance; a
 * strategy writes no save and load.
 *
 * A life:  validate -> open -> (tell | ask | report | explain)* -> close, all [control]
 *
 * An ask of several points at once sees no results in between; points that are under way are told as events RUNNING, before
 * anything else happens to them. Numbers have no gaps: an ask begins behind the last proposal that was given. A proposal that the
 * host does not run, because it has been at this point of a finite space, is told as FAILED, without RUNNING.
 */
#ifndef ASSAY_SEARCH_H
#define ASSAY_SEARCH_H

#include "abi.h"
#include "hyper.h"

#ifdef __cplusplus
extern "C" {
#endif

/* assay_dimension.type */
#define ASSAY_SPACE_REAL 1u
#define ASSAY_SPACE_INT 2u
#define ASSAY_SPACE_CATEGORY 3u

#define ASSAY_NO_PARENT UINT64_MAX

/* One dimension. Values travel as doubles: of a CATEGORY the index of the choice, of an inactive dimension NaN. */
typedef struct assay_dimension {
    uint64_t struct_size;
    const char *name; /* "optimizer.lr" */
    uint64_t type; /* ASSAY_SPACE_... */
    double low, high; /* both may be proposed; of a CATEGORY 0 and n_choices - 1 */
    uint64_t log; /* 1: on a logarithmic scale; low > 0 */
    double step; /* values are low + k step; 0: any (REAL), 1 (INT) */
    const char *const *choices; /* [n_choices] of a CATEGORY, as text */
    uint64_t n_choices; /* at most 64 */
    uint64_t ordered; /* 1: choices are numbers in rising order */
    /* Active only where dimension `parent`, a CATEGORY before this one, has a choice whose bit is set; ASSAY_NO_PARENT: always. */
    uint64_t parent;
    uint64_t parent_choices;
    double prior_mean,
        prior_sd; /* what the user expects, in the scale of the dimension: of its natural logarithm where log is 1; NaN: nothing */
} assay_dimension;

/* Everything that a strategy may know beforehand. */
typedef struct assay_search_plan {
    uint64_t struct_size;
    const assay_dimension *dimensions;
    uint64_t n_dimensions, dimension_stride;
    uint64_t n_trials; /* the budget; 0: unknown */
    double
        max_fidelity; /* what a whole trial costs, in epochs, steps or seconds; 0: trials have no parts */
    double min_fidelity; /* the least that says anything */
    uint64_t is_noisy; /* 1: the same point gives different values (seeds) */
} assay_search_plan;

static inline const assay_dimension *assay_dimension_at(const assay_search_plan *plan, uint64_t i)
{
    return (const assay_dimension *)(const void *)((const char *)plan->dimensions +
        i * plan->dimension_stride);
}

/* assay_event.state */
#define ASSAY_TRIAL_RUNNING 1u /* proposed and under way; value is NaN */
#define ASSAY_TRIAL_REPORTED 2u /* a value on the way, at `fidelity` */
#define ASSAY_TRIAL_DONE 3u /* the value at its whole fidelity */
#define ASSAY_TRIAL_PAUSED 4u /* stopped at `fidelity`; may be continued by a proposal */
#define ASSAY_TRIAL_PRUNED 5u /* stopped for good at `fidelity`, with its last value */
#define ASSAY_TRIAL_DIVERGED \
    6u /* worse than any value: NaN or infinite loss, or out of its limits */
#define ASSAY_TRIAL_FAILED 7u /* the program broke; says nothing about the point */
#define ASSAY_TRIAL_LOST 8u /* its machine went away; the host tries it again by itself */

/* One fact. */
typedef struct assay_event {
    uint64_t struct_size;
    uint64_t trial; /* number of the proposal, from 0 in the order of proposing */
    uint64_t state; /* ASSAY_TRIAL_... */
    const double *x; /* [n_dimensions] */
    double value; /* NaN where there is none */
    double standard_error; /* of value, from replicates; NaN: unknown */
    double fidelity; /* reached */
    uint64_t replicate; /* the same x with another seed */
} assay_event;

static inline const assay_event *assay_event_at(
    const assay_event *events, uint64_t i, uint64_t stride)
{
    return (const assay_event *)(const void *)((const char *)events + i * stride);
}

#define ASSAY_NO_TRIAL UINT64_MAX

/* A point to try; x is the host's memory, filled in by ask: values inside the space, NaN where inactive (the host fills in both: it
 * clips, rounds to steps and clears what is inactive). */
typedef struct assay_proposal {
    uint64_t struct_size;
    double *x; /* [n_dimensions] */
    double fidelity; /* how far to run it; 0: whole */
    uint64_t
        from_trial; /* continue that paused trial's checkpoint (then x is its x); ASSAY_NO_TRIAL: from the start */
} assay_proposal;

/* What report says of a trial on its way. */
#define ASSAY_VERDICT_GO 0u
#define ASSAY_VERDICT_STOP 1u /* for good */
#define ASSAY_VERDICT_PAUSE 2u /* a later proposal may continue it */

/* assay_search.can: what it handles; a space or budget that needs more is refused when the config is read. */
#define ASSAY_SEARCH_CATEGORIES 1u
#define ASSAY_SEARCH_CONDITIONS 2u
#define ASSAY_SEARCH_NOISE 4u /* uses replicates and standard errors */
#define ASSAY_SEARCH_FIDELITY 8u /* needs max_fidelity; proposes parts of trials */
#define ASSAY_SEARCH_FINITE 16u /* ends by itself (a grid) */

typedef struct assay_search {
    uint64_t struct_size;
    uint64_t can; /* ASSAY_SEARCH_... */

    /* REQUIRED */
    /* Sets ctx->self to whatever it keeps; the plan's arrays live until close. */
    int (*open)(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan);
    /* Fills in up to `want` proposals, number `ask` and on; *out_n says how many: fewer, or 0, where results are needed first. A
     * strategy that has nothing left sets *out_is_over to 1. Random numbers for proposal k come from stream k. */
    int (*ask)(assay_ctx *ctx, const void *hyper, uint64_t ask, uint64_t want, assay_proposal *out,
        uint64_t stride, uint64_t *out_n, uint64_t *out_is_over);
    /* In the order in which they happened. */
    int (*tell)(
        assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride);
    void (*close)(assay_ctx *ctx);

    /* OPTIONAL */
    int (*validate)(assay_ctx *ctx, const void *hyper);
    /* A trial on its way has been told as REPORTED: what becomes of it? Absent: it goes on. */
    int (*report)(
        assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict);
    /* Why trial number `trial` was proposed, one line for people. */
    int (*explain)(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes);
} assay_search;

/* Nested strategies (hyperparameters of type COMPONENT and kind "search"), from host->extension(ctx, ASSAY_INNER_SEARCH); NULL where
 * the host has none. [control] Each call is that op of the inner one, with its own hyperparameters, memory and random numbers; what it
 * reports becomes the outer one's report. `can` says what it handles, which the host does not check for it. An inner one that was
 * opened is closed by the outer one's close; what is never opened needs none. */
#define ASSAY_INNER_SEARCH "assay.inner_search/draft"

typedef struct assay_inner_search {
    uint64_t struct_size;
    const char *(*id)(assay_ctx *ctx, const assay_instance *inner); /* "gp"; NULL: not its own */
    uint64_t (*can)(assay_ctx *ctx, const assay_instance *inner); /* ASSAY_SEARCH_... */
    int (*open)(assay_ctx *ctx, const assay_instance *inner, const assay_search_plan *plan);
    int (*ask)(assay_ctx *ctx, const assay_instance *inner, uint64_t ask, uint64_t want,
        assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over);
    int (*tell)(assay_ctx *ctx, const assay_instance *inner, const assay_event *events, uint64_t n,
        uint64_t stride);
    /* GO where the inner one has no report. */
    int (*report)(assay_ctx *ctx, const assay_instance *inner, const assay_event *event,
        uint64_t *out_verdict);
    /* "" where the inner one has no explain. */
    int (*explain)(
        assay_ctx *ctx, const assay_instance *inner, uint64_t trial, char *out, uint64_t bytes);
    void (*close)(assay_ctx *ctx, const assay_instance *inner);
} assay_inner_search;

/* Stops trials that another strategy proposes. tell and report are as a strategy's. */
typedef struct assay_pruner {
    uint64_t struct_size;

    /* REQUIRED */
    int (*open)(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan);
    int (*tell)(
        assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride);
    int (*report)(
        assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict);
    void (*close)(assay_ctx *ctx);

    /* OPTIONAL */
    int (*validate)(assay_ctx *ctx, const void *hyper);
} assay_pruner;

#ifdef __cplusplus
}
#endif

#endif
