/* What a study has come to: from the rows of a store and the declaration to the numbers that tables show.
 *
 * Of each workload: contenders ranked by the median of the judged value over all evaluation runs. Runs that failed, diverged or
 * ran out of time count as worse than any value and are never dropped; runs that were lost with their machine say nothing and
 * are left out. A tuning in which no trial came to a value has no winner to evaluate; where others of its contender have, it counts
 * as that many failed runs, or a procedure that breaks now and then would be ranked by its luckier tunings. Inference is on per-repeat means: with T tunings of each contender the difference to the control has T - 1
 * degrees of freedom, however many seeds there are; a test on pooled seeds would compare two configurations. With T = 1 there is
 * no inference. Without evaluations (a plain search) contenders are ranked by the best value of their tuning, which is
 * optimistic.
 *
 * Values are in the metric's own sign; NaN: there is none. */
#ifndef ASSAY_CORE_STUDY_RESULTS_H
#define ASSAY_CORE_STUDY_RESULTS_H

#include "declaration/declaration.h"

/* A trial as tables list it. */
typedef struct trial_row {
    uint64_t id, number;
    trial_phase phase;
    size_t contender, workload; /* of the declaration */
    uint64_t repeat, proposal, replicate, seed, n_attempts;
    trial_state state;
    int attempt_class; /* of the last attempt that has ended; ATTEMPT_RUNNING: of none */
    const char *reason; /* as that says it: one line, but of whatever characters; "": none */
    const char *params; /* JSON */
    const char *owner;
    double value, standard_error;
    double fidelity, reached;
    double samples, wall_s, cpu_s; /* spent */
    double added, started, finished, lease;
} trial_row;

/* "crash", "nonfinite" ... where an attempt's class says more than the state, else the state's name. */
const char *trial_row_what(const trial_row *t);

/* FAILED, DIVERGED, TIMEOUT: what counts as worse than any value. */
bool trial_row_is_bad(const trial_row *t);

typedef struct result_cost {
    uint64_t n_trials; /* that have ended */
    double samples, wall_s, cpu_s; /* as far as it is known */
} result_cost;

/* Trials that ended the same way; LOST is one of them. */
typedef struct result_failure {
    trial_phase phase;
    const char *what;
    uint64_t n;
    const trial_row *first;
} result_failure;

/* One tuning of a contender on a workload, and what its winner came to. */
typedef struct result_repeat {
    const trial_row *winner; /* the trial of best value; NULL: none has one */
    uint64_t n_tuning, n_tuned; /* trials; those of them that have a value */
    uint64_t n_ended, n_failed; /* those that have ended; that are bad */
    bool is_fruitless; /* its trials have ended, none with a value, and other tunings have runs */
    const trial_row **runs; // [n_runs]: its evaluations, by proposal
    size_t n_runs, n_done, n_bad;
    double mean,
        sd; /* over the done ones; the mean is that of all: infinite where one is bad, or it is fruitless */
} result_repeat;

/* The difference to the control, this less that, over repeats. */
typedef struct result_pair {
    size_t n_repeats; /* in which both have runs of the same seed */
    size_t n_runs; /* such pairs */
    double mean, sd; /* of the differences of per-repeat means */
    double low, high; /* its 95 % interval, t with n_repeats - 1 degrees of freedom; NaN: none */
    double p; /* of no difference, two-sided */
    double correlation; /* of paired runs within repeats: whether pairing helps; NaN: too few */
    bool has_bad; /* a run or a tuning of either is bad: the difference is infinite, or not known */
} result_pair;

typedef struct result_contender {
    size_t i; /* of the declaration */
    size_t rank; /* from 1; 0: nothing to rank it by */
    result_repeat *repeats; // [n_repeats]
    size_t n_runs, n_done, n_bad, n_lost; /* evaluations: there are; done; bad; lost */
    size_t n_fruitless; /* tunings that gave nothing to evaluate */
    double median, low_quartile,
        high_quartile; /* of all that ended; infinite where bad runs reach */
    double sd_seeds; /* within repeats, pooled; NaN below two runs */
    double sd_repeats; /* of the means of repeats in which no run is bad; NaN below two */
    const trial_row *best; /* of its tunings */
    uint64_t n_tuning, n_tuned;
    result_cost tuning, evaluation;
    result_failure *failures; // [n_failures]
    size_t n_failures;
    result_pair against; /* the control; n_repeats 0 of the control itself */
} result_contender;

typedef struct result_workload {
    result_contender *contenders; // [n_contenders]: as declared
    size_t *order; // [n_contenders]: by rank
} result_workload;

typedef struct results {
    arena memory;
    const declaration *declaration; /* borrowed */
    store_study study;
    uint64_t count[N_TRIAL_STATES];
    trial_row *rows; // [n_rows], by number
    size_t n_rows, capacity;
    result_workload *workloads; // [n_workloads]
    bool is_judged; /* there are evaluations, or are to be */
} results;

/* The declaration must be the study's and outlive the results. E_CORRUPT: the store has what the declaration does not. */
status results_read(
    store *s, const store_study *study, const declaration *d, results **out, error *err) MUST_CHECK;
void results_free(results *r);

/* Whether everything that will be has ended. */
uint64_t results_n_ended(const results *r);

/* What results show to be doubtful: best values on an edge of their range (within 5 % of it, on a logarithmic scale of the
 * logarithms; 0 as the lower end of a linear one is taken for a natural bound), unequal spent budgets. A line each, added to
 * `out`; *out_n counts them. */
status results_check(const results *r, text *out, size_t *out_n, error *err) MUST_CHECK;

/* A trial's params as a point of its contender's space. E_CORRUPT. */
status results_point(const results *r, const trial_row *t, double *x, error *err) MUST_CHECK;

/* Everything, for programs; the object's "assay_study" is the format's version. With trials: each of them, too. */
status results_json(const results *r, bool with_trials, text *out, error *err) MUST_CHECK;

/* Comma-separated, a row per workload, contender, repeat and evaluation (without evaluations or with trials: per trial), then a
 * column for each metric that the store has of these. */
status results_csv(const results *r, store *s, bool with_trials, text *out, error *err) MUST_CHECK;

/* -- Statistics -- */

/* P(|T| > t) of Student's t. */
double student_tail(double t, double degrees);
/* The t at which student_tail is `tail`: 0.05 for a 95 % interval. */
double student_critical(double tail, double degrees);
/* Of sorted values, by linear interpolation (Hyndman and Fan's type 7); infinite values stay infinite. NaN of none. */
double sorted_quantile(const double *sorted, size_t n, double p);

#endif
