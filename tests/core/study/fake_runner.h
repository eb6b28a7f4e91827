/* runner.h without processes: a trial is a function of its point and seed, and takes a while by the clock or by a lottery. The linker
 * takes these functions instead of the room's. */
#ifndef ASSAY_TESTS_CORE_STUDY_FAKE_RUNNER_H
#define ASSAY_TESTS_CORE_STUDY_FAKE_RUNNER_H

#include "base/clock.h"
#include "study/runner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* How the fake behaves; set before runner_open. */
typedef struct fake_ways {
    uint64_t lottery; /* of who ends first; 0: in the order of starting */
    double trial_s; /* each takes that long */
    int n_reports; /* of each trial that reports */
    outcome_class (*class_of)(const run_spec *s, uint64_t n_started); /* NULL: all are well */
    int signal; /* that ended those of class CRASH */
    bool ends_badly; /* the last value is infinite, and the best one is not */
    status trouble; /* of those of class HOST_ERROR */
    uint64_t n_started;
} fake_ways;

static fake_ways fake;

struct run {
    run_spec spec;
    double x[16];
    double begun_s;
    int n_reported;
    outcome outcome;
    outcome_class stopped; /* OUTCOME_OK: nobody did */
    run_end end;
    run_value values[2];
};

struct runner {
    const declaration *d;
    run *runs[64];
    size_t n;
    uint64_t lottery;
};

/* A bowl whose middle is off the middle, and a little luck by the seed. */
static double fake_value(const runner *r, const run *n)
{
    double sum = 0.125;
    const space *s = &r->d->contenders[n->spec.contender].space;
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        if (isnan(n->x[i])) continue;
        const double low = d->log ? log(d->low) : d->low, high = d->log ? log(d->high) : d->high;
        const double u = high > low ? ((d->log ? log(n->x[i]) : n->x[i]) - low) / (high - low) : 0;
        sum += (u - 0.385) * (u - 0.385);
    }
    return sum + 1e-3 * (double)(n->spec.seed % 97) / 97;
}

status runner_open(const declaration *d, const runner_options *o, runner **out, error *err)
{
    runner *r = calloc(1, sizeof *r);
    (void)o;
    if (!r) return fail(err, E_NOMEM, "a runner");
    r->d = d;
    r->lottery = fake.lottery;
    *out = r;
    return OK;
}

void runner_close(runner *r)
{
    free(r);
}

const char *runner_level(const runner *r)
{
    (void)r;
    return "none";
}

status runner_start(runner *r, const run_spec *s, run **out, error *err)
{
    run *n = calloc(1, sizeof *n);
    const size_t n_x = r->d->contenders[s->contender].space.n;
    if (!n || r->n == 64 || n_x > 16) return fail(err, E_INTERNAL, "no room for a run");
    n->spec = *s;
    if (n_x) memcpy(n->x, s->x, n_x * sizeof *n->x);
    n->begun_s = clock_wall_s();
    r->runs[r->n++] = n;
    n->outcome.class = fake.class_of ? fake.class_of(s, fake.n_started) : OUTCOME_OK;
    fake.n_started++;
    *out = n;
    return OK;
}

size_t runner_n_running(const runner *r)
{
    return r->n;
}

static size_t fake_next(runner *r)
{
    if (!r->lottery || r->n < 2) return 0;
    r->lottery = r->lottery * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(r->lottery >> 33) % r->n;
}

static void fake_finish(const runner *r, run *n)
{
    const double v = fake_value(r, n);
    if (n->stopped != OUTCOME_OK) n->outcome.class = n->stopped;
    const bool is_well = n->outcome.class == OUTCOME_OK;
    n->values[0] = (run_value){ "validation.loss", v, 7, true, true, true };
    n->values[1] = (run_value){ "test.loss", v + 0.01, 7, true, true, true };
    if (!is_well) strcpy(n->outcome.text, "it did not go well");
    if (n->outcome.class == OUTCOME_CRASH) n->outcome.signal = fake.signal;
    n->end = (run_end){ .outcome = &n->outcome,
        .values = n->values,
        .n_values = is_well ? n->spec.judges ? 2 : 1 : 0,
        .value = !is_well     ? (double)NAN
            : fake.ends_badly ? (double)INFINITY
                              : v,
        .best = is_well ? v : (double)NAN,
        .judged = is_well && n->spec.judges ? v + 0.01 : (double)NAN,
        .judged_best = is_well && n->spec.judges ? v + 0.01 : (double)NAN,
        .fidelity = n->spec.fidelity,
        .samples = 100,
        .trouble = n->outcome.class == OUTCOME_HOST_ERROR ? fake.trouble : OK,
        .wall_s = fake.trial_s,
        .record = "{\"spent\":{\"samples_forward\":100,\"wall_s\":0.5,\"cpu_s\":0.5}}",
        .log = "" };
}

status runner_wait(runner *r, double timeout_s, run_news *out, error *err)
{
    (void)err;
    *out = (run_news){ .kind = RUN_NOTHING };
    if (r->n == 0) return OK;
    const size_t i = fake_next(r);
    run *n = r->runs[i];
    const double left = n->begun_s + fake.trial_s - clock_wall_s();
    if (left > timeout_s && n->stopped == OUTCOME_OK) {
        clock_sleep(timeout_s);
        return OK;
    }
    if (left > 0 && n->stopped == OUTCOME_OK) clock_sleep(left);
    out->run = n;
    if (n->spec.reports && n->stopped == OUTCOME_OK && n->n_reported < fake.n_reports) {
        out->kind = RUN_REPORTED;
        out->fidelity = ++n->n_reported;
        out->value = n->outcome.class == OUTCOME_NONFINITE ? (double)INFINITY
                                                           : fake_value(r, n) + 1.0 / n->n_reported;
        return OK;
    }
    fake_finish(r, n);
    r->runs[i] = r->runs[--r->n];
    out->kind = RUN_ENDED;
    return OK;
}

void run_stop(run *n, outcome_class c)
{
    n->stopped = c;
}

void *run_self(const run *n)
{
    return n->spec.self;
}

const run_end *run_get_end(const run *n)
{
    return &n->end;
}

void run_free(run *n)
{
    free(n);
}

#endif
