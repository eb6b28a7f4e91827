/* The host's side: watches the limits of jobs, waits for them and judges how they ended.
 *
 * Limits on time and memory are the host's: it ends a worker through its pidfd, which cannot mean another process. That a
 * worker ended, and how, the fork server tells, whose child it is. */
#define _GNU_SOURCE
#include "base/clock.h"
#include "sandbox/host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

static const double tick_s = 0.025; /* how often memory and stalls are looked at */
static const double patience_s = 5; /* for the fork server to tell of a worker that was ended */

/* -- Ending a job -- */

static void kill_by(int pidfd)
{
    if (pidfd >= 0) (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
}

void host_kill(sandbox_job *j)
{
    kill_by(j->pidfd);
}

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

void host_judge(sandbox_job *j)
{
    outcome_facts *f = &j->facts;
    status_page page; /* a copy, which nobody changes while it is judged */
    memcpy(&page, page_of(j), sizeof page);
    f->wall_s = (j->over_s > 0 ? j->over_s : clock_wall_s()) - j->begun_s;
    f->level = j->level;
    f->limits = j->limits;
    f->page = &page;
    f->log_is_full = j->limits.log_bytes && log_length(j) == j->limits.log_bytes;
    f->finite = (const void *)(j->shared + PAGE_BYTES + j->call.finite_at);
    f->n_finite = j->call.n_finite;
    f->doing = j->doing[0] ? j->doing : NULL;
    outcome_judge(f, &j->outcome);
    f->page = NULL;
    f->doing = NULL;
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
void host_lose_server(sandbox *s)
{
    for (sandbox_job *j = s->jobs; j; j = j->next) {
        if (j->is_over) continue;
        host_kill(j);
        j->facts.is_lost = true;
        host_judge(j);
    }
    host_stop_server(s);
}

static void take_started(sandbox_job *j, wire_message *w)
{
    const started_message *m = (const void *)w->bytes;
    if (w->n_fds != 1 || j->pidfd >= 0) return;
    j->pidfd = w->fds[0];
    w->n_fds = 0;
    j->pid = m->pid;
    j->begun_s = m->at_s;
    j->moved_s = clock_wall_s();
    if (j->ended_s > 0) host_kill(j);
}

static void take_ended(sandbox_job *j, const ended_message *m)
{
    j->facts.status = m->status;
    j->facts.fork_errno = m->fork_errno;
    j->facts.used = m->used;
    j->facts.n_leftover = m->n_leftover;
    j->over_s = m->at_s;
    host_judge(j);
}

static status take_message(sandbox *s, error *err)
{
    const status st = wire_take(s->socket, &s->message, err);
    if (st != OK) return st;
    const started_message *started = (const void *)s->message.bytes;
    const ended_message *ended = (const void *)s->message.bytes;
    if (s->message.n == 0) {
        host_lose_server(s);
    } else if (s->message.n == sizeof *started && started->kind == MESSAGE_STARTED) {
        sandbox_job *j = find_job(s, started->id);
        if (j) {
            take_started(j, &s->message);
        } else if (s->message.n_fds == 1) { /* it was freed before it had begun */
            kill_by(s->message.fds[0]);
        }
    } else if (s->message.n == sizeof *ended && ended->kind == MESSAGE_ENDED) {
        sandbox_job *j = find_job(s, ended->id);
        if (j) take_ended(j, ended);
    }
    wire_close_fds(&s->message);
    return OK;
}

/* -- Limits -- */

void host_end_for(sandbox_job *j, outcome_class limit, bool is_stall)
{
    if (j->ended_s > 0) return;
    j->facts.limit = limit;
    j->facts.is_stall = is_stall;
    j->ended_s = clock_wall_s();
    host_kill(j);
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
        host_end_for(j, OUTCOME_MEMORY_LIMIT, false);
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
        host_end_for(j, OUTCOME_TIMEOUT, false);
    } else if (j->limits.stall_s > 0 && phase != PHASE_PLAN &&
        now - j->moved_s >= j->limits.stall_s) {
        host_end_for(j, OUTCOME_TIMEOUT, true);
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
    if (is_deaf) host_lose_server(s);
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
        if (j->is_over && !j->is_given && !j->call.has_channel) oldest = j;
    }
    if (oldest) oldest->is_given = true;
    return oldest;
}

size_t sandbox_n_running(const sandbox *s)
{
    size_t n = 0;
    for (const sandbox_job *j = s->jobs; j; j = j->next)
        n += !j->is_over && !j->call.has_channel;
    return n;
}

status host_wait(sandbox *s, double until_s, int also, short events, error *err)
{
    status st = OK;
    if (s->socket < 0) {
        host_lose_server(s);
        return OK;
    }
    const double look = next_look(s), now = clock_wall_s();
    const double end = look < until_s ? look : until_s;
    const double wait_s = end > now ? end - now : 0;
    struct pollfd news[2] = { { .fd = s->socket, .events = POLLIN },
        { .fd = also, .events = events } };
    const struct timespec wait = { .tv_sec = (time_t)wait_s,
        .tv_nsec = (long)((wait_s - (double)(time_t)wait_s) * 1e9) };
    if (ppoll(news, 2, &wait, NULL) < 0 && errno != EINTR) {
        return fail_errno(err, errno, "the sandbox", "waiting");
    }
    if (news[0].revents) st = take_message(s, err);
    if (st == OK && s->socket >= 0 && clock_wall_s() >= next_look(s)) watch_all(s);
    return st;
}

status sandbox_wait(sandbox *s, double timeout_s, sandbox_job **out, error *err)
{
    const double until = timeout_s < 0 ? 1e300 : clock_wall_s() + timeout_s;
    for (;;) {
        *out = take_over(s);
        if (*out || sandbox_n_running(s) == 0) return OK;
        const status st = host_wait(s, until, -1, 0, err);
        if (st != OK) return st;
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
    host_kill(j);
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
    host_kill(j);
    if (j->pidfd >= 0) close(j->pidfd);
    channel_release(&j->channel);
    if (j->shared && j->level == SANDBOX_NONE) {
        free(j->shared);
    } else if (j->shared) {
        (void)munmap(j->shared, j->shared_bytes);
    }
    if (j->log) (void)munmap(j->log, j->limits.log_bytes);
    free(j);
}
