/* Whether a run's steps are faster with all of its threads or with one.
 *
 * How many threads pay is the machine's to say, and it changes: with a step of a fifth of a millisecond two cores win where a cache
 * line goes between them in 50 ns, and lose where it takes 400 (virtual machines move); another process may take a core. So a few
 * steps of each are timed now and then. How many threads run a step never shows in its result. */
#ifndef ASSAY_CORE_TRAIN_PACE_H
#define ASSAY_CORE_TRAIN_PACE_H

#include "num/team.h"

enum { PACE_ALL, PACE_ALONE, N_PACES };

typedef struct pace {
    team *team;
    double (*now_s)(void); /* the clock; tests have one of their own */
    bool adapts; /* false: always all */
    bool alone; /* what the last trial has found */
    bool times; /* the step under way is timed */
    double next_s; /* when the next trial may begin */
    uint64_t n_tried; /* steps of the trial under way; 0: none is */
    double begun; /* the step under way */
    double total[N_PACES], longest[N_PACES]; /* seconds of the trial's steps */
} pace;

/* `adapts`: the number of threads is ours to choose. */
void pace_init(pace *p, team *t, bool adapts);

/* Around each step. What lies between steps, whose batches are others, has all threads. */
void pace_begin(pace *p);
void pace_end(pace *p);

#endif
