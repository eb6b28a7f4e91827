/* What belongs to the process and not to a plugin: taken before and compared after. */
#ifndef ASSAY_SDK_CHECK_PROCESS_STATE_H
#define ASSAY_SDK_CHECK_PROCESS_STATE_H

#include "base/arena.h"
#include "base/text.h"
#include "check/guard.h"

typedef struct process_state process_state;

/* As it is now, in the arena. */
status process_state_take(arena *a, process_state **out, error *err) MUST_CHECK;

/* Adds what differs between the two, in words, separated by "; ": "the handler of SIGINT was changed". Nothing: they are
 * the same. */
void process_state_compare(const process_state *before, const process_state *after, text *t);

#endif
