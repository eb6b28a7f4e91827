/* Programs: anything that prints metrics as lines of JSON.
 *
 * A program is started by posix_spawn in a process group of its own, so that all that it starts can be ended with it; by way of our own
 * program (sandbox/tied.h), so that it ends when this process is killed. It is the user's, runs as the user, and nothing confines it
 * but limits: what it can read or send is its own affair. */
#define _GNU_SOURCE
#include "study/runner_command.h"

#include "base/clock.h"
#include "sandbox/tied.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

extern char **environ;

static const double look_s = 0.1; /* how often memory is looked at */
static const size_t most_after = 4 << 20; /* bytes of those who hold its output when it is gone */

/* -- Starting -- */

static int pipe_from(int *out_read, int *out_write)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return errno;
    *out_read = ends[0];
    *out_write = ends[1];
    return fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 ? 0 : errno;
}

static int spawn_in(
    command *c, const char *program, char *const argv[], const char *folder, const int ends[3])
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    int why = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    for (int i = 0; i < 3 && why == 0; i++)
        why = posix_spawn_file_actions_adddup2(&files, ends[i], i + 1);
    if (why == 0) why = posix_spawn_file_actions_addchdir_np(&files, folder);
    if (why == 0) why = posix_spawn(&c->pid, program, &files, &attributes, argv, environ);
    if (why != 0) c->pid = 0;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return why;
}

/* Ends of three pipes, which become its descriptors 1, 2 and 3; none of them is one of these before, or one would take another's place. */
static int pipe_above(int *out_read, int *out_write)
{
    int why = pipe_from(out_read, out_write);
    if (why != 0 || *out_write > TIED_FD) return why;
    const int above = fcntl(*out_write, F_DUPFD_CLOEXEC, TIED_FD + 1);
    if (above < 0) return errno;
    close(*out_write);
    *out_write = above;
    return 0;
}

static int spawn(run *n, command *c, char *const argv[])
{
    const runner *r = n->owner;
    int *const ours[] = { &c->out.fd, &c->err.fd, &c->refusal };
    int ends[3] = { -1, -1, -1 }, why = 0;
    for (int i = 0; i < 3 && why == 0; i++)
        why = pipe_above(ours[i], &ends[i]);
    if (why == 0) why = spawn_in(c, r->self, argv, n->workload->folder, ends);
    for (int i = 0; i < 3; i++) {
        if (ends[i] >= 0) close(ends[i]);
    }
    if (why != 0) return why;
    c->begun_s = c->looked_s = clock_wall_s();
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pidfd >= 0) (void)fcntl(c->pidfd, F_SETFD, FD_CLOEXEC);
    return 0;
}

/* The words of a workload behind those that tie it. */
static bool write_words(run *n, command *c)
{
    const runner *r = n->owner;
    const sandbox_limits *l = &r->declaration->limits;
    const size_t n_words = n->workload->n_argv;
    char **argv = arena_alloc_array(&n->memory, TIED_WORDS + n_words + 1, sizeof *argv);
    char *file = arena_strdup(&n->memory, r->programs[n->spec.workload]);
    if (!argv || !file) return false;
    const uint64_t memory = l->memory_bytes ? l->memory_bytes + (UINT64_C(64) << 20) : 0;
    tied_write(&c->words, argv, file, memory, l->cpu_s > 0 ? (uint64_t)ceil(l->cpu_s) : 0);
    c->argv = argv;
    n->argv = argv + TIED_WORDS;
    for (size_t i = 0; i < n_words; i++) {
        n->argv[i] = word_fill_in(n, n->workload->argv[i]);
        if (!n->argv[i]) return false;
    }
    return true;
}

static void refuse(const run *n, int why, outcome *o)
{
    const bool is_ours = why == ENOMEM || why == EAGAIN || why == EMFILE || why == ENFILE;
    o->class = is_ours ? OUTCOME_HOST_ERROR : OUTCOME_LOAD_FAILED;
    snprintf(o->text, sizeof o->text, "%s cannot be started in %s: %s",
        n->owner->programs[n->spec.workload], n->workload->folder, strerror(why));
}

void command_begin(run *n)
{
    command *c = calloc(1, sizeof *c);
    n->command = c;
    n->stage = RUN_WORKS;
    if (c) {
        *c = (command){
            .pidfd = -1, .refusal = -1, .out.fd = -1, .err.fd = -1, .fidelity = (double)NAN
        };
    }
    if (!c || !write_words(n, c)) {
        run_over_for(n, OUTCOME_HOST_ERROR, "out of memory while starting a program");
        return;
    }
    outcome o = { .exit_code = -1, .violation = -1 };
    const int why = spawn(n, c, c->argv);
    if (why == 0) return;
    refuse(n, why, &o);
    run_over(n, &o);
}

/* -- Limits -- */

static void end_group(command *c)
{
    if (c->pid > 0) (void)kill(-c->pid, SIGKILL);
}

static uint64_t resident_bytes(pid_t pid)
{
    char path[64], line[128] = "";
    unsigned long long pages = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    const ssize_t n = read(fd, line, sizeof line - 1);
    close(fd);
    line[n > 0 ? n : 0] = '\0';
    (void)sscanf(line, "%*u %llu", &pages);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void watch(command *c, const sandbox_limits *l)
{
    const double now = clock_wall_s();
    if (c->limit != OUTCOME_OK) return;
    if (l->wall_s > 0 && now - c->begun_s >= l->wall_s) {
        c->limit = OUTCOME_TIMEOUT;
    } else if (l->memory_bytes && now - c->looked_s >= look_s) {
        const uint64_t has = resident_bytes(c->pid);
        c->looked_s = now;
        if (has > c->peak_bytes) c->peak_bytes = has;
        if (has > l->memory_bytes) c->limit = OUTCOME_MEMORY_LIMIT;
    }
    if (c->limit != OUTCOME_OK) end_group(c);
}

size_t command_wait(const run *n, struct pollfd out[COMMAND_FDS], double *until_s)
{
    size_t k = 0;
    const command *c = n->command;
    const sandbox_limits *l = &n->owner->declaration->limits;
    double until = c->pidfd < 0 || l->memory_bytes ? c->looked_s + look_s : 1e300;
    if (l->wall_s > 0 && c->limit == OUTCOME_OK) until = fmin(until, c->begun_s + l->wall_s);
    if (c->has_exited) until = 0;
    if (until < *until_s) *until_s = until;
    if (c->pidfd >= 0 && !c->has_exited)
        out[k++] = (struct pollfd){ .fd = c->pidfd, .events = POLLIN };
    if (c->out.fd >= 0 && run_has_room_for_news(n))
        out[k++] = (struct pollfd){ .fd = c->out.fd, .events = POLLIN };
    if (c->err.fd >= 0) out[k++] = (struct pollfd){ .fd = c->err.fd, .events = POLLIN };
    return k;
}

/* -- Its end -- */

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + 1e-6 * (double)t.tv_usec;
}

/* What had most of its memory and then fell over was most likely refused more; the same share as of workers. */
static bool used_up_memory(const sandbox_limits *l, const outcome *o)
{
    return l->memory_bytes && (double)o->peak_bytes >= 0.7 * (double)l->memory_bytes;
}

static void say_memory(const command *c, const sandbox_limits *l, outcome *o)
{
    char limit[32], how[32];
    text_bytes(limit, (double)l->memory_bytes);
    snprintf(how, sizeof how, o->signal ? "signal %d" : "exit code %d",
        o->signal ? o->signal : o->exit_code);
    o->class = OUTCOME_MEMORY_LIMIT;
    snprintf(o->text, sizeof o->text, "%s after most of its memory was used (%s are allowed)%s%s",
        how, limit, c->last_line[0] ? ": " : "", c->last_line);
}

static void judge_signal(const command *c, const sandbox_limits *l, outcome *o)
{
    const bool is_over_cpu = l->cpu_s > 0 && o->cpu_s >= l->cpu_s;
    if (used_up_memory(l, o) && o->signal != SIGXCPU) {
        say_memory(c, l, o);
    } else if (o->signal == SIGXCPU || (o->signal == SIGKILL && is_over_cpu)) {
        o->class = OUTCOME_CPU_LIMIT;
        snprintf(o->text, sizeof o->text, "used %.3g s of processor time, where %g s are allowed",
            o->cpu_s, l->cpu_s);
    } else {
        o->class = OUTCOME_CRASH;
        snprintf(o->text, sizeof o->text, "signal %d (%s)%s%s", o->signal, strsignal(o->signal),
            c->last_line[0] ? ": " : "", c->last_line);
    }
}

static void judge_limit(const command *c, const sandbox_limits *l, outcome *o)
{
    char limit[32], peak[32];
    text_bytes(limit, (double)l->memory_bytes);
    text_bytes(peak, (double)o->peak_bytes);
    o->class = c->limit;
    if (c->limit == OUTCOME_TIMEOUT) {
        snprintf(o->text, sizeof o->text, "not done after %g s", l->wall_s);
    } else {
        snprintf(o->text, sizeof o->text, "used %s of memory, where %s are allowed", peak, limit);
    }
}

/* What kept it from being run at all; 0: nothing did. */
static int refusal_of(const command *c)
{
    int why = 0;
    return read(c->refusal, &why, sizeof why) == (ssize_t)sizeof why ? why : 0;
}

static void judge(const run *n, const command *c, outcome *o)
{
    const sandbox_limits *l = &n->owner->declaration->limits;
    const int refusal = refusal_of(c);
    snprintf(o->text, sizeof o->text, "done");
    if (n->stopped_as != OUTCOME_OK) {
        o->class = n->stopped_as;
        snprintf(o->text, sizeof o->text, "ended by the study");
    } else if (c->limit != OUTCOME_OK) {
        judge_limit(c, l, o);
    } else if (refusal != 0) {
        refuse(n, refusal, o);
    } else if (o->signal) {
        judge_signal(c, l, o);
    } else if (o->exit_code != 0 && used_up_memory(l, o)) {
        say_memory(c, l, o);
    } else if (o->exit_code != 0) {
        o->class = OUTCOME_EARLY_EXIT;
        snprintf(o->text, sizeof o->text, "program ended with exit code %d: %s", o->exit_code,
            c->last_line[0] ? c->last_line : "it gave no reason");
    } else if (c->is_out_of_memory) {
        o->class = OUTCOME_HOST_ERROR;
        snprintf(o->text, sizeof o->text, "out of memory while listening to a program");
    } else {
        (void)run_is_valued(n, o);
    }
}

static void close_all(command *c)
{
    int *const fds[] = { &c->pidfd, &c->refusal, &c->out.fd, &c->err.fd };
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0) close(*fds[i]);
        *fds[i] = -1;
    }
}

/* The group goes first: while its leader is not waited for, its number means nobody else. */
static void finish(run *n)
{
    command *c = n->command;
    int code = 0;
    struct rusage used = { 0 };
    outcome o = { .violation = -1, .exit_code = -1 };
    lines_end(n);
    end_group(c);
    while (wait4(c->pid, &code, 0, &used) < 0 && errno == EINTR) {
    }
    c->pid = 0;
    const uint64_t counted = (uint64_t)used.ru_maxrss * 1024;
    o.wall_s = clock_wall_s() - c->begun_s;
    o.cpu_s = seconds(used.ru_utime) + seconds(used.ru_stime);
    o.peak_bytes = counted > c->peak_bytes ? counted : c->peak_bytes;
    o.signal = WIFSIGNALED(code) ? WTERMSIG(code) : 0;
    o.exit_code = WIFEXITED(code) ? WEXITSTATUS(code) : -1;
    o.log_is_full = c->log_is_full;
    judge(n, c, &o);
    close_all(c);
    n->jobs[n->n_jobs++] = (job_spent){ .procedure = "command",
        .class = o.class,
        .wall_s = o.wall_s,
        .cpu_s = o.cpu_s,
        .peak_bytes = o.peak_bytes };
    const double whole =
        n->spec.fidelity > 0 ? n->spec.fidelity : n->owner->declaration->max_fidelity;
    n->end.fidelity = isfinite(c->fidelity) ? c->fidelity : o.class == OUTCOME_OK ? whole : 0;
    run_over(n, &o);
    command_release(n);
}

void command_turn(run *n)
{
    command *c = n->command;
    siginfo_t info = { 0 };
    if (!c->has_exited && waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == c->pid) {
        c->has_exited = true;
        end_group(c); /* what it leaves behind */
    }
    const bool is_drained = lines_take(n);
    if (c->has_exited && (is_drained || c->n_after > most_after)) {
        finish(n);
    } else if (!c->has_exited) {
        watch(c, &n->owner->declaration->limits);
    }
}

void command_stop(run *n)
{
    end_group(n->command);
}

void command_release(run *n)
{
    command *c = n->command;
    if (!c) return;
    n->command = NULL;
    end_group(c);
    while (c->pid > 0 && waitpid(c->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    close_all(c);
    free(c);
}
