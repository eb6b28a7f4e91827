/* Which of a tuning's trials wins: one rule for the engine, which has the winner evaluated, and for the tables, which show it. */
#ifndef ASSAY_CORE_STUDY_WINNER_H
#define ASSAY_CORE_STUDY_WINNER_H

#include "store/store.h"

/* What is known of a trial that has ended. */
typedef struct contestant {
    trial_state state;
    double value, reached; /* in the metric's own sign; its fidelity */
} contestant;

/* Whether it may win: it has a value, and was not stopped by a fault. */
bool contestant_is_valid(contestant c);

/* Trials that ran whole go before those that did not, of which the one that ran farthest does; then the value counts. False of equal ones: the
 * first stays. Both are valid. */
bool contestant_beats(contestant c, contestant best, store_direction direction);

#endif
