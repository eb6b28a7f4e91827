/* A team of threads that run numbered pieces of work together, and each worker's scratch memory.
 *
 * The caller is worker 0 and takes part. Workers spin for some microseconds and then sleep. Which worker
 * runs which piece is not fixed; what a piece computes must not depend on it. */
#ifndef ASSAY_CORE_NUM_TEAM_H
#define ASSAY_CORE_NUM_TEAM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct team team;

/* n_threads in [1, 4096]; with 1 no thread is made. `flush_denormals` is set in every worker's
 * floating-point mode, the caller's included, until team_free, which the same thread calls. Errors:
 * E_RANGE; E_NOMEM; E_IO when the system starts no more threads. */
status team_new(size_t n_threads, bool flush_denormals, team **out, error *err) MUST_CHECK;
void team_free(team *t);
size_t team_size(const team *t);

/* Whether the caller runs the rounds to come by itself while the others sleep. Between rounds only. */
void team_set_alone(team *t, bool alone);

/* Runs task(arg, i_piece) for i_piece in [0, n_pieces) and returns when all are done. Called from
 * inside a piece (or while another thread's run is under way) it runs them one after another on this
 * thread. */
typedef void (*team_task)(void *arg, size_t i_piece);
void team_run(team *t, size_t n_pieces, team_task task, void *arg);

/* The calling thread's place in the team: 0 for the caller and any thread that is no worker. */
size_t team_worker(const team *t);

/* Scratch of the calling worker: 64-byte aligned, not zeroed, valid until this worker calls
 * team_scratch_reset. Memory is kept and reused; at the end of a run all workers get room for the
 * largest need that any of them had, so after a first round nothing is allocated. NULL when memory is
 * out. */
void *team_scratch(team *t, size_t bytes);
void team_scratch_reset(team *t);

/* Gives back what this worker took last, `bytes` as it was asked for; anything else stays until the reset. */
void team_scratch_return(team *t, const void *memory, size_t bytes);

/* Between enter and leave the calling worker's scratch is another one, for work that is done on behalf of a
 * callback whose own scratch must last. One deep: enter is not called again before leave. */
void team_scratch_enter(team *t);
void team_scratch_leave(team *t);

/* How many cores this process may use (affinity and cgroup quota), at least 1. */
size_t team_cores(void);

#endif
