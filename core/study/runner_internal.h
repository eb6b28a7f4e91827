/* The runner's inside, shared by its files: runner.c (events), runner_places.c (sandboxes), runner_train.c (the chain of jobs of a
 * train workload), runner_command.c (programs), runner_values.c (numbers that a run leaves), runner_trust.c
 * (whose numbers count), runner_record.c (how to do it again). */
#ifndef ASSAY_CORE_STUDY_RUNNER_INTERNAL_H
#define ASSAY_CORE_STUDY_RUNNER_INTERNAL_H

#include "registry/registry.h"
#include "job/data_job.h"
#include "job/job_input.h"
#include "job/predict_job.h"
#include "job/procedures.h"
#include "study/runner.h"
#include "job/score_job.h"
#include "job/train_job.h"

#include <poll.h>

enum {
    RUN_MOST_JOBS = 8,
    RUN_MOST_VALUES = 100000,
    RUN_MOST_NAMES = 256,
    RUN_NEWS = 64 /* that wait, of who can be made to */
};

/* Where jobs run: each place has a fork server of its own, since a worker can see all inputs of its sandbox. */
typedef enum runner_place {
    PLACE_DATA, /* opens the data themselves: what loads packs, and runs whose data are in none */
    PLACE_TRAIN, /* plans and trainers, with packs that have no test part */
    PLACE_PREDICT, /* inputs without targets */
    PLACE_SCORE, /* targets, and nobody's plugins but assay's */
    N_PLACES,
} runner_place;

enum { MOST_PACKS = 16 };

/* The data of some runs, loaded once. */
typedef struct data_pack {
    char key[33];
    load_head head;
    char name[N_PACKS][32]; /* of the inputs */
    sandbox_job *job; /* whose result they are; NULL when nobody needs it any more */
} data_pack;

/* A plan, made once for what it depends on. */
typedef struct run_plan {
    struct run_plan *next;
    char key[33];
    run *maker; /* who makes it; NULL: it is made */
    train_plan is;
} run_plan;

/* A file's hash, made once. */
typedef struct file_hash {
    struct file_hash *next;
    const char *path;
    char hash[33];
} file_hash;

struct runner {
    arena memory;
    const declaration *declaration;
    runner_options options;
    procedure procedures[STUDY_MOST_PROCEDURES]; // [n_procedures]
    size_t n_procedures;
    sandbox *places[N_PLACES]; /* NULL: not needed */
    sandbox_level level; /* in effect */
    const char *self; /* our own program, by which commands are started */
    const char *const *programs; // [n_workloads] of commands: the file to run
    data_pack packs[MOST_PACKS]; // [n_packs]
    size_t n_packs;
    run_plan *plans;
    run *runs; /* all that were not freed, newest first */
    run *first_ended, *last_ended; /* that nobody was told of yet */
    size_t n_running;
    struct pollfd *fds; // [fds_capacity] to wait for
    size_t fds_capacity;

    /* runner_record.c */
    registry **registries; // [n_workloads], as they are needed: what lies where, nothing is loaded
    file_hash *hashes;
    char cpu[128];
};

typedef enum run_stage {
    RUN_WAITS, /* for the plan that another makes */
    RUN_PLANS,
    RUN_TRAINS,
    RUN_PREDICTS,
    RUN_SCORES,
    RUN_WORKS, /* a command */
    RUN_OVER,
} run_stage;

/* What a job of a chain took. */
typedef struct job_spent {
    const char *procedure;
    outcome_class class;
    double wall_s, cpu_s;
    uint64_t peak_bytes;
} job_spent;

/* A number that may not be there. */
typedef struct number {
    double v;
    bool has;
} number;

typedef struct command command;

struct run {
    runner *owner;
    run *next, *next_ended;
    arena memory;
    run_spec spec; /* x is a copy */
    const workload *workload;
    const contender *contender;
    run_stage stage;
    outcome_class stopped_as; /* OUTCOME_OK: nobody stopped it */
    bool is_told; /* that it ended */
    double goal; /* the fidelity that it is to reach; 0: unknown */

    /* A train workload. */
    const char **overrides; // [n_overrides]: all but the seed
    size_t n_overrides;
    config *config; /* with the overrides; NULL: they make none, as its plan will say */
    bool restores_best; /* training ends with the weights of the best check */
    const data_pack *pack; /* NULL: it opens the data itself, and is believed */
    run_plan *plan;
    train_layout layout;
    train_head head; /* of training that was successful */
    sandbox_job *job; /* under way */
    size_t n_seen; /* rows that were looked at on the way */
    sandbox_job *trained; /* as long as its weights are needed */
    predict_layout outputs;
    bool is_at_best; /* what is predicted and scored: the best weights, or the last */
    bool is_scored; /* the study's numbers are the scorer's */
    uint64_t n_shards; /* as the predictor says; 0: it was not asked */
    const char *from; /* what became of the checkpoint to go on from; NULL: there was none */

    command *command;
    char **argv; // [n_argv] of a command, filled in

    job_spent jobs[RUN_MOST_JOBS];
    size_t n_jobs;
    outcome outcome;
    run_value *values;
    size_t n_values, values_capacity, n_values_dropped;
    number value, best, judged, judged_best;
    run_news *news; // [news_at + n_news] of [news_capacity], the first ones were told
    size_t news_at, n_news, news_capacity;
    text record, log;
    run_end end;
};

/* runner.c: */

/* It is over; the outcome is copied. */
void run_over(run *n, const outcome *o);
/* The same with a class and a reason of the runner's own. */
void run_over_for(run *n, outcome_class c, const char *format, ...) PRINTF_LIKE(3, 4);
/* While opening: the next job of that sandbox that has ended. E_INTERRUPTED: that was asked for; the job runs on. */
status runner_wait_job(runner *r, sandbox *s, sandbox_job **out, error *err) MUST_CHECK;
bool run_has_room_for_news(const run *n); /* who can wait should wait otherwise */
status run_tell(run *n, double fidelity, double v, error *err) MUST_CHECK; /* RUN_REPORTED */

/* runner_values.c: */

/* Adds a number; what there is no room for is counted. The name is copied. E_NOMEM. */
status run_add_value(run *n, const run_value *v, error *err) MUST_CHECK;
/* What training says of itself: its curves, and the study's numbers as far as it knows them. */
status run_take_rows(run *n, const train_row *rows, error *err) MUST_CHECK;
/* Whether the study's numbers are there and finite; false: *o says what is wrong. */
bool run_is_valued(const run *n, outcome *o);

/* The same of a scorer. */
status run_take_scores(run *n, const score_row *rows, size_t n_rows, error *err) MUST_CHECK;

/* runner_overrides.c: overrides in order, and the config that they make. */
status overrides_write(run *n, error *err) MUST_CHECK;
/* That key of the config's `train`; NULL: it is not there, or there is no config. */
const value *run_setting(const run *n, const char *key);
/* The same as a number above 0. */
double run_setting_real(const run *n, const char *key, double otherwise);

/* runner_plan.c: */

/* With the plan at hand or not: train_start now or when it is there. */
status plan_find(run *n, error *err) MUST_CHECK;
void plan_take(run *n, const sandbox_job *j);
/* The run is over or freed: nobody waits for a plan that it was to make. */
void plan_release(run *n);
status plan_cost(
    runner *r, size_t workload, const char *const *o, size_t n, double *out, error *err) MUST_CHECK;
/* Whether the workloads can be run at all. */
status plans_check(runner *r, error *err) MUST_CHECK;

/* runner_train.c: */
status train_begin(run *n, error *err) MUST_CHECK;
status train_start(run *n, error *err) MUST_CHECK;
/* Its job has ended; freed here. */
void train_go_on(run *n, sandbox_job *j);
status train_look(run *n, error *err) MUST_CHECK; /* at what it tells on the way */
void train_release(run *n);
job_input train_input(const run *n);
/* A job whose end is train_go_on's. */
status train_start_job(run *n, runner_place place, const char *what, const job_input *in,
    const sandbox_call *of, error *err) MUST_CHECK;
/* A run whose next job cannot even be started. */
void train_go_on_or_end(run *n, status st, const error *err);

/* runner_score.c: what the weights are worth. */
bool score_can(const run *n);
status score_start(run *n, error *err) MUST_CHECK; /* with n->trained */
void score_take(run *n, sandbox_job *j); /* of stages PREDICTS and SCORES; frees it */

/* runner_checkpoint.c: */
status checkpoint_keep(run *n, const sandbox_job *j, error *err) MUST_CHECK;
/* The bytes to go on from, on the heap; none where there is no whole checkpoint: then the run begins anew, which comes to the same. */
status checkpoint_find(run *n, char **out, size_t *out_n, error *err) MUST_CHECK;

/* runner_trust.c: E_CONFLICT where the study's metric is a third party's. */
status trust_check(runner *r, error *err) MUST_CHECK;

/* runner_data.c: */
status packs_load(runner *r, error *err) MUST_CHECK;
/* That of a config; NULL: it is in none. E_NOMEM. */
status pack_find(const runner *r, config *c, const data_pack **out, error *err) MUST_CHECK;

/* runner_places.c: opens the sandboxes of train workloads, and what their workers may read. */
status places_open(runner *r, error *err) MUST_CHECK;
/* The config of a workload with overrides after its own. */
status workload_config(
    const workload *w, const char *const *overrides, size_t n, config **out, error *err) MUST_CHECK;

/* runner_command.c: */

/* Finds the programs and looks through their words. */
status commands_open(runner *r, error *err) MUST_CHECK;
void command_begin(run *n);
enum { COMMAND_FDS = 3 };
/* What to wait for; and until when at most: *until_s is made earlier. */
size_t command_wait(const run *n, struct pollfd out[COMMAND_FDS], double *until_s);
/* Reads, watches limits, and ends it. */
void command_turn(run *n);
void command_stop(run *n);
void command_release(run *n);

/* runner_record.c: */
status record_open(runner *r, error *err) MUST_CHECK;
void record_release(runner *r);
/* Into n->record. */
status record_make(run *n, error *err) MUST_CHECK;

#endif
