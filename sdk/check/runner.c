/* The processes of tests, from the side of the one who waits for them.
 *
 * A test is run by starting this program anew (posix_spawn: a fork would copy threads' locks and the state of libraries) with
 * --in-process and the number of a pipe. What comes through the pipe is one line of JSON; or, from a handler in a process that was
 * ended by something else, a line that names the signal and the callback. A process that does not end in time is asked by
 * SIGTERM where it is, and killed a moment later. */
#include "check/runner.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { REPORT_FD = 3, TICK_MS = 50, MOST_PROCESSES = 64, MOST_REPORT = 1 << 20 };

static const double last_words_s = 0.5; /* between SIGTERM and SIGKILL */

/* A component that hangs in one test hangs in most of them: the next ones get less time, and after some none at all. */
static const double limit_after_hang_s = 1;
enum { MOST_HANGS = 3 };

/* A test at work. */
typedef struct child {
    pid_t pid; /* 0: a free place */
    size_t i_job;
    int report, output; /* ends of pipes; -1: at its end */
    text said; /* on `report` */
    text printed; /* its beginning */
    size_t n_lines; /* in all */
    char last_printed; /* character; 0: none */
    double start_s, limit_s;
    bool is_late, is_killed;
} child;

typedef struct runner {
    const check_job *jobs; // [n]
    size_t n;
    const runner_options *o;
    arena *memory;
    check_result *results;
    child *children; // [n_children]
    size_t n_children;
    bool has_failed;
    error *err;
} runner;

const char *check_result_name(const check_result *r)
{
    static const char *const outcomes[] = { "passed", "skipped", "warned", "failed" };
    switch (r->end) {
    case CHECK_NOT_RUN: return "not run";
    case CHECK_REPORTED: return outcomes[r->report.outcome];
    case CHECK_CRASHED: return "crashed";
    case CHECK_TIMED_OUT: return "timed out";
    case CHECK_EXITED: return "exited";
    }
    return "";
}

/* -- Components -- */

static bool is_of_same(const check_job *a, const check_job *b)
{
    return strcmp(a->word, b->word) == 0 && strcmp(a->kind, b->kind) == 0 &&
        strcmp(a->id, b->id) == 0;
}

/* The first job of the same component. */
static size_t first_of(const runner *w, size_t i)
{
    size_t first = i;
    while (first > 0 && is_of_same(&w->jobs[first - 1], &w->jobs[i]))
        first--;
    return first;
}

/* Of the same component, so far. */
static size_t n_hangs(const runner *w, size_t i)
{
    size_t n = 0;
    for (size_t k = first_of(w, i); k < w->n && is_of_same(&w->jobs[k], &w->jobs[i]); k++)
        n += w->results[k].end == CHECK_TIMED_OUT;
    return n;
}

static double limit_of(const runner *w, size_t i)
{
    const double usual_s = w->o->time_limit_s;
    return n_hangs(w, i) > 0 && usual_s > limit_after_hang_s ? limit_after_hang_s : usual_s;
}

/* -- Starting -- */

static status make_pipe(int ends[2], error *err)
{
    if (pipe(ends) != 0) return fail_errno(err, errno, "pipe", "a test cannot be started");
    for (int i = 0; i < 2; i++)
        (void)fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return OK;
}

/* Its ends must not lie where the child's own shall be. */
static int above_report(int fd)
{
    const int moved = fd > REPORT_FD ? fd : fcntl(fd, F_DUPFD_CLOEXEC, REPORT_FD + 1);
    if (moved != fd) close(fd);
    return moved;
}

static int start(
    const runner *w, const check_job *j, double limit_s, int report, int output, pid_t *out)
{
    char subject_name[256], seed[32], limit[32], tolerance[32], fd[16];
    snprintf(subject_name, sizeof subject_name, "%s:%s", j->kind, j->id);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)w->o->seed);
    snprintf(limit, sizeof limit, "%.17g", limit_s);
    snprintf(tolerance, sizeof tolerance, "%.17g", w->o->tolerance);
    snprintf(fd, sizeof fd, "%d", REPORT_FD);
    const char *const argv[] = { "assay", "plugin", "check", "--component", subject_name, "--test",
        j->test->name, "--seed", seed, "--time-limit", limit, "--tolerance", tolerance,
        "--in-process", "--report-fd", fd, w->o->against ? "--against" : "--",
        w->o->against ? w->o->against : j->word, w->o->against ? "--" : NULL, j->word, NULL };
    posix_spawn_file_actions_t files;
    if (posix_spawn_file_actions_init(&files) != 0) return ENOMEM;
    int code = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!code) code = posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    if (!code) code = posix_spawn_file_actions_adddup2(&files, output, STDERR_FILENO);
    if (!code) code = posix_spawn_file_actions_adddup2(&files, report, REPORT_FD);
    if (!code) {
        code = posix_spawn(
            out, w->o->program, &files, NULL, (char **)(uintptr_t)(void *)argv, environ);
    }
    posix_spawn_file_actions_destroy(&files);
    return code;
}

static status child_start(runner *w, child *c, size_t i_job)
{
    const double limit_s = limit_of(w, i_job);
    int report[2] = { -1, -1 }, output[2] = { -1, -1 };
    pid_t pid = 0;
    status st = make_pipe(report, w->err);
    if (st == OK) st = make_pipe(output, w->err);
    if (st == OK) {
        report[1] = above_report(report[1]);
        output[1] = above_report(output[1]);
        const int code = start(w, &w->jobs[i_job], limit_s, report[1], output[1], &pid);
        if (code) st = fail_errno(w->err, code, w->o->program, "a test cannot be started");
    }
    if (report[1] >= 0) close(report[1]);
    if (output[1] >= 0) close(output[1]);
    if (st != OK) {
        if (report[0] >= 0) close(report[0]);
        if (output[0] >= 0) close(output[0]);
        return st;
    }
    *c = (child){ .pid = pid,
        .i_job = i_job,
        .report = report[0],
        .output = output[0],
        .start_s = clock_wall_s(),
        .limit_s = limit_s };
    return OK;
}

/* -- Listening -- */

static void keep_report(child *c, const char *some, size_t n)
{
    if (c->said.n < MOST_REPORT) text_add_bytes(&c->said, some, n);
}

/* The first lines, and how many there are in all. */
static void keep_printed(child *c, const char *some, size_t n)
{
    const size_t room = CHECK_OUTPUT_BYTES - 1 - c->printed.n;
    text_add_bytes(&c->printed, some, n < room ? n : room);
    for (size_t i = 0; i < n; i++)
        c->n_lines += some[i] == '\n';
    if (n > 0) c->last_printed = some[n - 1];
}

typedef void keeper(child *c, const char *some, size_t n);

/* Reads what is there; the descriptor becomes -1 at its end. */
static void drain(child *c, int *fd, keeper *keep)
{
    char some[4096];
    while (*fd >= 0) {
        const ssize_t n = read(*fd, some, sizeof some);
        if (n > 0) {
            keep(c, some, (size_t)n);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        close(*fd);
        *fd = -1;
    }
}

static void keep_output(const child *c, check_result *r)
{
    size_t n = c->printed.n;
    while (n > 0 && (c->printed.s[n - 1] == '\n' || c->printed.s[n - 1] == ' '))
        n--;
    if (n > 0) memcpy(r->output, c->printed.s, n);
    r->output[n] = '\0';
    r->n_lines = c->n_lines + (c->last_printed && c->last_printed != '\n');
}

/* -- Judging -- */

enum { CALLBACK_BYTES = 100, FAULT_BYTES = 300 };

/* What the handler in the child wrote: "!<signal> <callback>\t<what the address tells>"; both texts may be empty. */
static bool last_words(
    const text *said, int *out_signal, char callback[CALLBACK_BYTES], char fault[FAULT_BYTES])
{
    callback[0] = fault[0] = '\0';
    if (!said->n || said->s[0] != '!') return false;
    char *at;
    *out_signal = (int)strtol(said->s + 1, &at, 10);
    at += *at == ' ';
    const size_t n = strcspn(at, "\t\n");
    snprintf(callback, CALLBACK_BYTES, "%.*s", (int)n, at);
    at += n + (at[n] == '\t');
    snprintf(fault, FAULT_BYTES, "%.*s", (int)strcspn(at, "\n"), at);
    return true;
}

static const char *signal_text(int signal)
{
    switch (signal) {
    case SIGSEGV: return "SIGSEGV (it touched memory that is not its own)";
    case SIGBUS: return "SIGBUS (it touched memory that is not there)";
    case SIGFPE: return "SIGFPE (an arithmetic fault, as a division by zero)";
    case SIGILL: return "SIGILL (an instruction that this processor does not have)";
    case SIGABRT: return "SIGABRT (abort was called, or a check of the C library failed)";
    case SIGKILL: return "SIGKILL (somebody, or the lack of memory, ended it)";
    default: return strsignal(signal);
    }
}

static void judge(runner *w, const child *c, int how, check_result *r)
{
    int signal;
    char callback[CALLBACK_BYTES], fault[FAULT_BYTES], where[CALLBACK_BYTES + 4] = "";
    error why = { 0 };
    const bool has_words = last_words(&c->said, &signal, callback, fault);
    if (has_words && callback[0]) snprintf(where, sizeof where, " in %s", callback);
    if (c->is_late) {
        r->end = CHECK_TIMED_OUT;
        check_fail(&r->report, "still running%s after %g s", where, c->limit_s);
    } else if (WIFSIGNALED(how)) {
        r->end = CHECK_CRASHED;
        if (fault[0] && WTERMSIG(how) == SIGSEGV) {
            check_fail(&r->report, "crashed%s: SIGSEGV (%s)", where, fault);
        } else {
            check_fail(&r->report, "crashed%s: %s", where, signal_text(WTERMSIG(how)));
        }
    } else if (has_words) {
        r->end = CHECK_EXITED;
        check_fail(&r->report,
            "ended the process with exit code %d%s: a plugin returns a code and leaves the process "
            "alone",
            WEXITSTATUS(how), where);
    } else if (c->said.n == 0 && strstr(r->output, "runtime does not come first")) {
        r->end = CHECK_EXITED;
        check_fail(&r->report,
            "it is built with -fsanitize=address, whose runtime has to be loaded first; preload "
            "it: LD_PRELOAD=$(cc -print-file-name=libasan.so) assay plugin check ...");
    } else if (c->said.n == 0) {
        r->end = CHECK_EXITED;
        check_fail(
            &r->report, "the process ended with code %d and without a report", WEXITSTATUS(how));
    } else if (check_report_from_json(c->said.s, c->said.n, w->memory, &r->report, &why) == OK) {
        r->end = CHECK_REPORTED;
    } else {
        r->end = CHECK_EXITED;
        r->report = (check_report){ 0 };
        check_fail(&r->report, "sent a report that cannot be read: %s", why.text);
    }
    if (r->end == CHECK_REPORTED && r->output[0]) {
        check_warn(&r->report, "it prints to standard output or error: use host->log");
    }
}

static void child_end(runner *w, child *c, int how)
{
    check_result *r = &w->results[c->i_job];
    drain(c, &c->report, keep_report);
    drain(c, &c->output, keep_printed);
    if (c->report >= 0) close(c->report);
    if (c->output >= 0) close(c->output);
    r->duration_s = clock_wall_s() - c->start_s;
    keep_output(c, r);
    judge(w, c, how, r);
    text_release(&c->said);
    text_release(&c->printed);
    const size_t i_job = c->i_job;
    *c = (child){ 0 };
    w->has_failed = w->has_failed || r->report.outcome == CHECK_FAILED;
    if (w->o->done) w->o->done(w->o->self, i_job, r);
}

/* A process in its last moments has neither pipe open; one that left them to another process is asked at every tick. */
static bool try_end(runner *w, child *c, bool wait_for_it)
{
    int how;
    const pid_t got = waitpid(c->pid, &how, wait_for_it ? 0 : WNOHANG);
    if (got != c->pid) return false;
    child_end(w, c, how);
    return true;
}

static void watch_clock(child *c)
{
    const double late_s = clock_wall_s() - c->start_s - c->limit_s;
    if (late_s > 0 && !c->is_late) {
        c->is_late = true;
        kill(c->pid, SIGTERM);
    }
    if (late_s > last_words_s && !c->is_killed) {
        c->is_killed = true;
        kill(c->pid, SIGKILL);
    }
}

/* Waits for something to happen to the children and sees to it. */
static void listen_once(runner *w)
{
    struct pollfd fds[2 * MOST_PROCESSES];
    nfds_t n = 0;
    for (size_t i = 0; i < w->n_children; i++) {
        const child *c = &w->children[i];
        if (c->pid && c->report >= 0)
            fds[n++] = (struct pollfd){ .fd = c->report, .events = POLLIN };
        if (c->pid && c->output >= 0)
            fds[n++] = (struct pollfd){ .fd = c->output, .events = POLLIN };
    }
    (void)poll(fds, n, TICK_MS);
    for (size_t i = 0; i < w->n_children; i++) {
        child *c = &w->children[i];
        if (!c->pid) continue;
        drain(c, &c->report, keep_report);
        drain(c, &c->output, keep_printed);
        const bool is_silent = c->report < 0 && c->output < 0;
        if (!try_end(w, c, false)) {
            watch_clock(c);
            if (is_silent && c->is_killed) (void)try_end(w, c, true);
        }
    }
}

static size_t n_running(const runner *w)
{
    size_t n = 0;
    for (size_t i = 0; i < w->n_children; i++)
        n += w->children[i].pid != 0;
    return n;
}

static void end_all(runner *w)
{
    for (size_t i = 0; i < w->n_children; i++) {
        if (!w->children[i].pid) continue;
        kill(w->children[i].pid, SIGKILL);
        (void)try_end(w, &w->children[i], true);
    }
}

/* -- The order -- */

typedef bool job_choice(const runner *w, size_t i);

/* Runs the jobs that `choose` wants, at most `most` at a time. */
static status run_some(runner *w, size_t n, job_choice *choose, size_t most)
{
    status st = OK;
    for (size_t next = 0; st == OK && (next < n || n_running(w) > 0);) {
        while (next < n && !choose(w, next))
            next++;
        if (w->has_failed && w->o->stops_at_failure) next = n;
        if (next < n && n_running(w) < most) {
            child *c = w->children;
            while (c->pid)
                c++;
            st = child_start(w, c, next++);
        } else if (n_running(w) > 0) {
            listen_once(w);
        }
    }
    return st;
}

/* Whether anything can be said of the component: it loads, and does not hang whatever is done. */
static bool is_worth_it(const runner *w, size_t i)
{
    const size_t first = first_of(w, i);
    if (n_hangs(w, i) >= MOST_HANGS) return false;
    const check_result *r = &w->results[first];
    if (!check_is_of_loading(w->jobs[first].test) || r->end == CHECK_NOT_RUN) return true;
    return r->report.outcome != CHECK_FAILED;
}

static bool is_first(const runner *w, size_t i)
{
    return first_of(w, i) == i && check_is_of_loading(w->jobs[i].test);
}

static bool is_ordinary(const runner *w, size_t i)
{
    return !is_first(w, i) && !check_is_speed(w->jobs[i].test) && is_worth_it(w, i);
}

static bool is_alone(const runner *w, size_t i)
{
    return !is_first(w, i) && check_is_speed(w->jobs[i].test) && is_worth_it(w, i);
}

status runner_run(const check_job *jobs, size_t n, const runner_options *o, arena *a,
    check_result *results, error *err)
{
    const size_t most = o->n_processes < 1 ? 1
        : o->n_processes > MOST_PROCESSES  ? MOST_PROCESSES
                                           : o->n_processes;
    runner w = { .jobs = jobs,
        .n = n,
        .o = o,
        .memory = a,
        .results = results,
        .children = arena_alloc_array(a, most, sizeof(child)),
        .n_children = most,
        .err = err };
    if (!w.children) return fail_nomem(err, "the tests");
    memset(results, 0, n * sizeof *results);
    status st = OK;
    TRY(run_some(&w, n, is_first, most));
    TRY(run_some(&w, n, is_ordinary, most));
    TRY(run_some(&w, n, is_alone, 1));
done:
    end_all(&w);
    return st;
}

void check_here(const subject *s, const check_test *t, check_result *out)
{
    *out = (check_result){ .end = CHECK_REPORTED };
    const double start_s = clock_wall_s();
    t->run(s, &out->report);
    out->duration_s = clock_wall_s() - start_s;
}
