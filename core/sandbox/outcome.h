/* What became of a job, and why: the one place where the facts about a dead process become a class and a sentence. */
#ifndef ASSAY_CORE_SANDBOX_OUTCOME_H
#define ASSAY_CORE_SANDBOX_OUTCOME_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values are written into stores: never renumber. 1 to 17 are results of the plugins that ran; 18 and 19 never are: the job
 * is run again; 20 and 21 are what the study decided. */
typedef enum outcome_class {
    OUTCOME_OK = 0,
    OUTCOME_PLUGIN_ERROR = 1, /* the procedure said no: its message is the reason */
    OUTCOME_LOAD_FAILED = 2, /* a plugin could not be loaded, or was refused */
    OUTCOME_CRASH = 3, /* a signal: which, where, in which phase and step */
    OUTCOME_STACK_OVERFLOW = 4,
    OUTCOME_EARLY_EXIT = 5, /* the process ended itself before the procedure was done */
    OUTCOME_TIMEOUT = 6, /* wall clock or stall */
    OUTCOME_CPU_LIMIT = 7,
    OUTCOME_MEMORY_LIMIT = 8,
    OUTCOME_VIOLATION = 9, /* a system call that the level forbids */
    OUTCOME_OUT_OF_BOUNDS = 10, /* memory beside an array of the worker */
    OUTCOME_NONFINITE = 11, /* training diverged: NaN or infinity, told by the trainer itself */
    OUTCOME_FLOAT_MODE = 12, /* a plugin changed how the processor computes */
    OUTCOME_THREAD_LEAK = 13,
    OUTCOME_LEFTOVER = 14, /* processes outlived the worker (and were ended) */
    OUTCOME_NONLOCAL = 15, /* kept for plugins that write another's chunk; not told yet */
    OUTCOME_RESULT_INVALID = 16, /* said to be done, but what it left is not whole */
    OUTCOME_OUTPUT_LIMIT =
        17, /* a file beyond its limit; a full log alone is the flag log_is_full */
    OUTCOME_LOST = 18, /* host, fork server or machine died */
    OUTCOME_HOST_ERROR = 19, /* the worker could not be set up, or assay itself broke a rule */
    OUTCOME_CANCELLED = 20,
    OUTCOME_PRUNED = 21,
    N_OUTCOMES,
} outcome_class;

/* "ok", "crash", "memory limit" ...; NULL for a number that is none. */
const char *outcome_name(outcome_class c);

/* What a worker is at; it says so itself, so it is a hint. In START and FINISH only assay's own code runs. */
typedef enum worker_phase {
    PHASE_START,
    PHASE_LOAD, /* plugins: constructors, entry functions, validate, create */
    PHASE_PLAN, /* the data are read, layers and optimizer are planned */
    PHASE_STEP, /* training, or whatever the procedure repeats */
    PHASE_EVALUATE,
    PHASE_FINISH,
    N_PHASES,
} worker_phase;

/* "start", "load" ... */
const char *phase_name(worker_phase p);

enum { OUTCOME_TEXT_BYTES = 320, OUTCOME_MODULE_BYTES = 64, DOING_BYTES = 48 };

typedef struct outcome {
    outcome_class class;
    char text
        [OUTCOME_TEXT_BYTES]; /* one line, printable ASCII: "segmentation fault in momentum.so+0x1139, phase step, step 20" */
    worker_phase phase; /* as the worker last said */
    uint64_t step;
    int signal; /* that ended it; 0: none */
    int exit_code; /* where it exited; -1 otherwise */
    int code; /* what the procedure returned */
    int violation; /* number of the forbidden system call; -1: none, or unknown */
    char module
        [OUTCOME_MODULE_BYTES]; /* file name of the plugin in which it happened; "": unknown */
    uint64_t offset; /* in that file */
    char doing
        [DOING_BYTES]; /* of a job with a channel: what it was asked last, "ask 17"; "" otherwise */
    double wall_s, cpu_s; /* host's clock; the kernel's count */
    uint64_t peak_bytes; /* of resident memory, the kernel's count */
    uint32_t n_leftover; /* processes that were swept after it */
    bool log_is_full;
} outcome;

/* Whether it says something of the plugins (1 to 17), and not of the machine. */
bool outcome_is_result(outcome_class c);

/* Whether it was ended from outside: LOST, or by a SIGKILL that no limit explains (kill -9, the kernel out of memory). A worker can do
 * the latter to itself, so whoever runs it again counts how often. */
bool outcome_is_loss(const outcome *o);

#endif
