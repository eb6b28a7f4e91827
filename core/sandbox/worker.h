/* What runs in a worker: procedures, and what they may ask.
 *
 * A procedure is a C function with a name. It runs in a process of its own (level none: in the host's), reads its input, and
 * leaves what it made in the result region. Nothing it says is believed but what the host can check.
 *
 * At level strict there are two stages. A: until worker_plugins_loaded, files that were declared readable may be opened and
 * code may be mapped. B: from then on memory can be had and time be read, and that is all. */
#ifndef ASSAY_CORE_SANDBOX_WORKER_H
#define ASSAY_CORE_SANDBOX_WORKER_H

#include "sandbox/outcome.h"

typedef struct worker_io worker_io;
typedef struct server_setup server_setup;

typedef struct procedure {
    const char *name; /* at most 31 characters */
    /* 0 is success. Another number is an error of the plugin, and worker_refuse has said why. Returning is being done: the
     * process ends at once, without atexit and destructors. */
    int (*run)(const void *input, size_t n, worker_io *io);
    /* Once, in the fork server, before it forks: what all workers share, found again by worker_prepared. It must run no
     * plugin code. May be NULL. */
    status (*prepare)(server_setup *s, void **out, error *err);
    void (*release)(void *prepared); /* what prepare made, at the end; may be NULL */
} procedure;

/* -- While the fork server starts -- */

/* Strict workers may read this file or everything below this folder (as far as the user may); a path that is not there is passed over. */
status server_allow_read(server_setup *s, const char *path, error *err) MUST_CHECK;

/* -- In a procedure -- */

/* What is being done. Cheap: two stores. The host reads it for stalls and for reasons. Steps count from 1; 0: none. */
void worker_at(worker_io *io, worker_phase phase, uint64_t step);

/* The step alone, for who counts them elsewhere: store into it as steps begin. */
_Atomic uint64_t *worker_step(worker_io *io);

/* All plugins are loaded and all files are open: stage B begins. Fails where the kernel refuses; end the procedure then. At
 * the other levels it does nothing. */
status worker_plugins_loaded(worker_io *io, error *err) MUST_CHECK;

/* The result region, [n] bytes, every one 0xff at first (so floats are NaN): write it in place. */
void *worker_result(worker_io *io, size_t *out_n);

/* A read-only input that the host handed to the fork server, by name; NULL: there is none. */
const void *worker_input(const worker_io *io, const char *name, size_t *out_n);

/* What `prepare` made. */
void *worker_prepared(const worker_io *io);

/* -- A job that stays and talks (sandbox_call.has_channel) -- */

enum { CHANNEL_MOST_BYTES = 16 << 20 }; /* of one message */

/* The next message of the host, whole; waits for it. Borrowed until the next call. NULL: the host wants no more; end then. */
const void *worker_receive(worker_io *io, size_t *out_n);

/* Sends a message; waits until the host has room for it. False: it is too long, or the host wants no more. */
bool worker_send(worker_io *io, const void *bytes, size_t n);

/* Why the procedure gives up, and in which class: OUTCOME_PLUGIN_ERROR, _LOAD_FAILED, _NONFINITE, _FLOAT_MODE or _HOST_ERROR
 * (others count as PLUGIN_ERROR). Returns 1. */
int worker_refuse(worker_io *io, outcome_class c, const char *format, ...) PRINTF_LIKE(3, 4);

/* Zeroed memory that ends at a page that cannot be touched and begins after another: `bytes` lie at the end, up to 63 bytes of
 * padding aside, which are watched. Who touches what is beside it is OUT_OF_BOUNDS. Freed with the process. NULL: none left. */
void *worker_guarded(worker_io *io, const char *name, size_t bytes);

/* Whether this is a process of its own; false at level none, where nothing of one job may stay for the next. */
bool worker_is_forked(const worker_io *io);

/* How many threads the call allows; 1: no further one can be made. */
unsigned worker_threads(const worker_io *io);

#endif
