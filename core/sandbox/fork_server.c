/* The fork server: takes jobs from a socket, forks a worker for each, tells how each ended.
 *
 * It has one thread and never runs a plugin's code, so a fork of it is a clean beginning. Its socket is descriptor 3. It ends
 * when the host does (the socket closes; and by its death signal), and its workers end with it (by theirs). It adopts what
 * workers leave behind, and ends that, too. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "num/gemm.h"
#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "sandbox/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum { SOCKET_FD = 3, FIRST_HIGH_FD = 10, MOST_WORKERS = 512 };

typedef struct running {
    uint64_t id;
    pid_t pid;
    int pidfd;
    sandbox_level level;
} running;

typedef struct fork_server {
    server_setup setup;
    running workers[MOST_WORKERS];
    size_t n;
    wire_message message;
} fork_server;

/* -- Setting up -- */

void sandbox_look(sandbox_state *s, uint32_t lacking)
{
    *s = (sandbox_state){ .landlock_abi = lacking & LACKS_LANDLOCK ? 0 : landlock_abi(),
        .has_seccomp = !(lacking & LACKS_SECCOMP) && filter_is_possible(),
        .knows_architecture = !(lacking & LACKS_ARCHITECTURE) && filter_knows_architecture(),
        .is_root = geteuid() == 0 };
#ifdef SANDBOX_IS_SANITIZED
    s->is_instrumented = true;
#endif
    if (!s->knows_architecture) {
        snprintf(s->lacking, sizeof s->lacking,
            "system calls of this processor are not known (x86-64 and aarch64 are)");
    } else if (!s->has_seccomp) {
        snprintf(s->lacking, sizeof s->lacking, "the kernel has no seccomp filters");
    } else if (s->landlock_abi == 0) {
        snprintf(s->lacking, sizeof s->lacking,
            "the kernel has no Landlock (Linux 5.13 or later with landlock among its `lsm=`)");
    }
}

status server_allow_read(server_setup *s, const char *path, error *err)
{
    return s->ruleset >= 0 ? landlock_allow_read(s->ruleset, path, err) : OK;
}

/* What two procedures prepare by the same function is made once. */
static bool share_prepared(server_setup *s, size_t i)
{
    for (size_t k = 0; k < i && s->procedures[i].prepare; k++) {
        if (s->procedures[k].prepare != s->procedures[i].prepare) continue;
        s->prepared[i] = s->prepared[k];
        return true;
    }
    return false;
}

status server_prepare(server_setup *s, error *err)
{
    if (s->n_procedures > MOST_PROCEDURES) {
        return fail(
            err, E_INTERNAL, "%zu procedures, where %d are most", s->n_procedures, MOST_PROCEDURES);
    }
    for (size_t i = 0; i < s->n_procedures; i++) {
        const procedure *p = &s->procedures[i];
        if (share_prepared(s, i)) continue;
        const status st = p->prepare ? p->prepare(s, &s->prepared[i], err) : OK;
        if (st != OK) return error_where(err, "preparing \"%s\"", p->name);
    }
    return OK;
}

void server_release(server_setup *s)
{
    for (size_t i = 0; i < s->n_procedures; i++) {
        void *made = s->prepared[i];
        if (made && s->procedures[i].release) s->procedures[i].release(made);
        for (size_t k = i; made && k < s->n_procedures; k++) {
            if (s->prepared[k] == made) s->prepared[k] = NULL;
        }
    }
}

/* What every program needs to load a library. */
static status allow_system(server_setup *s, error *err)
{
    static const char *const paths[] = { "/lib", "/lib64", "/usr/lib", "/usr/lib64",
        "/usr/local/lib", "/etc/ld.so.cache", "/dev/null" };
    status st = OK;
    for (size_t i = 0; st == OK && i < sizeof paths / sizeof *paths; i++)
        st = server_allow_read(s, paths[i], err);
    return st;
}

static status map_inputs(fork_server *f, const set_up_message *m, error *err)
{
    if (m->n_inputs > MOST_INPUTS || m->n_inputs != f->message.n_fds) {
        return fail(err, E_INTERNAL, "%u inputs with %zu files", m->n_inputs, f->message.n_fds);
    }
    for (size_t i = 0; i < m->n_inputs; i++) {
        server_input *in = &f->setup.inputs[i];
        const size_t n = (size_t)m->input_bytes[i];
        memcpy(in->name, m->input_name[i], sizeof in->name);
        in->n = n;
        in->data = n ? mmap(NULL, n, PROT_READ, MAP_SHARED, f->message.fds[i], 0) : "";
        if (in->data == MAP_FAILED) return fail_errno(err, errno, in->name, "mapping the input");
    }
    f->setup.n_inputs = m->n_inputs;
    wire_close_fds(&f->message);
    return OK;
}

/* High, so that a worker's own low numbers do not meet it. */
static status new_ruleset(server_setup *s, error *err)
{
    int fd;
    const status st = landlock_new(&fd, err);
    if (st != OK) return st;
    s->ruleset = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_HIGH_FD);
    close(fd);
    return s->ruleset >= 0 ? OK : fail_errno(err, errno, "Landlock", "keeping the ruleset");
}

static status set_up(fork_server *f, error *err)
{
    status st = OK;
    const set_up_message *m = (const void *)f->message.bytes;
    const char *path = f->message.bytes + sizeof *m;
    if (f->message.n < sizeof *m || m->kind != MESSAGE_SET_UP ||
        f->message.n != sizeof *m + m->path_bytes) {
        return fail(err, E_INTERNAL, "the fork server's first message is not what it must be");
    }
    const char *const end = path + m->path_bytes;
    sandbox_look(&f->setup.state, m->pretend_lacking);
    if (f->setup.state.landlock_abi > 0) TRY(new_ruleset(&f->setup, err));
    TRY(allow_system(&f->setup, err));
    for (; path < end; path += strlen(path) + 1)
        TRY(server_allow_read(&f->setup, path, err));
    TRY(map_inputs(f, m, err));
    TRY(server_prepare(&f->setup, err));
done:
    return st;
}

static status tell_ready(fork_server *f, status st, const error *why, error *err)
{
    ready_message m = { .kind = MESSAGE_READY, .code = st, .state = f->setup.state };
    if (st != OK) snprintf(m.text, sizeof m.text, "%s", why->text);
    return wire_send(SOCKET_FD, &m, sizeof m, NULL, 0, NULL, 0, err);
}

/* -- Workers -- */

static status tell_ended(const running *w, int how, const struct rusage *used, uint32_t n_leftover,
    int fork_errno, error *err)
{
    ended_message m = { .kind = MESSAGE_ENDED,
        .id = w->id,
        .status = how,
        .n_leftover = n_leftover,
        .fork_errno = fork_errno,
        .used = *used,
        .at_s = clock_wall_s() };
    return wire_send(SOCKET_FD, &m, sizeof m, NULL, 0, NULL, 0, err);
}

/* A long input comes in a file of its own. */
static const void *find_input(const fork_server *f, const job_message *job)
{
    if (!job->has_input_file) return f->message.bytes + sizeof *job;
    const int fd = f->message.fds[f->message.n_fds - 1];
    const void *at = mmap(NULL, (size_t)job->n_input, PROT_READ, MAP_SHARED, fd, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void be_worker(fork_server *f, const job_message *job)
{
    const void *input = find_input(f, job);
    if (!input) {
        for (;;)
            (void)syscall(SYS_exit_group, 121);
    }
    worker_main(&f->setup, job, input, f->message.fds);
}

static status start_worker(fork_server *f, error *err)
{
    const job_message *job = (const void *)f->message.bytes;
    const struct rusage nothing = { .ru_maxrss = 0 };
    if (f->message.n < sizeof *job || job->kind != MESSAGE_JOB ||
        f->message.n_fds != 2 + (size_t)(job->has_channel != 0) + (job->has_input_file != 0)) {
        return fail(err, E_INTERNAL, "a message that is no job");
    }
    running w = { .id = job->id, .level = job->level, .pidfd = -1, .pid = -1 };
    int why = EAGAIN;
    const double at_s = clock_wall_s();
    if (f->n < MOST_WORKERS) {
        w.pid = fork();
        why = errno;
    }
    if (w.pid == 0) be_worker(f, job);
    if (w.pid < 0) return tell_ended(&w, 0, &nothing, 0, why, err);
    w.pidfd = (int)syscall(SYS_pidfd_open, w.pid, 0);
    if (w.pidfd < 0) {
        why = errno;
        (void)kill(w.pid, SIGKILL);
        (void)waitpid(w.pid, NULL, 0);
        return tell_ended(&w, 0, &nothing, 0, why, err);
    }
    (void)fcntl(w.pidfd, F_SETFD, FD_CLOEXEC);
    f->workers[f->n++] = w;
    const started_message m = {
        .kind = MESSAGE_STARTED, .pid = (int)w.pid, .id = w.id, .at_s = at_s
    };
    return wire_send(SOCKET_FD, &m, sizeof m, NULL, 0, &w.pidfd, 1, err);
}

static bool is_worker(const fork_server *f, pid_t pid)
{
    for (size_t i = 0; i < f->n; i++) {
        if (f->workers[i].pid == pid) return true;
    }
    return false;
}

/* One look at what has been adopted: ends whatever belongs to no worker that still runs. A number that the list's room cuts off would
 * be another process's: it is left to the next look. */
static uint32_t sweep_once(const fork_server *f)
{
    char path[64], list[16384];
    uint32_t n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got = fd >= 0 ? read(fd, list, sizeof list - 1) : 0;
    if (fd >= 0) close(fd);
    list[got > 0 ? got : 0] = '\0';
    for (char *s = list, *next;; s = next) {
        const pid_t pid = (pid_t)strtol(s, &next, 10);
        if (next == s || *next != ' ') return n;
        if (is_worker(f, pid) || is_worker(f, getsid(pid))) continue;
        (void)kill(pid, SIGKILL);
        if (waitpid(pid, NULL, 0) == pid) n++;
    }
}

/* What a killed process leaves is adopted in its turn. */
static uint32_t sweep(const fork_server *f)
{
    uint32_t n = 0, more;
    int round = 0;
    do {
        more = sweep_once(f);
        n += more;
    } while (more && ++round < 1000);
    return n;
}

static status end_worker(fork_server *f, size_t i, error *err)
{
    int how = 0;
    struct rusage used = { .ru_maxrss = 0 };
    const running w = f->workers[i];
    if (wait4(w.pid, &how, 0, &used) != w.pid) {
        return fail_errno(err, errno, "a worker", "waiting for it");
    }
    close(w.pidfd);
    f->workers[i] = f->workers[--f->n];
    return tell_ended(&w, how, &used, w.level == SANDBOX_STRICT ? 0 : sweep(f), 0, err);
}

/* -- The loop -- */

/* Takes a message, or a worker that has ended. *out_over: the host is gone. */
static status turn(fork_server *f, bool *out_over, error *err)
{
    struct pollfd wait[MOST_WORKERS + 1] = { { .fd = SOCKET_FD, .events = POLLIN } };
    const size_t n = f->n;
    status st = OK;
    for (size_t i = 0; i < n; i++)
        wait[i + 1] = (struct pollfd){ .fd = f->workers[i].pidfd, .events = POLLIN };
    if (poll(wait, n + 1, -1) < 0) {
        return errno == EINTR ? OK : fail_errno(err, errno, "the fork server", "waiting");
    }
    for (size_t i = n; i-- > 0;) {
        if (wait[i + 1].revents) TRY(end_worker(f, i, err));
    }
    if (!wait[0].revents) return OK;
    TRY(wire_take(SOCKET_FD, &f->message, err));
    *out_over = f->message.n == 0;
    if (!*out_over) {
        st = start_worker(f, err);
        wire_close_fds(&f->message);
    }
done:
    return st;
}

static status serve(fork_server *f, error *err)
{
    error why;
    status st = OK;
    bool is_over = false;
    TRY(confine_to_parent((int)getppid(), err));
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) {
        TRY(fail_errno(err, errno, "the fork server", "adopting what workers leave"));
    }
    TRY(wire_take(SOCKET_FD, &f->message, err));
    if (f->message.n == 0) return OK;
    const status ready = set_up(f, &why);
    TRY(tell_ready(f, ready, &why, err));
    while (ready == OK && !is_over)
        TRY(turn(f, &is_over, err));
done:
    return st;
}

/* Where the host has none of its standard streams, numbers below 3 would come to mean something else. */
static void fill_streams(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", O_RDWR);
    }
}

int fork_server_main(int fd, const procedure *procedures, size_t n_procedures)
{
    error err;
    num_init();
    fatal_warm_up();
    fill_streams();
    if (fd != SOCKET_FD && dup2(fd, SOCKET_FD) < 0) return 1;
    confine_close_from(SOCKET_FD + 1);
    (void)fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC);
    fork_server *f = calloc(1, sizeof *f);
    if (!f) return 1;
    f->setup = (server_setup){
        .procedures = procedures, .n_procedures = n_procedures, .ruleset = -1, .pid = (int)getpid()
    };
    const status st = serve(f, &err);
    while (f->n > 0)
        (void)kill(f->workers[--f->n].pid, SIGKILL);
    (void)sweep(f);
    server_release(&f->setup);
    free(f);
    return st == OK ? 0 : 1;
}
