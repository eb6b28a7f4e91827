/* The display of a study while it goes: one line that is repainted on a terminal, lines now and then in a log, or the news as JSON. */
#ifndef ASSAY_CORE_CLI_STUDY_PROGRESS_H
#define ASSAY_CORE_CLI_STUDY_PROGRESS_H

#include "cli/progress.h"
#include "study/engine.h"

enum { MOST_KINDS_SHOWN = 8 };

typedef struct study_progress {
    const cli *cli;
    progress_kind kind;
    bool as_json; /* news go to standard output */
    bool is_painted;
    const declaration *declaration;
    double *best; // [n_contenders]: of the metric, over tunings of the first workload
    uint64_t n_running, n_done, n_total, n_here, n_failed;
    uint64_t n_told; /* n_done of the last line in a log */
    double began_s, line_at_s;
    int kinds_shown[MOST_KINDS_SHOWN]; /* classes of failures that a note has told of */
    size_t n_kinds_shown;
} study_progress;

/* `asked` as of progress_init. */
status study_progress_init(study_progress *p, const cli *c, const declaration *d, const char *asked,
    bool as_json, error *err) MUST_CHECK;
/* Bests from before. */
void study_progress_tell_best(study_progress *p, size_t i_contender, double best);
/* As engine_options.on_news; self is the progress. */
void study_progress_take(void *self, const study_news *n);
/* As engine_options.on_warning. */
void study_progress_warn(void *self, const char *said);
/* Removes the line under way, and shows the cursor again. */
void study_progress_close(study_progress *p);
void study_progress_release(study_progress *p);

#endif
