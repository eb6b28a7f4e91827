/* A worker: a forked process that confines itself step by step and then runs one procedure.
 *
 * Order matters. The result is mapped and /proc/self/maps opened while files can be; the parent is checked after the user has
 * changed, since that clears the death signal; Landlock comes before seccomp, whose filter does not know its calls; resource
 * limits come before both. Only then does a procedure run and load what is not ours. */
#define _GNU_SOURCE
#include "base/text.h"
#include "num/float_mode.h"
#include "sandbox/filter.h"
#include "sandbox/landlock.h"
#include "sandbox/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MAPS_FD = 3, CHANNEL_FD = 4, CANARY = 0xa5 };

static void end_process(int code)
{
    (void)syscall(SYS_exit_group, code);
}

/* -- Confinement -- */

/* Status page and result between two pages that cannot be touched. */
static status map_result(worker_io *io, int fd, size_t n, error *err)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t bytes = (PAGE_BYTES + n + page - 1) / page * page;
    unsigned char *room =
        mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED) return fail_nomem(err, "the result");
    void *at = mmap(room + page, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
    if (at == MAP_FAILED) return fail_errno(err, errno, "the result", "mapping it");
    io->page = at;
    io->result = room + page + PAGE_BYTES;
    io->n_result = n;
    return OK;
}

static status take_streams(int log_fd, error *err)
{
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0) return fail_errno(err, errno, "/dev/null", "opening");
    if (dup2(null, 0) < 0 || dup2(log_fd, 1) < 0 || dup2(log_fd, 2) < 0) {
        return fail_errno(err, errno, "the log", "making it the standard output");
    }
    return OK;
}

/* Descriptors 0 to 3 are what remains, and 4 of a job with a channel; 3 was the fork server's socket. */
static status open_maps(error *err)
{
    const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, errno, "/proc/self/maps", "opening");
    if (fd != MAPS_FD && dup2(fd, MAPS_FD) < 0) {
        return fail_errno(err, errno, "/proc/self/maps", "keeping it open");
    }
    return OK;
}

static status keep_channel(worker_io *io, int fd, error *err)
{
    io->channel = (channel){ .fd = fd };
    if (fd < 0 || fd == CHANNEL_FD) return OK;
    if (dup2(fd, CHANNEL_FD) < 0) return fail_errno(err, errno, "the channel", "keeping it open");
    io->channel.fd = CHANNEL_FD;
    return OK;
}

/* All that no worker may have. */
static void close_others(const worker_io *io)
{
    confine_close_from(io->channel.fd < 0 ? MAPS_FD + 1 : CHANNEL_FD + 1);
}

static status confine_strictly(const worker_io *io, error *err)
{
    status st = OK;
    TRY(confine_privileges(io->server->state.is_root, err));
    TRY(confine_to_parent(io->server->pid, err));
    TRY(landlock_enter(io->server->ruleset, err));
    close_others(io);
    TRY(filter_install(FILTER_LOADING, io->pid, io->limits.n_threads > 1, err));
done:
    return st;
}

static status confine(worker_io *io, const job_message *job, const int *fds, error *err)
{
    status st = OK;
    (void)setsid();
    TRY(confine_to_parent(io->server->pid, err));
    TRY(take_streams(fds[1], err));
    TRY(open_maps(err));
    TRY(keep_channel(io, job->has_channel ? fds[2] : -1, err));
    io->fatal = fatal_watch(io->page, MAPS_FD, err);
    if (!io->fatal) TRY(err->code);
    TRY(confine_limits(&io->limits, err));
    if (io->level == SANDBOX_STRICT) {
        TRY(confine_strictly(io, err));
    } else {
        close_others(io);
    }
done:
    return st;
}

/* -- The procedure, and what is checked after it -- */

/* Threads of the process; 0: not known. */
static size_t count_threads(void)
{
    struct stat info;
    return stat("/proc/self/task", &info) == 0 && info.st_nlink > 2 ? info.st_nlink - 2 : 0;
}

static void check_guarded(worker_io *io)
{
    for (size_t i = 0; io->fatal && i < io->fatal->n_guarded; i++) {
        const guarded_array *g = &io->fatal->guarded[i];
        for (const unsigned char *p = g->end; p < g->after; p++) {
            if (*p == CANARY) continue;
            (void)worker_refuse(io, OUTCOME_OUT_OF_BOUNDS, "wrote %zu bytes behind the end of %s",
                (size_t)(p - g->end) + 1, g->name);
            return;
        }
        for (const unsigned char *p = g->before + 4096; p < g->begin; p++) {
            if (*p == CANARY) continue;
            (void)worker_refuse(io, OUTCOME_OUT_OF_BOUNDS, "wrote %zu bytes before the begin of %s",
                (size_t)(g->begin - p), g->name);
            return;
        }
    }
}

void worker_run(worker_io *io, const void *input, size_t n)
{
    const procedure *p = &io->server->procedures[io->i_procedure];
    const uint64_t mode = float_control_get();
    int code = p->run(input, n, io);
    if (code == 0) worker_at(io, PHASE_FINISH, 0);
    const size_t n_threads = io->level == SANDBOX_NONE ? 1 : count_threads();
    if (code == 0 && float_control_get() != mode) {
        code = worker_refuse(io, OUTCOME_FLOAT_MODE,
            "a plugin changed the floating-point mode (%#llx became %#llx)",
            (unsigned long long)mode, (unsigned long long)float_control_get());
    }
    if (code == 0 && n_threads > 1) {
        code =
            worker_refuse(io, OUTCOME_THREAD_LEAK, "%zu threads were left running", n_threads - 1);
    }
    float_control_set(mode);
    io->page->code = code;
    if (code == 0) {
        check_guarded(io);
        if (io->page->class != OUTCOME_OK) io->page->code = 1;
    }
    atomic_store_explicit(&io->page->done, 1, memory_order_release);
}

void worker_main(const server_setup *s, const job_message *job, const void *input, const int *fds)
{
    error err;
    worker_io io = { .level = job->level, .limits = job->limits, .pid = getpid(), .server = s };
    if (map_result(&io, fds[0], job->result_bytes, &err) != OK) end_process(120);
    const int i = procedure_find(s->procedures, s->n_procedures, job->procedure);
    status st = OK;
    if (i < 0) {
        st = fail(&err, E_UNKNOWN, "no procedure is called \"%s\"", job->procedure);
    } else {
        io.i_procedure = (size_t)i;
        st = confine(&io, job, fds, &err);
    }
    if (st == OK) {
        worker_run(&io, input, job->n_input);
    } else {
        io.page->code = worker_refuse(&io, OUTCOME_HOST_ERROR, "%s", err.text);
        atomic_store_explicit(&io.page->done, 1, memory_order_release);
    }
    for (;;)
        end_process(0);
}

/* -- What a procedure may ask -- */

int procedure_find(const procedure *p, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p[i].name, name) == 0) return (int)i;
    }
    return -1;
}

void worker_at(worker_io *io, worker_phase phase, uint64_t step)
{
    atomic_store_explicit(&io->page->step, step, memory_order_relaxed);
    atomic_store_explicit(&io->page->phase, phase, memory_order_relaxed);
}

_Atomic uint64_t *worker_step(worker_io *io)
{
    return &io->page->step;
}

status worker_plugins_loaded(worker_io *io, error *err)
{
    if (io->level != SANDBOX_STRICT) return OK;
    const status st = confine_drop(err);
    return st == OK ? filter_install(FILTER_RUNNING, io->pid, io->limits.n_threads > 1, err) : st;
}

void *worker_result(worker_io *io, size_t *out_n)
{
    *out_n = io->n_result;
    return io->result;
}

const void *worker_input(const worker_io *io, const char *name, size_t *out_n)
{
    for (size_t i = 0; i < io->server->n_inputs; i++) {
        const server_input *in = &io->server->inputs[i];
        if (strcmp(in->name, name) != 0) continue;
        *out_n = in->n;
        return in->data;
    }
    return NULL;
}

void *worker_prepared(const worker_io *io)
{
    return io->server->prepared[io->i_procedure];
}

int worker_refuse(worker_io *io, outcome_class c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(io->page->text, sizeof io->page->text, format, args);
    va_end(args);
    io->page->class = c;
    return 1;
}

/* Guard page, [padding, array], padding behind up to 64 bytes, guard page. */
static void *new_guarded(fatal_context *c, const char *name, size_t bytes)
{
    const size_t page = 4096, kept = (bytes + 63) / 64 * 64;
    const size_t room = (kept + page - 1) / page * page;
    unsigned char *at = mmap(NULL, room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + page, room, PROT_READ | PROT_WRITE) != 0) return NULL;
    guarded_array *g = &c->guarded[c->n_guarded++];
    *g = (guarded_array){ .before = at, .after = at + page + room };
    g->begin = g->after - kept;
    g->end = g->begin + bytes;
    snprintf(g->name, sizeof g->name, "%s", name);
    memset(at + page, CANARY, room - kept);
    memset(g->end, CANARY, kept - bytes);
    return g->begin;
}

void *worker_guarded(worker_io *io, const char *name, size_t bytes)
{
    size_t n;
    if (!size_sum(bytes, 3 * 4096, &n)) return NULL;
    if (!io->fatal) return arena_alloc(&io->memory, bytes);
    return io->fatal->n_guarded < MOST_GUARDED ? new_guarded(io->fatal, name, bytes) : NULL;
}

bool worker_is_forked(const worker_io *io)
{
    return io->level != SANDBOX_NONE;
}

unsigned worker_threads(const worker_io *io)
{
    return io->limits.n_threads;
}

const void *worker_receive(worker_io *io, size_t *out_n)
{
    const void *out = NULL;
    *out_n = 0;
    if (io->channel.fd < 0) return NULL;
    return channel_take(&io->channel, &out, out_n) == CHANNEL_DONE ? out : NULL;
}

bool worker_send(worker_io *io, const void *bytes, size_t n)
{
    size_t sent = 0;
    return io->channel.fd >= 0 && channel_put(&io->channel, bytes, n, &sent, false) == CHANNEL_DONE;
}
