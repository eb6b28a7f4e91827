/* The host's side: the fork server, how it is started and ended. What is done with it is in start.c (a job begins), job.c (it is watched and
 * judged) and talk.c (it is talked to).
 *
 * Should the fork server itself die, its workers die with it and their jobs are lost; it is started anew at the next job. */
#define _GNU_SOURCE
#include "sandbox/sandbox.h"

#include "sandbox/host.h"

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
#include <sys/wait.h>
#include <unistd.h>

const sandbox_limits sandbox_default_limits = { .memory_bytes = UINT64_C(512) << 20,
    .wall_s = 60,
    .stall_s = 10,
    .cpu_s = 120,
    .n_threads = 1,
    .log_bytes = 65536 };

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

enum { MOST_STARTS = 5 }; /* of fork servers that are killed before they are ready, in a row */

/* Stands in the environment of whatever is started as a fork server. */
static const char in_fork_server[] = "ASSAY_IN_FORK_SERVER";

/* A program that does not know --fork-server runs as ever and may come here again: it would start itself without end. */
static status check_is_host(error *err)
{
    if (!getenv(in_fork_server)) return OK;
    return fail(err, E_INTERNAL,
        "this process was started as a fork server (%s is set) and wants one of its own: its main "
        "must call fork_server_main on `--fork-server FD`, before anything else, and what runs in "
        "a sandbox opens none",
        in_fork_server);
}

/* What the fork server, and so every worker, knows of the environment. */
static char **small_environment(arena *a)
{
    static const char *const kept[] = { "HOME", "XDG_DATA_HOME", "LANG", "LC_ALL",
        "ASSAY_PLUGIN_PATH", "ASSAY_CPU", "OPENBLAS_CORETYPE", "ASAN_OPTIONS", "UBSAN_OPTIONS",
        "LSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH" };
    const size_t n = sizeof kept / sizeof *kept;
    char **out = arena_alloc_array(a, n + 3, sizeof *out);
    size_t k = 0;
    for (size_t i = 0; out && i < n; i++) {
        const char *v = getenv(kept[i]);
        if (v && !(out[k++] = arena_printf(a, "%s=%s", kept[i], v))) return NULL;
    }
    if (!out) return NULL;
    /* OpenBLAS would start a pool of threads, only to have it closed. */
    out[k] = arena_strdup(a, "OPENBLAS_NUM_THREADS=1");
    out[k + 1] = arena_printf(a, "%s=1", in_fork_server);
    return out[k] && out[k + 1] ? out : NULL;
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

void host_stop_server(sandbox *s)
{
    if (s->socket >= 0) close(s->socket);
    s->socket = -1;
    if (s->server <= 0) return;
    (void)kill(s->server, SIGKILL);
    while (waitpid(s->server, NULL, 0) < 0 && errno == EINTR) {
    }
    s->server = 0;
}

/* Whether somebody has killed the fork server; its socket closes a moment before it can be waited for. */
static bool was_killed(sandbox *s)
{
    int how = 0;
    for (int i = 0; i < 50 && s->server > 0; i++) {
        const pid_t ended = waitpid(s->server, &how, WNOHANG);
        if (ended == s->server) s->server = 0;
        if (ended == 0) (void)poll(NULL, 0, 10);
        if (ended < 0 && errno != EINTR) return false;
    }
    return s->server == 0 && WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
}

static status start_once(sandbox *s, bool *out_was_killed, error *err)
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
    *out_was_killed = st == E_IO && s->server > 0 && was_killed(s);
    if (st != OK) host_stop_server(s);
    return st;
}

status host_start_server(sandbox *s, error *err)
{
    status st = E_IO;
    bool is_again = true;
    for (int i = 0; is_again && i < MOST_STARTS; i++)
        st = start_once(s, &is_again, err);
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
    TRY(check_is_host(err));
    s->program = arena_strdup(&s->memory, o->program ? o->program : "/proc/self/exe");
    if (!s->program) TRY(fail_nomem(err, "the sandbox"));
    TRY(copy_paths(s, err));
    TRY(copy_inputs(s, err));
    if (!o->is_late) TRY(host_start_server(s, err));
    *out = s;
done:
    if (st != OK) sandbox_close(s);
    return st;
}

void sandbox_close(sandbox *s)
{
    if (!s) return;
    for (sandbox_job *j = s->jobs; j; j = j->next)
        host_kill(j);
    if (s->socket >= 0) {
        /* It ends what workers have left behind, when it sees the host gone. */
        close(s->socket);
        s->socket = -1;
        for (int i = 0; i < 200 && s->server > 0; i++) {
            if (waitpid(s->server, NULL, WNOHANG) == s->server) s->server = 0;
            if (s->server > 0) (void)poll(NULL, 0, i < 20 ? 1 : 10);
        }
    }
    host_stop_server(s);
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

int sandbox_fd(const sandbox *s)
{
    return s->socket;
}

int sandbox_server_pid(const sandbox *s)
{
    return (int)s->server;
}
