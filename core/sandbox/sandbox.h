/* Runs procedures in processes that harm nothing but themselves.
 *
 *   host --SEQPACKET--> fork server --fork--> worker, one for each job
 *
 * The host is the process that calls this; it never loads a plugin. The fork server is the host's own program, started by
 * posix_spawn with the words `--fork-server FD`: single-threaded, BLAS pool closed, no plugin in it. For each job it forks a
 * worker, which confines itself, runs one procedure (sandbox/worker.h) and ends.
 *
 * What the host believes: the kernel's wait status and counts, its own clock, and a result region whose size it set and which
 * was NaN throughout when the job began. What the worker says of itself is a hint for messages.
 *
 *   sandbox_open -> (sandbox_start -> sandbox_wait -> job_outcome, job_result -> job_free)* -> sandbox_close
 *
 * One thread uses a sandbox; the thread that opened it must live as long as it (a fork server dies with it). */
#ifndef ASSAY_CORE_SANDBOX_SANDBOX_H
#define ASSAY_CORE_SANDBOX_SANDBOX_H

#include "base/text.h"
#include "sandbox/outcome.h"
#include "sandbox/worker.h"

/* none     the procedure runs in this process, at once, without limits: for gdb and perf
 * process  a process with limits on memory, time, files and output. Good against accidents; no promise against intent: files,
 *          network and other processes are open to it
 * strict   also seccomp and Landlock, no privileges, as nobody where the host is root. Needs Linux on x86-64 or aarch64 with
 *          both; where one is missing a job is refused with what is missing, never run with less */
typedef enum sandbox_level { SANDBOX_NONE, SANDBOX_PROCESS, SANDBOX_STRICT } sandbox_level;

const char *sandbox_level_name(sandbox_level l);
status sandbox_level_read(const char *name, sandbox_level *out, error *err) MUST_CHECK;

typedef struct sandbox_limits {
    uint64_t memory_bytes; /* beyond what the fork server already has */
    double wall_s;
    double stall_s; /* without a new phase or step, but in PLAN, where data are read; 0: no limit */
    double cpu_s; /* 0: none beside wall_s */
    uint32_t n_threads; /* in all; 1 forbids making any */
    size_t log_bytes; /* standard output and standard error together; what is beyond is lost */
} sandbox_limits;

/* 512 MiB, 60 s, stall 10 s, cpu 120 s, one thread, 64 KiB. */
extern const sandbox_limits sandbox_default_limits;

/* Shared read-only bytes: copied into a sealed memfd once, mapped by every worker. */
typedef struct sandbox_input {
    const char *name; /* at most 31 characters */
    const void *data; // [n]
    size_t n;
} sandbox_input;

/* What a kernel is without, as bits: for tests of the refusal. */
enum { LACKS_SECCOMP = 1, LACKS_LANDLOCK = 2, LACKS_ARCHITECTURE = 4 };

typedef struct sandbox_options {
    const char
        *program; /* its main calls fork_server_main on `--fork-server`; NULL: /proc/self/exe */
    const procedure *procedures; // [n_procedures], for level none; the program has its own table
    size_t n_procedures;
    const char *const *readable; /* files and folders that strict workers may read before stage B;
                                    NULL-terminated; may be NULL */
    const sandbox_input *inputs; // [n_inputs], at most 16
    size_t n_inputs;
    uint32_t pretend_lacking; /* LACKS_... */
    bool
        is_late; /* the first job that needs the fork server starts it, if any does; until then the state is empty */
} sandbox_options;

/* What the fork server found on this machine. */
typedef struct sandbox_state {
    int landlock_abi; /* 0: no Landlock */
    bool has_seccomp; /* filters may be installed */
    bool knows_architecture;
    bool is_root; /* strict workers become nobody */
    bool
        is_instrumented; /* AddressSanitizer and its like: strict is not possible, and is reported as process */
    char lacking[160]; /* why strict is refused; "": it is not */
} sandbox_state;

typedef struct sandbox sandbox;
typedef struct sandbox_job sandbox_job;

/* Starts the fork server and waits until it is ready, but where the options say later. */
status sandbox_open(const sandbox_options *o, sandbox **out, error *err) MUST_CHECK;
/* Ends every job and the fork server; jobs that were not freed are. */
void sandbox_close(sandbox *s);
const sandbox_state *sandbox_get_state(const sandbox *s);
/* For tests and messages; changes when it had to be started anew. */
int sandbox_server_pid(const sandbox *s);

/* One job. */
typedef struct sandbox_call {
    sandbox_level level;
    const char *procedure;
    const void *input; // [n_input]
    size_t n_input;
    size_t result_bytes;
    /* Floats that must all be finite when the procedure was successful, n_finite of them from byte finite_at (a multiple of
     * 4): RESULT_INVALID otherwise. */
    size_t finite_at, n_finite;
    const sandbox_limits *limits; /* NULL: the default ones */
    /* It stays and talks: by job_send and job_receive, and worker_receive and worker_send. There is no limit on its time as a whole
     * (wall_s, stall_s and cpu_s are passed over); each call has its own. Not at level none. */
    bool has_channel;
    void *self; /* job_self gives it back */
} sandbox_call;

/* Begins a job; level none runs it here and now. E_UNSUPPORTED: strict, and the machine lacks what it needs. E_RANGE: a result beyond half of the
 * machine's memory, or floats that are not within it. A fork server that died is started anew. */
status sandbox_start(sandbox *s, const sandbox_call *c, sandbox_job **out, error *err) MUST_CHECK;

/* The next job that has ended, waiting up to timeout_s (below 0: as long as it takes); *out is NULL where none did. Enforces all limits, so call
 * it again soon while jobs run (it need not be at once: a limit is then noticed later). */
status sandbox_wait(sandbox *s, double timeout_s, sandbox_job **out, error *err) MUST_CHECK;
/* Jobs that run, those with a channel aside: sandbox_wait never gives these. */
size_t sandbox_n_running(const sandbox *s);

/* -- A job that stays and talks -- */

/* Sends a message of at most CHANNEL_MOST_BYTES. `what` is asked for by it, for the outcome's text ("ask 17"). A job that has not taken it
 * after timeout_s is ended: TIMEOUT. That it has ended, or does, is no error here: job_receive tells it. */
status job_send(sandbox_job *j, const char *what, const void *bytes, size_t n, double timeout_s,
    error *err) MUST_CHECK;

/* The next message, borrowed until the next call; *out is NULL where the job has ended instead: job_outcome says how. One that says nothing
 * for timeout_s is ended: TIMEOUT. E_CORRUPT: it begins a message that is too long; job_end it then. Other jobs' limits are enforced
 * meanwhile. */
status job_receive(
    sandbox_job *j, double timeout_s, const void **out, size_t *out_n, error *err) MUST_CHECK;
/* For who waits for other things, too: readable where sandbox_wait(s, 0, ...) may have news; call that every 25 ms besides, for
 * limits. Changes as the server's pid does; -1: there is none. */
int sandbox_fd(const sandbox *s);

/* Ends a job that runs; sandbox_wait then gives it back with that class (OUTCOME_CANCELLED, _PRUNED). */
void job_end(sandbox_job *j, outcome_class c);

/* Of a job that runs: what it says that it is at. */
worker_phase job_phase(const sandbox_job *j);
uint64_t job_step(const sandbox_job *j);
int job_pid(const sandbox_job *j); /* 0: not started yet */
void *job_self(const sandbox_job *j);
/* The level in effect: process where strict was asked of an instrumented build. */
sandbox_level job_level(const sandbox_job *j);

/* Of a job that has ended; borrowed until job_free. The bytes of a result are the worker's: check whatever is read from them
 * where n_finite does not. The log has printable ASCII and newlines alone. */
const outcome *job_outcome(const sandbox_job *j);
const void *job_result(const sandbox_job *j, size_t *out_n);
/* The same while it runs: the worker may be writing, so copy what is read, and check the copy. */
static inline const void *job_peek(const sandbox_job *j, size_t *out_n)
{
    return job_result(j, out_n);
}
/* Added to `out`. */
status job_log(const sandbox_job *j, text *out, error *err) MUST_CHECK;
void job_free(sandbox_job *j);

/* The fork server itself, for main on `--fork-server FD`. Returns when the host is gone. */
int fork_server_main(int fd, const procedure *procedures, size_t n_procedures);

/* -- Whether it holds here: live probes -- */

enum { N_PROBES = 6 };

typedef struct sandbox_probe {
    const char *what; /* "read outside the declared folders", "open a socket" ... */
    bool is_denied;
    char text[96]; /* what happened */
} sandbox_probe;

/* The procedure that the probes run; in the table of `assay`. */
extern const procedure probe_procedure;

/* Tries six things that a strict worker must not be able to do, each in a worker of its own. No other job may run meanwhile. */
status sandbox_run_probes(sandbox *s, sandbox_probe out[N_PROBES], error *err) MUST_CHECK;

#endif
