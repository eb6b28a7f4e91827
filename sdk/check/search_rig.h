/* A strategy or pruner at work under the kit: spaces to search, results to tell, and the judge of what is proposed. */
#ifndef ASSAY_SDK_CHECK_SEARCH_RIG_H
#define ASSAY_SDK_CHECK_SEARCH_RIG_H

#include "check/guard.h"
#include "check/host_wrap.h"
#include "check/subject.h"

#include <assay/search.h>

enum { RIG_DIMENSIONS = 50, RIG_TRIALS = 5200, RIG_BATCH = 8 };

typedef struct rig_space {
    const char *name; /* "reals on both scales" */
    const assay_dimension *dimensions;
    uint64_t n, needs; /* needs: bits of assay_search.can */
    double max_fidelity;
} rig_space;

/* The i-th space; false behind the last. `out` and its dimensions are static or in *room[RIG_DIMENSIONS]. */
bool rig_space_get(size_t i, assay_dimension *room, rig_space *out);

/* What became of each trial; values of trials are a smooth function of their point. */
typedef enum rig_fate {
    RIG_USUAL, /* done */
    RIG_MIXED, /* by turns done, failed, diverged, pruned, lost and then done */
    RIG_ALL_FAILED,
    RIG_ALL_DIVERGED,
    RIG_SAME_VALUE,
    RIG_HUGE_VALUES,
    RIG_N_FATES,
} rig_fate;

typedef struct rig {
    specimen specimen;
    const assay_search *ops;
    assay_search_plan plan;
    rig_space space;
    check_report *rep;
    const char *settings;
    host_wrap wrap;
    bool is_open, is_over;
    bool is_refused; /* open has said why it cannot do this space, which is no fault */
    uint64_t n; /* proposals so far */
    double *x; // [RIG_TRIALS, n_dimensions]
    assay_event *log; // [n_log]
    size_t n_log, log_capacity;
    unsigned char *is_paused; // [RIG_TRIALS]
    double *part; // [RIG_TRIALS] how far a trial is to run; 0: whole
} rig;

/* Makes an instance and opens it on the space. False with a report where that fails; rig_close is called in either case. */
bool rig_open(
    rig *r, const subject *s, const char *settings, const rig_space *space, check_report *rep);
void rig_close(rig *r);

/* Asks for `want` (at most RIG_BATCH) and judges what comes: inside the space, NaN where inactive. Tells RUNNING. *out_n of them. */
bool rig_ask(rig *r, uint64_t want, uint64_t *out_n);

/* Tells one event, or all of a log in calls of `piece`. */
bool rig_tell(rig *r, const assay_event *e);
bool rig_tell_log(rig *r, const rig *from, size_t piece);

/* Tells the fate of trial k: one event or more. */
bool rig_finish(rig *r, uint64_t k, rig_fate fate);

/* Asks and tells until there are n trials or the strategy is over. */
bool rig_play(rig *r, uint64_t n, uint64_t batch, rig_fate fate);

/* A complaint with strategy, space and settings; false. */
bool rig_complain(rig *r, const char *format, ...) PRINTF_LIKE(2, 3);

/* Whether a strategy can be opened on it. */
bool rig_fits(const assay_search *ops, const rig_space *space);

/* The value of a point, lower in the middle of things. */
double rig_value(const rig_space *s, const double *x);

#endif
