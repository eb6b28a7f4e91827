/* What a study is: read from a config, written into the store before the first trial, read back from there.
 *
 * The long form has a block `study`; everything else a run needs stands in the workloads' own files:
 *
 *     study = {
 *       name = "optimizers-on-digits";           # default: the file's name without .cfg
 *       compare = "optimizers";                  # what contenders may touch, beside nothing else
 *       contenders = (
 *         { name = "sgd"; set = ["optimizer.type=sgd"]; search = "optimizer.lr=1e-4..1:log optimizer.momentum=0..0.99"; },
 *         { name = "adam"; set = ["optimizer.type=adam"]; search = { optimizer = { lr = [1e-5, 1e-1, ...] ... }; }; }
 *       );
 *       control = "sgd";                         # default: the first; the others are held against it
 *       workloads = (                            # default: this file without its `study`, as one
 *         { name = "digits"; config = "digits.cfg"; set = ["train.epochs=10"]; },
 *         { name = "solver"; command = ["./solve", "--lr={lr}", "--seed={seed}"]; folder = "solver"; }
 *       );
 *       metric = "validation.loss";              # what tuning minimises (direction = "max": maximises)
 *       judged = "test.loss";                    # what evaluations are compared by; default: the metric, of the test part where it
 *                                                # is one of a run's validation part
 *       value = "last";                          # or "best": at the best check, which is the default of one contender where a run
 *                                                # stops early. With "last" early stopping is taken out of the runs
 *       strategy = "random"; pruner = "median"; seed = 1;
 *       repeats = 3;                             # of the whole tuning
 *       evaluations = 5;                         # fresh seeds, on which each winner is run from scratch
 *       budget = { trials = 20; samples = 1e6; seconds = 60.0; };   # of one tuning; what is spent first ends it
 *       parallel = 4;                            # trials of one search that may be under way at once
 *       fidelity = { max = 27; min = 1; };       # epochs of a whole trial, and the least that says anything
 *       sandbox = { level = "strict"; fallback = "error"; memory = "512M"; wall = 60.0; stall = 10.0; cpu = 120.0; threads = 1;
 *                   log_limit = 65536; };
 *       retry = { lost = 3; crash = 0; timeout = 0; };
 *     };
 *
 * A plain search is the short form: the file of a run with `study = { search = ...; budget = ... }` in it, or any file of a run and
 * a sweep from the command line. It has one contender, named "", no evaluations and one repeat unless they are asked for.
 *
 * The declaration is the whole of it as text, with the text of every file that it names in it: a study needs its files no more,
 * and its hash tells whether two are the same. How many cores there are is no part of it. */
#ifndef ASSAY_CORE_DECLARATION_H
#define ASSAY_CORE_DECLARATION_H

#include "base/arena.h"
#include "base/text.h"
#include "config/config.h"
#include "registry/registry.h"
#include "sandbox/sandbox.h"
#include "search/space.h"
#include "store/store.h"

typedef enum workload_kind { WORKLOAD_TRAIN, WORKLOAD_COMMAND } workload_kind;

typedef struct workload {
    const char *name; /* unique, as a name of the store */
    workload_kind kind;
    /* TRAIN: a config's text with its includes in it, the file that it is from (relative paths begin in its folder: absolute),
     * and overrides that come after the text and before a contender's. */
    const char *path, *written;
    const char *const *overrides; // [n_overrides]
    size_t n_overrides;
    double
        epochs; /* train.epochs as the text and the overrides have it: fidelity.max where there is one; 0: steps end it */
    /* COMMAND: words of a program, in which {NAME} is a dimension's value or, of NAME=VALUE in a contender's overrides, VALUE;
     * {seed} and {fidelity} are what they say; {{ is {. Every NAME is known of every contender, but may be inactive. */
    const char *const *argv; // [n_argv]
    size_t n_argv;
    const char *folder; /* where it runs: absolute */
    origin at;
} workload;

typedef struct contender {
    const char *name; /* unique; "" of a plain search */
    const char *const *overrides; // [n_overrides]: its `set`
    size_t n_overrides;
    space space; /* may have no dimension: then its one point is run once in each repeat */
    bool has_own_search; /* strategy or trials of its own: contenders are strategies */
    value *strategy; /* its own, or the study's */
    uint64_t
        trials; /* of one tuning: its own, or the study's budget; 1 of a space without dimensions */
    origin at;
} contender;

typedef struct declaration {
    arena memory;
    config *config; /* the resolved study, whose blocks are below */
    const char *name;
    bool
        is_plain; /* one contender without a name, one workload, no evaluations, one repeat: searches of the store have "" for contender and workload */
    const char *compare; /* "optimizers" ...; NULL: anything may differ */
    const char *const *
        touchable; // [n_touchable] keys that contenders may touch: a key and what is below it; 0: any
    size_t n_touchable;
    workload *workloads; // [n_workloads]
    size_t n_workloads;
    contender *contenders; // [n_contenders]
    size_t n_contenders, control;
    const char *metric, *judged;
    store_direction direction, judged_direction;
    bool
        takes_best; /* the value of the best check, not of the last weights; early stopping stays on then */
    value *strategy,
        *pruner; /* of contenders that have none of their own: blocks or names; pruner may be NULL */
    uint64_t seed, n_repeats, n_evaluations, parallel;
    uint64_t
        budget_trials; /* of one tuning; never 0: a budget without trials is as many as the others allow */
    double budget_samples, budget_seconds; /* 0: no limit */
    double max_fidelity, min_fidelity; /* epochs; 0: trials have no parts */
    sandbox_level level;
    bool is_auto; /* strict, or process where nobody's plugins but assay's own are in reach */
    bool falls_back; /* to process where strict is not possible; rows say so */
    sandbox_limits limits;
    uint64_t retry_lost, retry_crash, retry_timeout;
    text written; /* the declaration */
    char hash[33]; /* of it */
} declaration;

/* What the command line adds. */
typedef struct declaration_options {
    const char *name; /* NULL: the config's */
    const char *const
        *overrides; // [n_overrides] of the file: study.budget.trials=10, optimizer.lr=0.1
    size_t n_overrides;
    const char *const
        *sweeps; // [n_sweeps] further dimensions, in the compact form, for every contender
    size_t n_sweeps;
} declaration_options;

/* Reads the file of a study, or of a run when there is a sweep. A contender without `search` and without `set` is an error; `search =
 * "default"` is the default space of its components, whose plugins are loaded for their tables, and so is a dataset's for which of its
 * keys are paths; no callback of theirs runs. Errors name file and line: E_MISSING, E_UNKNOWN (a key, a metric's part, a contender;
 * with did-you-mean), E_CONFLICT (a name twice, a key that `compare` does not permit, a key both set and searched), E_RANGE.
 * Overrides that do not begin with `study` are the file's own run's: E_CONFLICT where workloads have files of their own. */
status declaration_load(registry *r, const char *path, const declaration_options *o,
    declaration **out, error *err) MUST_CHECK;

/* Reads back what a store holds; needs no file. A search over it needs the files of `plugins` in its config's root, if there are any
 * (registry_add_config). E_CORRUPT. */
status declaration_read(
    registry *r, const char *name, const char *written, declaration **out, error *err) MUST_CHECK;
void declaration_free(declaration *d);

/* What makes a comparison doubtful though nothing is wrong: unequal numbers of dimensions or decades, a space that leaves out the
 * other's special case, unequal budgets, an adaptive strategy, one repeat, horizon-tied schedules with early stopping or a pruner. One
 * line each, added to `out`; *out_n counts them. What results show (best values on an edge) is results.h's. */
status declaration_check(
    registry *r, const declaration *d, text *out, size_t *out_n, error *err) MUST_CHECK;

/* Whether a strategy, a block or a name, proposes whatever the results: random, qmc and grid do. */
bool strategy_looks_at_no_result(value *strategy);

/* Whether a block of a run's `metrics`, or a name instead of one, makes the value of that name: "accuracy", without its part. */
bool metric_makes(const value *metric, const char *name);

/* How many trials there will be at most: tuning, evaluation. */
uint64_t declaration_n_tuning(const declaration *d);
uint64_t declaration_n_evaluations(const declaration *d);

/* Epochs of a whole trial on that workload; 0: trials have no parts. */
double declaration_max_fidelity(const declaration *d, size_t i_workload);

/* Seeds of trials: three streams that never meet. The same for all contenders, so that they are paired. */
uint64_t declaration_search_seed(const declaration *d, size_t repeat); /* of the strategy */
uint64_t declaration_tuning_seed(const declaration *d, size_t repeat, uint64_t replicate);
uint64_t declaration_evaluation_seed(const declaration *d, size_t repeat, size_t i);

#endif
