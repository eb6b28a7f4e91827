/* Events: runs that are under way, what is waited for, who is told.
 *
 * Whatever a run is (jobs in sandboxes, a program), it has descriptors that become readable when it has news, so a runner waits for all of
 * them at once. What has none (limits, numbers that a trainer writes into shared memory) is looked at forty times a second, and
 * only while there is something to look at. */
#define _GNU_SOURCE
#include "study/runner_internal.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double tick_s = 0.025; /* as the sandbox's, which wants to be asked as often */
static const double look_s = 0.1; /* how often it is looked whether opening is to be given up */

/* -- Opening and closing -- */

static bool has_workload(const declaration *d, workload_kind k)
{
    for (size_t i = 0; i < d->n_workloads; i++) {
        if (d->workloads[i].kind == k) return true;
    }
    return false;
}

status runner_open(const declaration *d, const runner_options *o, runner **out, error *err)
{
    status st = OK;
    runner *r = calloc(1, sizeof *r);
    if (!r) return fail_nomem(err, "the runner");
    r->declaration = d;
    r->options = *o;
    r->level = o->is_debugged ? SANDBOX_NONE : SANDBOX_PROCESS;
    r->n_procedures = study_procedures(r->procedures);
    if (o->program) {
        r->options.program = arena_strdup(&r->memory, o->program);
        if (!r->options.program) TRY(fail_nomem(err, "the runner"));
    }
    if (o->folder) {
        r->options.folder = arena_strdup(&r->memory, o->folder);
        if (!r->options.folder) TRY(fail_nomem(err, "the runner"));
        TRY(file_make_dirs(o->folder, err));
    }
    TRY(record_open(r, err));
    if (has_workload(d, WORKLOAD_COMMAND)) TRY(commands_open(r, err));
    if (has_workload(d, WORKLOAD_TRAIN)) {
        TRY(trust_check(r, err));
        TRY(places_open(r, err));
        TRY(plans_check(r, err));
    }
    *out = r;
    r = NULL;
done:
    runner_close(r);
    return st;
}

void runner_close(runner *r)
{
    if (!r) return;
    while (r->runs)
        run_free(r->runs);
    for (size_t i = 0; i < N_PLACES; i++)
        sandbox_close(r->places[i]);
    while (r->plans) {
        run_plan *p = r->plans;
        r->plans = p->next;
        free(p);
    }
    record_release(r);
    free(r->fds);
    arena_release(&r->memory);
    free(r);
}

const char *runner_level(const runner *r)
{
    return sandbox_level_name(r->level);
}

status runner_cost(runner *r, size_t i_workload, const char *const *overrides, size_t n,
    double *out_samples, error *err)
{
    *out_samples = 0;
    return r->declaration->workloads[i_workload].kind == WORKLOAD_TRAIN
        ? plan_cost(r, i_workload, overrides, n, out_samples, err)
        : OK;
}

size_t runner_n_running(const runner *r)
{
    return r->n_running;
}

status runner_wait_job(runner *r, sandbox *s, sandbox_job **out, error *err)
{
    const atomic_int *asked = r->options.interrupt;
    if (!asked) return sandbox_wait(s, -1, out, err);
    for (;;) {
        const status st = sandbox_wait(s, look_s, out, err);
        if (st != OK || *out) return st;
        if (atomic_load(asked) != 0) return fail(err, E_INTERRUPTED, "interrupted");
    }
}

/* -- A run -- */

static status begin(run *n, error *err)
{
    if (n->workload->kind == WORKLOAD_TRAIN) return train_begin(n, err);
    command_begin(n);
    return OK;
}

status runner_start(runner *r, const run_spec *s, run **out, error *err)
{
    status st = OK;
    const declaration *d = r->declaration;
    run *n = calloc(1, sizeof *n);
    if (!n) return fail_nomem(err, "a run");
    n->owner = r;
    n->spec = *s;
    n->workload = &d->workloads[s->workload];
    n->contender = &d->contenders[s->contender];
    n->next = r->runs;
    r->runs = n;
    r->n_running++;
    const size_t n_x = n->contender->space.n;
    double *x = arena_alloc_array(&n->memory, n_x + 1, sizeof *x);
    if (!x) TRY(fail_nomem(err, "a run"));
    if (n_x) memcpy(x, s->x, n_x * sizeof *x);
    n->spec.x = x;
    n->goal = s->fidelity > 0 ? s->fidelity : declaration_max_fidelity(d, s->workload);
    TRY(begin(n, err));
    *out = n;
    n = NULL;
done:
    run_free(n);
    return st;
}

void *run_self(const run *n)
{
    return n->spec.self;
}

const run_end *run_get_end(const run *n)
{
    return n->stage == RUN_OVER ? &n->end : NULL;
}

static void forget_end(runner *r, const run *n)
{
    run *before = NULL;
    for (run *e = r->first_ended; e; before = e, e = e->next_ended) {
        if (e != n) continue;
        if (before) before->next_ended = n->next_ended;
        if (r->first_ended == n) r->first_ended = n->next_ended;
        if (r->last_ended == n) r->last_ended = before;
        return;
    }
}

void run_free(run *n)
{
    if (!n) return;
    runner *r = n->owner;
    for (run **at = &r->runs; *at; at = &(*at)->next) {
        if (*at != n) continue;
        *at = n->next;
        break;
    }
    if (!n->is_told) r->n_running--;
    forget_end(r, n);
    job_free(n->job);
    n->job = NULL;
    train_release(n);
    command_release(n);
    free(n->values);
    free(n->news);
    text_release(&n->record);
    text_release(&n->log);
    arena_release(&n->memory);
    free(n);
}

void run_stop(run *n, outcome_class c)
{
    if (n->stage == RUN_OVER || n->stopped_as != OUTCOME_OK) return;
    n->stopped_as = c;
    n->n_news = 0;
    if (n->job) {
        job_end(n->job, c);
    } else if (n->command) {
        command_stop(n);
    } else {
        run_over_for(n, c, "ended by the study");
    }
}

/* -- Its end -- */

static double or_nan(number v)
{
    return v.has ? v.v : (double)NAN;
}

void run_over(run *n, const outcome *o)
{
    error err;
    runner *r = n->owner;
    n->outcome = *o;
    n->stage = RUN_OVER;
    n->end.outcome = &n->outcome;
    n->end.values = n->values;
    n->end.n_values = n->n_values;
    n->end.value = or_nan(n->value);
    n->end.best = or_nan(n->best);
    n->end.judged = or_nan(n->judged);
    n->end.judged_best = or_nan(n->judged_best);
    for (size_t i = 0; i < n->n_jobs; i++) {
        n->end.wall_s += n->jobs[i].wall_s;
        n->end.cpu_s += n->jobs[i].cpu_s;
    }
    if (record_make(n, &err) != OK || text_check(&n->log, &err) != OK) {
        n->outcome.class = OUTCOME_HOST_ERROR;
        snprintf(n->outcome.text, sizeof n->outcome.text, "%s", "out of memory");
    }
    n->end.record = n->record.s ? n->record.s : "";
    n->end.log = n->log.s ? n->log.s : "";
    if (r->last_ended) r->last_ended->next_ended = n;
    if (!r->first_ended) r->first_ended = n;
    r->last_ended = n;
    train_release(n); /* last: others may go on by this */
}

void run_over_for(run *n, outcome_class c, const char *format, ...)
{
    outcome o = { .class = c, .exit_code = -1, .violation = -1 };
    va_list args;
    va_start(args, format);
    (void)vsnprintf(o.text, sizeof o.text, format, args);
    va_end(args);
    run_over(n, &o);
}

/* -- News -- */

bool run_has_room_for_news(const run *n)
{
    return n->n_news < RUN_NEWS;
}

status run_tell(run *n, double fidelity, double v, error *err)
{
    /* Who is stopped for what it is at its goal would leave neither checkpoint nor score. */
    const bool is_there = n->goal > 0 && fidelity >= n->goal;
    if (!n->spec.reports || n->stopped_as != OUTCOME_OK || is_there) return OK;
    if (n->n_news == 0) n->news_at = 0;
    if (n->news_at + n->n_news == n->news_capacity) {
        const size_t more = n->news_capacity ? 2 * n->news_capacity : RUN_NEWS;
        run_news *grown = realloc(n->news, more * sizeof *grown);
        if (!grown) return fail_nomem(err, "what a run tells");
        n->news = grown;
        n->news_capacity = more;
    }
    n->news[n->news_at + n->n_news++] =
        (run_news){ .kind = RUN_REPORTED, .run = n, .fidelity = fidelity, .value = v };
    return OK;
}

/* What a run told on the way comes before its end. */
static bool take_news(runner *r, run_news *out)
{
    for (run *n = r->runs; n; n = n->next) {
        if (n->n_news == 0) continue;
        *out = n->news[n->news_at++];
        n->n_news--;
        return true;
    }
    run *n = r->first_ended;
    if (!n) return false;
    r->first_ended = n->next_ended;
    if (!r->first_ended) r->last_ended = NULL;
    n->next_ended = NULL;
    n->is_told = true;
    r->n_running--;
    *out = (run_news){ .kind = RUN_ENDED, .run = n };
    return true;
}

/* -- Waiting -- */

static status make_room(runner *r, error *err)
{
    const size_t most = N_PLACES + COMMAND_FDS * r->n_running;
    if (most <= r->fds_capacity) return OK;
    struct pollfd *grown = realloc(r->fds, 2 * most * sizeof *grown);
    if (!grown) return fail_nomem(err, "what is waited for");
    r->fds = grown;
    r->fds_capacity = 2 * most;
    return OK;
}

/* Sleeps until something may have happened. */
static status sleep_until(runner *r, double until_s, error *err)
{
    size_t n_fds = 0;
    const double now = clock_wall_s();
    status st = make_room(r, err);
    if (st != OK) return st;
    for (const run *n = r->runs; n; n = n->next) {
        if (n->job && r->level == SANDBOX_NONE) return OK; /* it is done already */
        if (n->job && now + tick_s < until_s) until_s = now + tick_s;
        if (n->command) n_fds += command_wait(n, r->fds + n_fds, &until_s);
    }
    for (size_t i = 0; i < N_PLACES; i++) {
        if (!r->places[i] || sandbox_n_running(r->places[i]) == 0) continue;
        r->fds[n_fds++] = (struct pollfd){ .fd = sandbox_fd(r->places[i]), .events = POLLIN };
    }
    const double wait_s = until_s > now ? until_s - now : 0;
    const struct timespec wait = { .tv_sec = (time_t)wait_s,
        .tv_nsec = (long)((wait_s - (double)(time_t)wait_s) * 1e9) };
    if (ppoll(r->fds, n_fds, &wait, NULL) < 0 && errno != EINTR) {
        return fail_errno(err, errno, "the runner", "waiting");
    }
    return OK;
}

static status take_jobs(sandbox *s, error *err)
{
    for (;;) {
        sandbox_job *j = NULL;
        const status st = sandbox_wait(s, 0, &j, err);
        if (st != OK || !j) return st;
        train_go_on(job_self(j), j);
    }
}

static status turn(runner *r, double until_s, error *err)
{
    status st = sleep_until(r, until_s, err);
    for (run *n = r->runs; n && st == OK; n = n->next) {
        if (n->stage == RUN_TRAINS) st = train_look(n, err);
        if (n->stage == RUN_WORKS) command_turn(n);
    }
    for (size_t i = 0; st == OK && i < N_PLACES; i++) {
        if (r->places[i]) st = take_jobs(r->places[i], err);
    }
    return st;
}

status runner_wait(runner *r, double timeout_s, run_news *out, error *err)
{
    const double until = timeout_s < 0 ? 1e9 + clock_wall_s() : clock_wall_s() + timeout_s;
    for (;;) {
        *out = (run_news){ .kind = RUN_NOTHING };
        if (take_news(r, out) || r->n_running == 0) return OK;
        if (clock_wall_s() >= until) return OK;
        const status st = turn(r, until, err);
        if (st != OK) return st;
    }
}
