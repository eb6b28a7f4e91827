/* What the fork server holds and its workers inherit. Private to the room. */
#ifndef ASSAY_CORE_SANDBOX_SERVER_H
#define ASSAY_CORE_SANDBOX_SERVER_H

#include "base/arena.h"
#include "sandbox/channel.h"
#include "sandbox/fatal.h"
#include "sandbox/wire.h"

enum { MOST_PROCEDURES = 32 };

typedef struct server_input {
    char name[NAME_BYTES];
    const void *data; // [n]
    size_t n;
} server_input;

struct server_setup {
    const procedure *procedures; // [n_procedures]
    size_t n_procedures;
    void *prepared[MOST_PROCEDURES];
    server_input inputs[MOST_INPUTS];
    size_t n_inputs;
    int ruleset; /* Landlock; -1: none */
    int pid; /* of the fork server */
    sandbox_state state;
};

/* What this machine has; `pretend_lacking` takes from it. */
void sandbox_look(sandbox_state *s, uint32_t pretend_lacking);

/* Runs what all procedures prepare. */
status server_prepare(server_setup *s, error *err) MUST_CHECK;
void server_release(server_setup *s);

struct worker_io {
    status_page *page;
    unsigned char *result; // [n_result]
    size_t n_result;
    sandbox_level level;
    sandbox_limits limits;
    int pid;
    size_t i_procedure;
    const server_setup *server;
    fatal_context *fatal; /* NULL at level none */
    arena memory; /* of worker_guarded at level none */
    channel channel; /* fd is -1 where there is none */
};

/* The procedure of that name; -1: there is none. */
int procedure_find(const procedure *p, size_t n, const char *name);

/* In the forked process: confines it, runs the job's procedure and ends the process. fds: result, log, and the channel where the job
 * has one. */
_Noreturn void worker_main(
    const server_setup *s, const job_message *job, const void *input, const int *fds);

/* The procedure with what is checked after it; its results are on the page. */
void worker_run(worker_io *io, const void *input, size_t n);

/* Steps of confinement; process and strict. */
status confine_limits(const sandbox_limits *l, error *err) MUST_CHECK;
/* No privileges, no way to new ones; nobody where the user is root. The capability to read what permissions forbid is kept for
 * stage A in that case, since Landlock decides then what may be read. */
status confine_privileges(bool is_root, error *err) MUST_CHECK;
/* Without any capability at all. */
status confine_drop(error *err) MUST_CHECK;
/* Dies with its parent, which must still be `parent`. */
status confine_to_parent(int parent, error *err) MUST_CHECK;
/* Closes every descriptor from `first` on. */
void confine_close_from(int first);

#endif
