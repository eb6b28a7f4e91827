/* Whether strict holds on this machine, tried and not asked: each probe does in a worker what must not succeed.
 *
 * Some sandboxes report success and are not there. So the verdict is the host's: a probe is denied if the kernel ended the
 * worker for it, or the worker says that it got an error. */
#define _GNU_SOURCE
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Where the worker's own finding goes: 0 it was refused, with the error; 1 it worked. */
typedef struct finding {
    int32_t worked, error;
} finding;

/* Of ~/.ssh, or of the home folder, or of a file that every system has. */
static int read_private(void)
{
    char path[4096];
    const char *home = getenv("HOME");
    const char *const places[] = { "/.ssh", "", NULL };
    for (size_t i = 0; home && places[i]; i++) {
        snprintf(path, sizeof path, "%s%s", home, places[i]);
        if (open(path, O_RDONLY | O_CLOEXEC) >= 0) return 1;
    }
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static int open_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0;
}

static int make_process(void)
{
    const pid_t pid = fork();
    while (pid == 0)
        (void)syscall(SYS_exit_group, 0);
    return pid > 0;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) == 0;
}

static int write_here(void)
{
    const int fd = open("assay-probe", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) (void)unlink("assay-probe");
    return fd >= 0;
}

static int trace_parent(void)
{
    return syscall(SYS_ptrace, 0x4206 /* PTRACE_SEIZE */, getppid(), 0, 0) == 0;
}

static const struct probe {
    const char *what;
    int (*attempt)(void);
} probes[N_PROBES] = { { "read files of the user", read_private }, { "open a socket", open_socket },
    { "start a process", make_process }, { "signal the parent", signal_parent },
    { "write into the working folder", write_here }, { "trace the parent", trace_parent } };

static int run(const void *input, size_t n, worker_io *io)
{
    size_t room;
    uint32_t i = N_PROBES;
    finding f;
    void *out = worker_result(io, &room);
    if (n == sizeof i) memcpy(&i, input, n);
    if (i >= N_PROBES || room < sizeof f) {
        return worker_refuse(io, OUTCOME_HOST_ERROR, "no such probe");
    }
    worker_at(io, PHASE_LOAD, 0);
    errno = 0;
    f.worked = probes[i].attempt();
    f.error = errno;
    memcpy(out, &f, sizeof f);
    return 0;
}

const procedure probe_procedure = { "probe", run, NULL, NULL };

static status run_one(sandbox *s, uint32_t i, sandbox_probe *out, error *err)
{
    const sandbox_call call = { .level = SANDBOX_STRICT,
        .procedure = "probe",
        .input = &i,
        .n_input = sizeof i,
        .result_bytes = sizeof(finding) };
    sandbox_job *j;
    finding f;
    size_t n;
    status st = sandbox_start(s, &call, &j, err);
    if (st == OK) st = sandbox_wait(s, -1, &j, err);
    if (st != OK) return st;
    const outcome *o = job_outcome(j);
    memcpy(&f, job_result(j, &n), sizeof f);
    out->what = probes[i].what;
    out->is_denied = o->class == OUTCOME_VIOLATION || (o->class == OUTCOME_OK && f.worked == 0);
    if (o->class == OUTCOME_OK) {
        snprintf(
            out->text, sizeof out->text, "%s", f.worked == 0 ? strerror(f.error) : "it worked");
    } else {
        snprintf(out->text, sizeof out->text, "%.95s", o->text);
    }
    job_free(j);
    return OK;
}

status sandbox_run_probes(sandbox *s, sandbox_probe out[N_PROBES], error *err)
{
    for (uint32_t i = 0; i < N_PROBES; i++) {
        const status st = run_one(s, i, &out[i], err);
        if (st != OK) return st;
    }
    return OK;
}
