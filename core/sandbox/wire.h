/* What host, fork server and worker know of each other: messages over the SEQPACKET socket, and the page that a worker writes
 * about itself in front of its result.
 *
 * All three are the same program file, so structs travel as they are. The host checks every number that it takes from the
 * page, since plugins can write it, too. */
#ifndef ASSAY_CORE_SANDBOX_WIRE_H
#define ASSAY_CORE_SANDBOX_WIRE_H

#include "sandbox/sandbox.h"

#include <stdatomic.h>
#include <sys/resource.h>

enum {
    NAME_BYTES = 32,
    MOST_INPUTS = 16,
    MOST_MESSAGE = 65536, /* bytes of one message */
    MOST_INLINE = 32768, /* of a job's input in the message itself; more goes through a memfd */
    MOST_FDS = MOST_INPUTS,
    PAGE_BYTES = 4096, /* of the status page; the result region follows it */
    REFUSAL_BYTES = 240,
};

typedef enum message_kind {
    MESSAGE_SET_UP = 1, /* host: what all jobs share */
    MESSAGE_READY, /* server: what the machine has; or why it cannot start */
    MESSAGE_JOB, /* host: do this */
    MESSAGE_STARTED, /* server: with the worker's pidfd */
    MESSAGE_ENDED, /* server: the kernel's words about it */
} message_kind;

/* Followed by the readable paths, each with its NUL; the inputs' memfds go along. */
typedef struct set_up_message {
    message_kind kind;
    uint32_t pretend_lacking;
    uint32_t n_inputs;
    char input_name[MOST_INPUTS][NAME_BYTES];
    uint64_t input_bytes[MOST_INPUTS];
    uint64_t path_bytes;
} set_up_message;

typedef struct ready_message {
    message_kind kind;
    status code; /* OK, or `text` says why not */
    sandbox_state state;
    char text[ERROR_TEXT_BYTES];
} ready_message;

/* Followed by the input, where it is short. Descriptors: result, log, the worker's end of its channel where it has one, and the
 * input's memfd where it is long. */
typedef struct job_message {
    message_kind kind;
    sandbox_level level; /* in effect */
    uint64_t id;
    char procedure[NAME_BYTES];
    uint64_t n_input, result_bytes;
    uint32_t has_channel, has_input_file;
    sandbox_limits limits;
} job_message;

typedef struct started_message {
    message_kind kind;
    int pid; /* -1: it could not be forked, and ended comes next */
    uint64_t id;
    double at_s; /* when: the host may read this much later, even after the end */
} started_message;

typedef struct ended_message {
    message_kind kind;
    int status; /* as waitpid gives it */
    uint64_t id;
    uint32_t n_leftover;
    int fork_errno; /* not 0: there never was a process */
    struct rusage used;
    double at_s;
} ended_message;

/* Sends bytes and descriptors as one message; waits while the socket is full. */
status wire_send(int socket, const void *head, size_t n_head, const void *tail, size_t n_tail,
    const int *fds, size_t n_fds, error *err) MUST_CHECK;

typedef struct wire_message {
    _Alignas(16) char bytes[MOST_MESSAGE];
    size_t n; /* 0: the other side is gone */
    int fds[MOST_FDS]; // [n_fds], close-on-exec, the taker's to close
    size_t n_fds;
} wire_message;

/* Takes one message; waits for it. A message that was cut off is E_CORRUPT. */
status wire_take(int socket, wire_message *m, error *err) MUST_CHECK;
void wire_close_fds(wire_message *m);

/* A memfd of `bytes`, close-on-exec; *out_map is its shared mapping where asked for. */
status memfd_new(
    const char *name, size_t bytes, int *out_fd, void **out_map, error *err) MUST_CHECK;

/* What a worker says of itself. */
typedef struct status_page {
    _Atomic uint32_t phase;
    _Atomic uint64_t step;
    _Atomic uint32_t done;
    int32_t code; /* what the procedure returned */
    uint32_t class; /* with code: worker_refuse */
    char text[REFUSAL_BYTES];

    /* By the signal handler. */
    uint32_t signal;
    int32_t violation; /* a number of a system call, plus one; 0: none */
    uint64_t address, pc, sp;
    char module[OUTCOME_MODULE_BYTES];
    uint64_t offset;
    uint32_t guard; /* 1: the address lies in a guard page */
    char guarded[NAME_BYTES]; /* of which array */
} status_page;

_Static_assert(sizeof(status_page) <= PAGE_BYTES, "the status page is one page");

/* What is known when a process has ended. */
typedef struct outcome_facts {
    int status; /* waitpid's */
    int fork_errno;
    bool is_lost; /* fork server or host died */
    outcome_class asked; /* job_end's; OUTCOME_OK: nobody asked */
    outcome_class limit; /* what the host ended it for; OUTCOME_OK: nothing */
    bool is_stall; /* of OUTCOME_TIMEOUT */
    double call_s; /* of OUTCOME_TIMEOUT: how long an answer was waited for; 0: it was no call */
    const char
        *doing; /* of a job with a channel: what it was asked last, "ask 17"; NULL: nothing */
    struct rusage used;
    double wall_s;
    uint64_t peak_bytes; /* the host's poll and the kernel's count */
    uint32_t n_leftover;
    bool log_is_full;
    sandbox_level level;
    sandbox_limits limits;
    const float *finite; // [n_finite]
    size_t n_finite;
    const volatile status_page *page;
} outcome_facts;

void outcome_judge(const outcome_facts *f, outcome *out);

/* "openat"; "system call 425" for one that is not in the table, in `out`. */
const char *system_call_name(int nr, char out[32]);

#endif
