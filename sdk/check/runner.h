/* Runs tests, each in a process of its own: a crash, a hang, a call of exit is a result like any other. */
#ifndef ASSAY_SDK_CHECK_RUNNER_H
#define ASSAY_SDK_CHECK_RUNNER_H

#include "base/arena.h"
#include "check/kit.h"

/* A test of one component. */
typedef struct check_job {
    const check_test *test;
    const char *word; /* the file, or the id, that the component was named by */
    const char *kind, *id; /* of the component */
} check_job;

/* How a test's process ended. */
typedef enum check_end {
    CHECK_NOT_RUN, /* nothing can be said: its file does not load */
    CHECK_REPORTED,
    CHECK_CRASHED,
    CHECK_TIMED_OUT,
    CHECK_EXITED, /* the plugin ended the process */
} check_end;

enum { CHECK_OUTPUT_BYTES = 2048 };

/* What became of it. Of a process that did not report, the report is a failure that says how it ended and in which callback. */
typedef struct check_result {
    check_end end;
    check_report report;
    double duration_s;
    char output[CHECK_OUTPUT_BYTES]; /* the beginning of what the plugin printed */
    size_t n_lines; /* that it printed in all */
} check_result;

/* "passed", "skipped", "warned", "failed", "crashed", "timed out", "exited", "not run" */
const char *check_result_name(const check_result *r);

typedef struct runner_options {
    const char *program; /* assay itself, "/proc/self/exe" */
    uint64_t seed;
    double time_limit_s; /* of one test */
    size_t n_processes; /* at once, at least 1 */
    const char *against; /* as the subject has them */
    double tolerance;
    bool stops_at_failure; /* what is not under way then is not run */
    void (*done)(void *self, size_t i_job, const check_result *r); /* after each; may be NULL */
    void *self;
} runner_options;

/* Runs all jobs: first those of loading, and where a component's first one fails its others are not run; then several at a time; at
 * last, one by one, those that measure speed. Once a component has timed out its further tests get a second each, and after
 * three of those none is run. The results' texts live in the arena. Errors are those of the runner itself: E_IO,
 * E_NOMEM. */
status runner_run(const check_job *jobs, size_t n, const runner_options *o, arena *a,
    check_result *results, error *err) MUST_CHECK;

/* The same for one test in this very process, for a debugger: nothing is caught. */
void check_here(const subject *s, const check_test *t, check_result *out);

/* -- In the process of a test -- */

/* Limits this process and prepares it to say on `fd` how it ends, whatever it is that ends it. Before any of the plugin's code
 * runs; the subject outlives the process's other uses of it. */
status child_begin(const subject *s, int fd, error *err) MUST_CHECK;

/* Sends the report and the process's work is done. */
status child_report(int fd, const check_report *r, error *err) MUST_CHECK;

/* A report as one line of JSON, and back; texts in the arena. */
void check_report_to_json(const check_report *r, text *t);
status check_report_from_json(
    const char *line, size_t n, arena *a, check_report *out, error *err) MUST_CHECK;

#endif
