/* Runs trials: from a point of a contender's space to numbers that count, in processes that harm nothing but themselves.
 *
 * Of a train workload a trial is a chain of jobs: the plan (once for what it depends on), training, and what came of it: the weights
 * that training left go through a fresh predictor, which has inputs and no targets, and a scorer, which has the targets and shipped
 * components alone. The numbers that count are the scorer's. The test part of the data is in neither a trainer nor a plan.
 * Of a command workload it is a program whose standard output has lines of JSON:
 *     {"step": 3, "fidelity": 3, "validation.loss": 0.31}      on the way; the last value of a name counts
 * The judged number at the best value is that of the best value's line, or, where it is never in such a line, the last.
 *
 *   runner_open -> (runner_start -> runner_wait ... -> run_end)* -> runner_close
 *
 * One thread uses a runner. */
#ifndef ASSAY_CORE_STUDY_RUNNER_H
#define ASSAY_CORE_STUDY_RUNNER_H

#include "declaration/declaration.h"

#include <stdatomic.h>

typedef struct runner runner;
typedef struct run run;

typedef struct runner_options {
    const char *program; /* as of sandbox_options */
    bool is_debugged; /* everything in this process, one thing at a time: for gdb and perf */
    const char *folder; /* where checkpoints of paused trials lie; NULL: there are none */
    uint32_t pretend_lacking; /* as of sandbox_options, for tests */
    const atomic_int *interrupt; /* other than 0: give up opening. NULL: nobody does */
} runner_options;

/* Starts the fork servers and loads the data of all workloads, each once. A workload that cannot run at all (an unknown key, data that are
 * not there) is an error that names its file and line. E_UNSUPPORTED: strict is not possible here, and there is no fallback. E_INTERRUPTED: by options.interrupt, while data were
 * loaded or plans made. Data that are not loaded after the larger of 600 s and ten times the limit on a trial's time are an error. */
status runner_open(
    const declaration *d, const runner_options *o, runner **out, error *err) MUST_CHECK;
void runner_close(runner *r);

/* "strict", "process", "none": in effect. */
const char *runner_level(const runner *r);

/* Planned cost of a trial with these overrides: samples through forward and backward, 0 where it is unknown; for --dry-run. */
status runner_cost(runner *r, size_t workload, const char *const *overrides, size_t n,
    double *out_samples, error *err) MUST_CHECK;

/* One trial. */
typedef struct run_spec {
    size_t workload, contender;
    const double *x; /* a point of the contender's space */
    uint64_t seed;
    double fidelity; /* epochs; 0: whole */
    uint64_t number; /* names its checkpoint */
    uint64_t from; /* go on from that trial's checkpoint; STORE_NO_TRIAL: from the start */
    bool keeps_checkpoint; /* leave one: the trial may be continued */
    bool reports; /* tell what happens on the way */
    bool judges; /* score the test part, too */
    void *self; /* run_self gives it back */
} run_spec;

/* Begins it. The spec's arrays need not outlive the call. */
status runner_start(runner *r, const run_spec *s, run **out, error *err) MUST_CHECK;
/* Runs whose end nobody was told of yet. */
size_t runner_n_running(const runner *r);

typedef enum run_news_kind {
    RUN_NOTHING, /* the time is over */
    RUN_REPORTED, /* the metric on the way; what it is at the spec's own fidelity its end says */
    RUN_ENDED,
} run_news_kind;

typedef struct run_news {
    run_news_kind kind;
    run *run;
    double fidelity,
        value; /* of RUN_REPORTED: in the metric's own sign, as training says it: a hint */
} run_news;

/* What happens next, waiting up to timeout_s. */
status runner_wait(runner *r, double timeout_s, run_news *out, error *err) MUST_CHECK;

/* Ends a run that is under way: RUN_ENDED follows, with that class (OUTCOME_PRUNED, _CANCELLED). */
void run_stop(run *n, outcome_class c);
void *run_self(const run *n);

/* One number that a run left. */
typedef struct run_value {
    const char *name; /* "validation.loss", "training.loss" */
    double value;
    uint64_t step;
    bool is_last; /* at the last weights */
    bool is_best; /* at the weights of the best check */
    bool is_scored; /* the scorer's, not the trainer's word */
} run_value;

/* How a run ended; borrowed until run_free. */
typedef struct run_end {
    const outcome *outcome; /* of the job in which it ended */
    status
        trouble; /* of HOST_ERROR: E_IO or E_NOMEM where this process itself could not go on (a full disk, no more processes),
                       which would befall any other run, too; OK otherwise */
    const run_value *values; // [n_values]: curves by step, then the last ones
    size_t n_values;
    double value,
        best; /* the study's metric at the last weights and at the best check; NaN: none */
    double judged, judged_best; /* the judged one; NaN: not asked for, or none */
    double fidelity; /* reached, in epochs */
    uint64_t samples; /* forward, while training */
    double wall_s, cpu_s; /* of all its jobs */
    const char *record; /* JSON: how to do it again */
    const char *log; /* what the plugins printed: printable ASCII */
} run_end;

const run_end *run_get_end(const run *n);
void run_free(run *n);

#endif
