/* The host's side: starts the fork server, hands it jobs, watches their limits and judges how they ended.
 *
 * Limits on time and memory are the host's: it ends a worker through its pidfd, which cannot mean another process. That a
 * worker ended, and how, the fork server tells, whose child it is. Should the fork server itself die, its workers die with it
 * and their jobs are lost; it is started anew at the next job. */
#define _GNU_SOURCE
#include "sandbox/sandbox.h"

#include "base/clock.h"
#include "base/text.h"
#include "num/gemm.h"
#include "sandbox/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

static const double tick_s = 0.025; /* how often memory and stalls are looked at */
static const double patience_s = 5; /* for the fork server to tell of a worker that was ended */

const sandbox_limits sandbox_default_limits = { .memory_bytes = UINT64_C(512) << 20,
    .wall_s = 60,
    .stall_s = 10,
    .cpu_s = 120,
    .n_threads = 1,
    .log_bytes = 65536 };

struct sandbox_job {
    sandbox *owner;
    sandbox_job *next;
    uint64_t id;
    sandbox_call call;
    sandbox_level level; /* in effect */
    sandbox_limits limits;
    unsigned char *shared; /* status page, then the result */
    size_t shared_bytes;
    char *log; // [log_bytes + 1], as the worker leaves it; sanitised at the end
    int pidfd, pid;
    double begun_s, moved_s, ended_s; /* ended_s: when the host ended it; 0: it did not */
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

/* -- Names -- */

static const char *const level_names[] = { "none", "process", "strict" };

const char *sandbox_level_name(sandbox_level l)
{
    return level_names[l];
}

status sandbox_level_read(const char *name, sandbox_level *out, error *err)
{
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(name, level_names[i]) != 0) continue;
        *out = (sandbox_level)i;
        return OK;
    }
    return fail(
        err, E_UNKNOWN, "no sandbox is called \"%s\"; expected none, process or strict", name);
}

/* -- The fork server -- */

/* What the fork server, and so every worker, knows of the environment. */
static char **small_environment(arena *a)
{
    static const char *const kept[] = { "HOME", "XDG_DATA_HOME", "LANG", "LC_ALL",
        "ASSAY_PLUGIN_PATH", "ASSAY_CPU", "OPENBLAS_CORETYPE", "ASAN_OPTIONS", "UBSAN_OPTIONS",
        "LSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH" };
    const size_t n = sizeof kept / sizeof *kept;
    char **out = arena_alloc_array(a, n + 2, sizeof *out);
    size_t k = 0;
    for (size_t i = 0; out && i < n; i++) {
        const char *v = getenv(kept[i]);
        if (v && !(out[k++] = arena_printf(a, "%s=%s", kept[i], v))) return NULL;
    }
    /* OpenBLAS would start a pool of threads, only to have it closed. */
    if (out) out[k] = arena_strdup(a, "OPENBLAS_NUM_THREADS=1");
    return out && out[k] ? out : NULL;
}

static status spawn(sandbox *s, int theirs, error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    arena scratch = { 0 };
    char word[] = "--fork-server", three[] = "3";
    char *program = arena_strdup(&scratch, s->program);
    char *argv[] = { program, word, three, NULL };
    char **environment = small_environment(&scratch);
    if (!program || !environment) {
        arena_release(&scratch);
        return fail_nomem(err, "the fork server");
    }
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    int why = posix_spawn_file_actions_adddup2(&files, theirs, 3);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0); /* the terminal's Ctrl-C is for the host */
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    if (why == 0) why = posix_spawn(&s->server, s->program, &files, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    arena_release(&scratch);
    if (why == ENOMEM) return fail_nomem(err, "the fork server");
    return why == 0 ? OK : fail_errno(err, why, s->program, "starting the fork server");
}

static status send_set_up(sandbox *s, error *err)
{
    set_up_message *m = calloc(1, sizeof *m);
    if (!m) return fail_nomem(err, "the fork server's inputs");
    *m = (set_up_message){ .kind = MESSAGE_SET_UP,
        .pretend_lacking = s->options.pretend_lacking,
        .n_inputs = (uint32_t)s->options.n_inputs,
        .path_bytes = s->path_bytes };
    for (size_t i = 0; i < s->options.n_inputs; i++) {
        snprintf(m->input_name[i], NAME_BYTES, "%s", s->options.inputs[i].name);
        m->input_bytes[i] = s->options.inputs[i].n;
    }
    const status st = wire_send(
        s->socket, m, sizeof *m, s->paths, s->path_bytes, s->input_fds, s->options.n_inputs, err);
    free(m);
    return st;
}

static status fail_not_ready(const sandbox *s, error *err)
{
    return fail(err, E_IO,
        "%s: the fork server ended before it was ready; can this program be run with "
        "--fork-server?",
        s->program);
}

static status take_ready(sandbox *s, error *err)
{
    const status st = wire_take(s->socket, &s->message, err);
    const ready_message *m = (const void *)s->message.bytes;
    if (st != OK) return st;
    if (s->message.n != sizeof *m || m->kind != MESSAGE_READY) return fail_not_ready(s, err);
    if (m->code != OK) return fail(err, m->code, "the fork server: %s", m->text);
    s->state = m->state;
    return OK;
}

static void stop_server(sandbox *s)
{
    if (s->socket >= 0) close(s->socket);
    s->socket = -1;
    if (s->server <= 0) return;
    (void)kill(s->server, SIGKILL);
    while (waitpid(s->server, NULL, 0) < 0 && errno == EINTR) {
    }
    s->server = 0;
}

static status start_server(sandbox *s, error *err)
{
    int pair[2];
    status st = OK;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return fail_errno(err, errno, "the fork server", "making a socket");
    }
    s->socket = pair[0];
    st = spawn(s, pair[1], err);
    close(pair[1]);
    TRY(st);
    st = send_set_up(s, err);
    if (st == E_IO) st = fail_not_ready(s, err);
    TRY(st);
    TRY(take_ready(s, err));
done:
    if (st != OK) stop_server(s);
    return st;
}

/* -- Opening and closing -- */

static status copy_paths(sandbox *s, error *err)
{
    text t = { 0 };
    status st = OK;
    for (const char *const *p = s->options.readable; p && *p; p++)
        text_add_bytes(&t, *p, strlen(*p) + 1);
    TRY(text_check(&t, err));
    s->path_bytes = t.n;
    s->paths = arena_alloc(&s->memory, t.n + 1);
    if (!s->paths) TRY(fail_nomem(err, "the readable paths"));
    if (t.n) memcpy(s->paths, t.s, t.n);
done:
    text_release(&t);
    return st;
}

static status copy_inputs(sandbox *s, error *err)
{
    const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL;
    for (size_t i = 0; i < s->options.n_inputs; i++) {
        const sandbox_input *in = &s->options.inputs[i];
        void *at = NULL;
        const status st = memfd_new(in->name, in->n ? in->n : 1, &s->input_fds[i], &at, err);
        if (st != OK) return st;
        if (in->n) memcpy(at, in->data, in->n);
        (void)munmap(at, in->n ? in->n : 1);
        if (fcntl(s->input_fds[i], F_ADD_SEALS, seals) != 0) {
            return fail_errno(err, errno, in->name, "sealing the input");
        }
    }
    return OK;
}

status sandbox_open(const sandbox_options *o, sandbox **out, error *err)
{
    status st = OK;
    sandbox *s = calloc(1, sizeof *s);
    if (!s) return fail_nomem(err, "the sandbox");
    s->options = *o;
    s->socket = -1;
    for (size_t i = 0; i < MOST_INPUTS; i++)
        s->input_fds[i] = -1;
    if (o->n_inputs > MOST_INPUTS) {
        TRY(fail(err, E_RANGE, "%zu inputs, where %d are most", o->n_inputs, MOST_INPUTS));
    }
    s->program = arena_strdup(&s->memory, o->program ? o->program : "/proc/self/exe");
    if (!s->program) TRY(fail_nomem(err, "the sandbox"));
    TRY(copy_paths(s, err));
    TRY(copy_inputs(s, err));
    TRY(start_server(s, err));
    *out = s;
done:
    if (st != OK) sandbox_close(s);
    return st;
}

static void kill_job(sandbox_job *j)
{
    if (j->pidfd >= 0) (void)syscall(SYS_pidfd_send_signal, j->pidfd, SIGKILL, NULL, 0);
}

void sandbox_close(sandbox *s)
{
    if (!s) return;
    for (sandbox_job *j = s->jobs; j; j = j->next)
        kill_job(j);
    if (s->socket >= 0) {
        /* It ends what workers have left behind, when it sees the host gone. */
        close(s->socket);
        s->socket = -1;
        for (int i = 0; i < 200 && s->server > 0; i++) {
            if (waitpid(s->server, NULL, WNOHANG) == s->server) s->server = 0;
            if (s->server > 0) (void)poll(NULL, 0, i < 20 ? 1 : 10);
        }
    }
    stop_server(s);
    while (s->jobs)
        job_free(s->jobs);
    for (size_t i = 0; i < MOST_INPUTS; i++) {
        if (s->input_fds[i] >= 0) close(s->input_fds[i]);
    }
    if (s->here) server_release(s->here);
    free(s->here);
    arena_release(&s->memory);
    free(s);
}

const sandbox_state *sandbox_get_state(const sandbox *s)
{
    return &s->state;
}

int sandbox_server_pid(const sandbox *s)
{
    return (int)s->server;
}

/* -- Starting a job -- */

static status effective_level(
    const sandbox *s, const sandbox_call *c, sandbox_level *out, error *err)
{
    *out = c->level;
    if (c->level != SANDBOX_STRICT) return OK;
    if (s->state.is_instrumented) {
        *out = SANDBOX_PROCESS;
        return OK;
    }
    return !s->state.lacking[0]
        ? OK
        : fail(err, E_UNSUPPORTED,
              "sandbox \"strict\" is not possible here: %s; nothing was run. Where all plugins are "
              "trusted, sandbox = \"process\" guards against accidents",
              s->state.lacking);
}

static status new_job(sandbox *s, const sandbox_call *c, sandbox_job **out, error *err)
{
    status st = OK;
    sandbox_job *j = calloc(1, sizeof *j);
    if (!j) return fail_nomem(err, "a job");
    *j = (sandbox_job){ .owner = s, .call = *c, .pidfd = -1, .id = ++s->next_id };
    j->limits = c->limits ? *c->limits : sandbox_default_limits;
    if (!size_sum(PAGE_BYTES, c->result_bytes, &j->shared_bytes)) {
        TRY(fail(err, E_RANGE, "a result of %zu bytes", c->result_bytes));
    }
    if (c->n_finite &&
        (c->finite_at % 4 || c->finite_at > c->result_bytes ||
            c->n_finite > (c->result_bytes - c->finite_at) / 4)) {
        TRY(fail(err, E_RANGE, "%zu floats at byte %zu of a result of %zu", c->n_finite,
            c->finite_at, c->result_bytes));
    }
    TRY(effective_level(s, c, &j->level, err));
    *out = j;
    j = NULL;
done:
    free(j);
    return st;
}

/* Every byte of the result is 0xff: no float or double of it is a number. */
static void blank(sandbox_job *j)
{
    memset(j->shared + PAGE_BYTES, 0xff, j->call.result_bytes);
}

static status seal(int fd, const char *what, error *err)
{
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0
        ? OK
        : fail_errno(err, errno, what, "sealing it");
}

static void close_all(int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
}

/* The result, the log, and the input where it is long. */
static status make_files(sandbox_job *j, int fds[3], error *err)
{
    status st = OK;
    void *at = NULL;
    TRY(memfd_new("assay result", j->shared_bytes, &fds[0], &at, err));
    j->shared = at;
    blank(j);
    TRY(seal(fds[0], "the result", err));
    TRY(memfd_new("assay log", j->limits.log_bytes, &fds[1], NULL, err));
    if (j->limits.log_bytes) {
        at = mmap(NULL, j->limits.log_bytes, PROT_READ, MAP_SHARED, fds[1], 0);
        if (at == MAP_FAILED) TRY(fail_nomem(err, "the log"));
        j->log = at;
    }
    TRY(seal(fds[1], "the log", err));
    if (j->call.n_input > MOST_INLINE) {
        TRY(memfd_new("assay input", j->call.n_input, &fds[2], &at, err));
        memcpy(at, j->call.input, j->call.n_input);
        (void)munmap(at, j->call.n_input);
        TRY(seal(fds[2], "the input", err));
    }
done:
    return st;
}

static status send_job(sandbox *s, sandbox_job *j, const int fds[3], error *err)
{
    const bool is_inline = fds[2] < 0;
    job_message m = { .kind = MESSAGE_JOB,
        .level = j->level,
        .id = j->id,
        .n_input = j->call.n_input,
        .result_bytes = j->call.result_bytes,
        .limits = j->limits };
    snprintf(m.procedure, sizeof m.procedure, "%s", j->call.procedure);
    return wire_send(s->socket, &m, sizeof m, is_inline ? j->call.input : NULL,
        is_inline ? j->call.n_input : 0, fds, is_inline ? 2 : 3, err);
}

static void lose_server(sandbox *s);

static status start_in_worker(sandbox *s, sandbox_job *j, error *err)
{
    int fds[3] = { -1, -1, -1 };
    status st = OK;
    if (s->socket < 0) TRY(start_server(s, err));
    TRY(make_files(j, fds, err));
    st = send_job(s, j, fds, err);
    if (st == E_IO) { /* it died meanwhile, and nobody has looked yet */
        lose_server(s);
        TRY(start_server(s, err));
        st = send_job(s, j, fds, err);
    }
done:
    close_all(fds, 3);
    return st;
}

/* Level none: the same procedure here, now, without a net. */
static status run_here(sandbox *s, sandbox_job *j, error *err)
{
    const int i = procedure_find(s->options.procedures, s->options.n_procedures, j->call.procedure);
    if (i < 0) return fail(err, E_UNKNOWN, "no procedure is called \"%s\"", j->call.procedure);
    num_init(); /* as in the fork server: with OpenBLAS's own threads products have other bits */
    if (!s->here) {
        server_setup *setup = calloc(1, sizeof *setup);
        if (!setup) return fail_nomem(err, "the sandbox");
        *setup = (server_setup){ .procedures = s->options.procedures,
            .n_procedures = s->options.n_procedures,
            .ruleset = -1,
            .n_inputs = s->options.n_inputs };
        for (size_t k = 0; k < s->options.n_inputs; k++) {
            const sandbox_input *in = &s->options.inputs[k];
            setup->inputs[k] = (server_input){ .data = in->data, .n = in->n };
            snprintf(setup->inputs[k].name, NAME_BYTES, "%s", in->name);
        }
        const status st = server_prepare(setup, err);
        if (st != OK) {
            server_release(setup);
            free(setup);
            return st;
        }
        s->here = setup;
    }
    j->shared = mem_aligned(j->shared_bytes, 1);
    if (!j->shared) return fail_nomem(err, "the result");
    blank(j);
    worker_io io = { .page = (void *)j->shared,
        .result = j->shared + PAGE_BYTES,
        .n_result = j->call.result_bytes,
        .limits = j->limits,
        .pid = (int)getpid(),
        .i_procedure = (size_t)i,
        .server = s->here };
    worker_run(&io, j->call.input, j->call.n_input);
    arena_release(&io.memory);
    return OK;
}

static void judge(sandbox_job *j);

status sandbox_start(sandbox *s, const sandbox_call *c, sandbox_job **out, error *err)
{
    sandbox_job *j = NULL;
    status st = new_job(s, c, &j, err);
    if (st != OK) return st;
    j->begun_s = j->moved_s = clock_wall_s();
    st = j->level == SANDBOX_NONE ? run_here(s, j, err) : start_in_worker(s, j, err);
    j->next = s->jobs;
    s->jobs = j;
    if (st != OK) {
        job_free(j);
        return st;
    }
    if (j->level == SANDBOX_NONE) judge(j);
    *out = j;
    return OK;
}

/* -- Ending a job -- */

static const status_page *page_of(const sandbox_job *j)
{
    return (const void *)j->shared;
}

static size_t log_length(const sandbox_job *j)
{
    size_t n = j->log ? j->limits.log_bytes : 0;
    while (n > 0 && j->log[n - 1] == '\0')
        n--;
    return n;
}

static void judge(sandbox_job *j)
{
    outcome_facts *f = &j->facts;
    status_page page; /* a copy, which nobody changes while it is judged */
    memcpy(&page, page_of(j), sizeof page);
    f->wall_s = clock_wall_s() - j->begun_s;
    f->level = j->level;
    f->limits = j->limits;
    f->page = &page;
    f->log_is_full = j->limits.log_bytes && log_length(j) == j->limits.log_bytes;
    f->finite = (const void *)(j->shared + PAGE_BYTES + j->call.finite_at);
    f->n_finite = j->call.n_finite;
    outcome_judge(f, &j->outcome);
    f->page = NULL;
    if (j->pidfd >= 0) close(j->pidfd);
    j->pidfd = -1;
    j->is_over = true;
}

static sandbox_job *find_job(sandbox *s, uint64_t id)
{
    for (sandbox_job *j = s->jobs; j; j = j->next) {
        if (j->id == id && !j->is_over) return j;
    }
    return NULL;
}

/* All that ran on it is lost, unless the host had ended it before. */
static void lose_server(sandbox *s)
{
    for (sandbox_job *j = s->jobs; j; j = j->next) {
        if (j->is_over) continue;
        kill_job(j);
        j->facts.is_lost = true;
        judge(j);
    }
    stop_server(s);
}

static void take_started(sandbox_job *j, wire_message *w)
{
    const started_message *m = (const void *)w->bytes;
    if (w->n_fds != 1 || j->pidfd >= 0) return;
    j->pidfd = w->fds[0];
    w->n_fds = 0;
    j->pid = m->pid;
    j->begun_s = j->moved_s = clock_wall_s();
    if (j->ended_s > 0) kill_job(j);
}

static void take_ended(sandbox_job *j, const ended_message *m)
{
    j->facts.status = m->status;
    j->facts.fork_errno = m->fork_errno;
    j->facts.used = m->used;
    j->facts.n_leftover = m->n_leftover;
    judge(j);
}

static status take_message(sandbox *s, error *err)
{
    const status st = wire_take(s->socket, &s->message, err);
    if (st != OK) return st;
    const started_message *started = (const void *)s->message.bytes;
    const ended_message *ended = (const void *)s->message.bytes;
    if (s->message.n == 0) {
        lose_server(s);
    } else if (s->message.n == sizeof *started && started->kind == MESSAGE_STARTED) {
        sandbox_job *j = find_job(s, started->id);
        if (j) take_started(j, &s->message);
    } else if (s->message.n == sizeof *ended && ended->kind == MESSAGE_ENDED) {
        sandbox_job *j = find_job(s, ended->id);
        if (j) take_ended(j, ended);
    }
    wire_close_fds(&s->message);
    return OK;
}

/* -- Limits -- */

static void end_for(sandbox_job *j, outcome_class limit, bool is_stall)
{
    if (j->ended_s > 0) return;
    j->facts.limit = limit;
    j->facts.is_stall = is_stall;
    j->ended_s = clock_wall_s();
    kill_job(j);
}

static uint64_t resident_bytes(int pid)
{
    char path[64], line[128] = "";
    unsigned long long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    line[n > 0 ? n : 0] = '\0';
    (void)sscanf(line, "%*u %llu", &pages);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* The first look is taken as what the fork server had; it is a lower bound of the worker's share. */
static void watch_memory(sandbox_job *j)
{
    const uint64_t now = j->pid > 0 ? resident_bytes(j->pid) : 0;
    if (now == 0) return;
    if (now > j->facts.peak_bytes) j->facts.peak_bytes = now;
    if (now > j->limits.memory_bytes + (UINT64_C(64) << 20))
        end_for(j, OUTCOME_MEMORY_LIMIT, false);
}

static void watch(sandbox_job *j, double now)
{
    const status_page *p = page_of(j);
    const uint32_t phase = atomic_load_explicit(&p->phase, memory_order_relaxed);
    const uint64_t step = atomic_load_explicit(&p->step, memory_order_relaxed);
    if (phase != j->last_phase || step != j->last_step) {
        j->last_phase = phase;
        j->last_step = step;
        j->moved_s = now;
    }
    if (now - j->begun_s >= j->limits.wall_s) {
        end_for(j, OUTCOME_TIMEOUT, false);
    } else if (j->limits.stall_s > 0 && phase != PHASE_PLAN &&
        now - j->moved_s >= j->limits.stall_s) {
        end_for(j, OUTCOME_TIMEOUT, true);
    } else {
        watch_memory(j);
    }
}

/* A fork server that does not tell of a dead worker is as good as dead (a plugin at level process may have stopped it). */
static void watch_all(sandbox *s)
{
    const double now = clock_wall_s();
    bool is_deaf = false;
    s->looked_s = now;
    for (sandbox_job *j = s->jobs; j; j = j->next) {
        if (j->is_over) continue;
        watch(j, now);
        is_deaf = is_deaf || (j->ended_s > 0 && now - j->ended_s > patience_s);
    }
    if (is_deaf) lose_server(s);
}

/* When something must be looked at again. */
static double next_look(const sandbox *s)
{
    double at = s->looked_s + tick_s;
    for (const sandbox_job *j = s->jobs; j; j = j->next) {
        if (!j->is_over && j->ended_s == 0 && j->begun_s + j->limits.wall_s < at)
            at = j->begun_s + j->limits.wall_s;
    }
    return at;
}

/* -- Waiting -- */

static sandbox_job *take_over(sandbox *s)
{
    sandbox_job *oldest = NULL;
    for (sandbox_job *j = s->jobs; j; j = j->next) {
        if (j->is_over && !j->is_given) oldest = j;
    }
    if (oldest) oldest->is_given = true;
    return oldest;
}

size_t sandbox_n_running(const sandbox *s)
{
    size_t n = 0;
    for (const sandbox_job *j = s->jobs; j; j = j->next)
        n += !j->is_over;
    return n;
}

static status wait_for_news(sandbox *s, double until_s, error *err)
{
    const double look = next_look(s), now = clock_wall_s();
    const double end = look < until_s ? look : until_s;
    const double wait_s = end > now ? end - now : 0;
    struct pollfd news = { .fd = s->socket, .events = POLLIN };
    const struct timespec wait = { .tv_sec = (time_t)wait_s,
        .tv_nsec = (long)((wait_s - (double)(time_t)wait_s) * 1e9) };
    if (ppoll(&news, 1, &wait, NULL) < 0 && errno != EINTR) {
        return fail_errno(err, errno, "the sandbox", "waiting");
    }
    return news.revents ? take_message(s, err) : OK;
}

status sandbox_wait(sandbox *s, double timeout_s, sandbox_job **out, error *err)
{
    const double until = timeout_s < 0 ? 1e300 : clock_wall_s() + timeout_s;
    for (;;) {
        *out = take_over(s);
        if (*out || sandbox_n_running(s) == 0) return OK;
        if (s->socket < 0) {
            lose_server(s);
            continue;
        }
        const status st = wait_for_news(s, until, err);
        if (st != OK) return st;
        if (clock_wall_s() >= next_look(s)) watch_all(s);
        if (clock_wall_s() >= until) {
            *out = take_over(s);
            return OK;
        }
    }
}

/* -- A job -- */

void job_end(sandbox_job *j, outcome_class c)
{
    if (j->is_over || j->ended_s > 0) return;
    j->facts.asked = c;
    j->ended_s = clock_wall_s();
    kill_job(j);
}

worker_phase job_phase(const sandbox_job *j)
{
    const uint32_t p = atomic_load_explicit(&page_of(j)->phase, memory_order_relaxed);
    return p < N_PHASES ? (worker_phase)p : PHASE_START;
}

uint64_t job_step(const sandbox_job *j)
{
    return atomic_load_explicit(&page_of(j)->step, memory_order_relaxed);
}

int job_pid(const sandbox_job *j)
{
    return j->pid;
}

void *job_self(const sandbox_job *j)
{
    return j->call.self;
}

sandbox_level job_level(const sandbox_job *j)
{
    return j->level;
}

const outcome *job_outcome(const sandbox_job *j)
{
    return &j->outcome;
}

const void *job_result(const sandbox_job *j, size_t *out_n)
{
    *out_n = j->call.result_bytes;
    return j->shared + PAGE_BYTES;
}

status job_log(const sandbox_job *j, text *out, error *err)
{
    const size_t n = log_length(j);
    for (size_t i = 0; i < n; i++) {
        const char c = j->log[i];
        const char put = (c >= ' ' && c <= '~') || c == '\n' || c == '\t' ? c : '?';
        text_add_bytes(out, &put, 1);
    }
    return text_check(out, err);
}

void job_free(sandbox_job *j)
{
    if (!j) return;
    for (sandbox_job **at = &j->owner->jobs; *at; at = &(*at)->next) {
        if (*at != j) continue;
        *at = j->next;
        break;
    }
    kill_job(j);
    if (j->pidfd >= 0) close(j->pidfd);
    if (j->shared && j->level == SANDBOX_NONE) {
        free(j->shared);
    } else if (j->shared) {
        (void)munmap(j->shared, j->shared_bytes);
    }
    if (j->log) (void)munmap(j->log, j->limits.log_bytes);
    free(j);
}
