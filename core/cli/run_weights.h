/* Which of a run's weights a command uses. */
#ifndef ASSAY_CORE_CLI_RUN_WEIGHTS_H
#define ASSAY_CORE_CLI_RUN_WEIGHTS_H

#include "cli/session.h"

typedef struct run_weights {
    const char *path; /* the file */
    const char
        *which; /* for people: "the best weights: "; "" for another file than the run's own */
} run_weights;

/* `asked` is "best", "last", a file or NULL: those that the run itself judged at its end, so that both give the same numbers. */
status run_weights_choose(session *s, const char *asked, run_weights *out, error *err) MUST_CHECK;

#endif
