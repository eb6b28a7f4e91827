/* What the files of `assay plugin check` share: which tests of which components were run, and what came of them. */
#ifndef ASSAY_CORE_CLI_PLUGIN_CHECK_H
#define ASSAY_CORE_CLI_PLUGIN_CHECK_H

#include "check/runner.h"
#include "cli/session.h"

/* A component to be checked. */
typedef struct check_target {
    const char *word; /* the file or id as it was typed */
    const char *path; /* of its file, absolute */
    bool is_file; /* the word is a path */
    const char *kind, *id, *version;
    size_t first_job, n_jobs;
} check_target;

typedef struct check_outcomes {
    const char *program; /* as it was called */
    const check_target *targets; // [n_targets]
    size_t n_targets;
    const check_job *jobs; // [n_jobs]
    const check_result *results; // [n_jobs]
    size_t n_jobs;
    uint64_t seed;
    const char *against; /* the recorded run that was named; NULL: none */
    double tolerance; /* towards it */
    double duration_s;
} check_outcomes;

/* How many ended so. */
typedef struct check_counts {
    size_t passed, skipped, warned, failed, not_run;
} check_counts;

check_counts check_count_outcomes(const check_outcomes *o);

/* Text is told as tests end, in the order of the jobs. */
typedef struct check_teller {
    const check_outcomes *outcomes;
    const cli *cli;
    size_t n_told; /* jobs */
    const check_target *headed; /* whose heading was told last; NULL: none yet */
} check_teller;

/* What can be told by now: jobs that have ended, up to the first that has not. */
void check_text_go_on(check_teller *teller, text *t);

/* All that is left, and the counts; once the results are whole. */
void check_text_end(check_teller *teller, text *t);

/* The first test of the component that went wrong for the same reason; NULL: none before. */
const char *check_same_before(const check_outcomes *o, const check_target *target, size_t i);

/* The test whose failure explains this one's; NULL: none does. */
const char *check_follows_from(const check_outcomes *o, const check_target *target, size_t i);

void check_json(const check_outcomes *o, text *t);

/* All tests there are: names, and what each holds a plugin to. */
void check_list_text(const terminal *style, text *t);
void check_list_json(text *t);

#endif
