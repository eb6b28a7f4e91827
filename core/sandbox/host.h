/* The host's side of the room: what its files share. Private to the room. */
#ifndef ASSAY_CORE_SANDBOX_HOST_H
#define ASSAY_CORE_SANDBOX_HOST_H

#include "sandbox/channel.h"
#include "sandbox/server.h"

#include <sys/types.h>

struct sandbox_job {
    sandbox *owner;
    sandbox_job *next;
    uint64_t id;
    sandbox_call call;
    sandbox_level level; /* in effect */
    sandbox_limits limits;
    unsigned char *shared; /* status page, then the result */
    size_t shared_bytes;
    char *log; // [log_bytes], as the worker leaves it; sanitised when it is read
    channel channel; /* fd is -1 where there is none */
    char doing[DOING_BYTES]; /* of one with a channel: what it was asked last */
    int pidfd, pid;
    double begun_s, moved_s, ended_s; /* ended_s: when the host ended it; 0: it did not */
    double over_s; /* when it was no more, as the fork server says; 0: not said */
    uint32_t last_phase;
    uint64_t last_step;
    outcome_facts facts;
    outcome outcome;
    bool is_over, is_given;
};

struct sandbox {
    arena memory;
    const char *program;
    sandbox_options options;
    char *paths; // [path_bytes], readable ones, each with its NUL
    size_t path_bytes;
    int input_fds[MOST_INPUTS];
    int socket; /* -1: there is no fork server */
    pid_t server;
    sandbox_state state;
    sandbox_job *jobs;
    uint64_t next_id;
    double looked_s;
    server_setup *here; /* of level none; NULL: not needed yet */
    wire_message message;
};

/* -- sandbox.c: the fork server -- */

status host_start_server(sandbox *s, error *err) MUST_CHECK;
void host_stop_server(sandbox *s);

/* -- job.c: what becomes of jobs -- */

/* All that ran on the fork server is lost, unless the host had ended it before. */
void host_lose_server(sandbox *s);

/* Waits for news of the fork server's until `until_s`, takes them and holds all jobs to their limits. Of `also` it waits for `events`, too (-1: of
 * nothing else). */
status host_wait(sandbox *s, double until_s, int also, short events, error *err) MUST_CHECK;

/* Takes down how a job ended, and in which class. */
void host_judge(sandbox_job *j);
void host_kill(sandbox_job *j);

/* Ends a job that goes beyond a limit. */
void host_end_for(sandbox_job *j, outcome_class limit, bool is_stall);

#endif
