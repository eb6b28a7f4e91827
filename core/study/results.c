/* From rows to tables: every trial is read once, in the order of numbers, then sorted into workload, contender and repeat. */
#include "study/results.h"

#include "study/record_cost.h"
#include "study/results_internal.h"
#include "study/winner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *trial_row_what(const trial_row *t)
{
    const bool has_failed = t->state == TRIAL_FAILED || t->state == TRIAL_TIMEOUT;
    const char *name = has_failed && t->attempt_class > 0 && t->attempt_class < N_OUTCOMES
        ? outcome_name((outcome_class)t->attempt_class)
        : NULL;
    return name ? name : trial_state_name(t->state);
}

bool trial_row_is_bad(const trial_row *t)
{
    return t->state == TRIAL_FAILED || t->state == TRIAL_DIVERGED || t->state == TRIAL_TIMEOUT;
}

/* -- reading rows -- */

static status read_attempts(results *r, store *s, trial_row *t, error *err)
{
    status st = OK;
    store_cursor *c = NULL;
    TRY(attempts_open(s, t->id, &c, err));
    for (;;) {
        store_attempt a;
        bool is_row = false;
        TRY(attempts_next(c, &a, &is_row, err));
        if (!is_row) break;
        if (a.class == ATTEMPT_RUNNING) continue;
        t->attempt_class = a.class;
        t->reason = arena_strdup(&r->memory, a.reason);
        if (!t->reason) TRY(fail_nomem(err, "a study's results"));
    }
done:
    store_cursor_close(c);
    return st;
}

/* A plain search has "" for both, whatever its declaration calls them. */
static status place(const results *r, const store_trial *t, trial_row *out, error *err)
{
    const declaration *d = r->declaration;
    const store_search *s = &t->search;
    size_t c = 0, w = 0;
    while (c < d->n_contenders && strcmp(d->contenders[c].name, s->contender) != 0)
        c++;
    while (w < d->n_workloads && strcmp(d->workloads[w].name, s->workload) != 0)
        w++;
    if (d->is_plain && !s->contender[0]) c = 0;
    if (d->is_plain && !s->workload[0]) w = 0;
    if (c == d->n_contenders || w == d->n_workloads || s->repeat >= d->n_repeats) {
        return fail(err, E_CORRUPT,
            "study %s: trial %llu is of contender %s, workload %s, repeat %llu, which its "
            "declaration does not have",
            quote_name(r->study.name).s, (unsigned long long)t->number, quote_name(s->contender).s,
            quote_name(s->workload).s, (unsigned long long)s->repeat);
    }
    out->contender = c;
    out->workload = w;
    return OK;
}

static status take_row(results *r, const store_trial *t, error *err)
{
    trial_row row = { .id = t->id,
        .number = t->number,
        .phase = t->search.phase,
        .repeat = t->search.repeat,
        .proposal = t->proposal,
        .replicate = t->replicate,
        .seed = t->seed,
        .n_attempts = t->epoch,
        .state = t->state,
        .attempt_class = ATTEMPT_RUNNING,
        .reason = "",
        .value = t->value,
        .standard_error = t->standard_error,
        .fidelity = t->fidelity,
        .reached = t->reached,
        .added = t->added,
        .started = t->started,
        .finished = t->finished,
        .lease = t->lease };
    record_cost cost = { (double)NAN, (double)NAN, (double)NAN };
    status st = place(r, t, &row, err);
    if (st == OK) st = record_cost_read(t->record, &cost, err);
    if (st != OK) return st;
    row.samples = cost.samples;
    row.wall_s = cost.wall_s;
    row.cpu_s = cost.cpu_s;
    row.params = arena_strdup(&r->memory, t->params);
    row.owner = arena_strdup(&r->memory, t->owner);
    if (!row.params || !row.owner) return fail_nomem(err, "a study's results");
    if (r->n_rows == r->capacity) {
        const size_t more = r->capacity ? 2 * r->capacity : 256;
        trial_row *rows = realloc(r->rows, more * sizeof *rows);
        if (!rows) return fail_nomem(err, "a study's results");
        r->rows = rows;
        r->capacity = more;
    }
    r->rows[r->n_rows++] = row;
    r->count[row.state]++;
    return OK;
}

static status read_rows(results *r, store *s, error *err)
{
    status st = OK;
    store_cursor *c = NULL;
    TRY(store_trials_open(s, r->study.id, NULL, &c, err));
    for (;;) {
        store_trial t;
        bool is_row = false;
        TRY(store_trials_next(c, &t, &is_row, err));
        if (!is_row) break;
        TRY(take_row(r, &t, err));
    }
    for (size_t i = 0; i < r->n_rows; i++) {
        const bool asks = r->rows[i].n_attempts > 0 && r->rows[i].state != TRIAL_DONE;
        if (asks) TRY(read_attempts(r, s, &r->rows[i], err));
    }
done:
    store_cursor_close(c);
    return st;
}

/* -- sorting in -- */

static status make_tables(results *r, error *err)
{
    const declaration *d = r->declaration;
    arena *a = &r->memory;
    r->workloads = arena_alloc_array(a, d->n_workloads, sizeof *r->workloads);
    if (!r->workloads) return fail_nomem(err, "a study's results");
    for (size_t w = 0; w < d->n_workloads; w++) {
        result_workload *to = &r->workloads[w];
        to->contenders = arena_alloc_array(a, d->n_contenders, sizeof *to->contenders);
        to->order = arena_alloc_array(a, d->n_contenders, sizeof *to->order);
        if (!to->contenders || !to->order) return fail_nomem(err, "a study's results");
        for (size_t c = 0; c < d->n_contenders; c++) {
            result_contender *k = &to->contenders[c];
            k->i = c;
            k->repeats = arena_alloc_array(a, (size_t)d->n_repeats, sizeof *k->repeats);
            if (!k->repeats) return fail_nomem(err, "a study's results");
        }
    }
    return OK;
}

static contestant contestant_of(const trial_row *t)
{
    return (contestant){ .state = t->state, .value = t->value, .reached = t->reached };
}

static bool is_better(const results *r, const trial_row *t, const trial_row *best)
{
    return !best ||
        contestant_beats(contestant_of(t), contestant_of(best), r->declaration->direction);
}

static void take_tuning(const results *r, result_contender *c, const trial_row *t)
{
    result_repeat *p = &c->repeats[t->repeat];
    p->n_tuning++;
    c->n_tuning++;
    p->n_ended += t->state >= TRIAL_DONE;
    p->n_failed += trial_row_is_bad(t);
    if (!contestant_is_valid(contestant_of(t))) return;
    p->n_tuned++;
    c->n_tuned++;
    if (is_better(r, t, p->winner)) p->winner = t;
    if (is_better(r, t, c->best)) c->best = t;
}

static void add_cost(result_cost *to, const trial_row *t)
{
    if (t->state < TRIAL_DONE) return;
    to->n_trials++;
    if (isfinite(t->samples)) to->samples += t->samples;
    if (isfinite(t->wall_s)) to->wall_s += t->wall_s;
    if (isfinite(t->cpu_s)) to->cpu_s += t->cpu_s;
}

/* Grows an array of the arena by one where it is full: sizes are powers of two. */
static bool make_room(arena *a, void **items, size_t each, size_t n)
{
    if (n > 0 && (n & (n - 1)) != 0) return true;
    void *more = arena_alloc_array(a, n ? 2 * n : 1, each);
    if (!more) return false;
    if (n) memcpy(more, *items, n * each);
    *items = more;
    return true;
}

static status take_run(results *r, result_contender *c, const trial_row *t, error *err)
{
    result_repeat *p = &c->repeats[t->repeat];
    void *runs = (void *)p->runs;
    if (!make_room(&r->memory, &runs, sizeof *p->runs, p->n_runs)) {
        return fail_nomem(err, "a study's results");
    }
    p->runs = runs;
    p->runs[p->n_runs++] = t;
    c->n_runs++;
    c->n_lost += t->state == TRIAL_LOST;
    return OK;
}

static status take_failure(results *r, result_contender *c, const trial_row *t, error *err)
{
    const char *what = trial_row_what(t);
    for (size_t i = 0; i < c->n_failures; i++) {
        if (c->failures[i].phase == t->phase && strcmp(c->failures[i].what, what) == 0) {
            c->failures[i].n++;
            return OK;
        }
    }
    void *failures = c->failures;
    if (!make_room(&r->memory, &failures, sizeof *c->failures, c->n_failures)) {
        return fail_nomem(err, "a study's results");
    }
    c->failures = failures;
    c->failures[c->n_failures++] = (result_failure){ t->phase, what, 1, t };
    return OK;
}

static status sort_in(results *r, error *err)
{
    status st = OK;
    for (size_t i = 0; st == OK && i < r->n_rows; i++) {
        const trial_row *t = &r->rows[i];
        result_contender *c = &r->workloads[t->workload].contenders[t->contender];
        add_cost(t->phase == STORE_TUNE ? &c->tuning : &c->evaluation, t);
        if (t->phase == STORE_TUNE) {
            take_tuning(r, c, t);
        } else {
            st = take_run(r, c, t, err);
        }
        const bool is_failure = trial_row_is_bad(t) || t->state == TRIAL_LOST;
        if (st == OK && is_failure) st = take_failure(r, c, t, err);
    }
    return st;
}

/* -- the whole -- */

status results_read(
    store *s, const store_study *study, const declaration *d, results **out, error *err)
{
    status st = OK;
    results *r = calloc(1, sizeof *r);
    if (!r) return fail_nomem(err, "a study's results");
    r->declaration = d;
    r->study = *study;
    r->study.name = arena_strdup(&r->memory, study->name);
    r->study.metric = arena_strdup(&r->memory, study->metric);
    r->study.declaration = NULL; /* who has the declaration has that */
    if (!r->study.name || !r->study.metric) TRY(fail_nomem(err, "a study's results"));
    TRY(make_tables(r, err));
    TRY(read_rows(r, s, err));
    TRY(sort_in(r, err));
    TRY(results_summarise(r, err));
    *out = r;
    r = NULL;
done:
    results_free(r);
    return st;
}

void results_free(results *r)
{
    if (!r) return;
    free(r->rows);
    arena_release(&r->memory);
    free(r);
}

uint64_t results_n_ended(const results *r)
{
    uint64_t n = 0;
    for (int i = TRIAL_DONE; i < N_TRIAL_STATES; i++)
        n += r->count[i];
    return n;
}

status results_point(const results *r, const trial_row *t, double *x, error *err)
{
    const space *s = &r->declaration->contenders[t->contender].space;
    const size_t n = strlen(t->params);
    json_in j = { .what = "params", .s = t->params, .n = n };
    char *strings = malloc(n + 1);
    if (!strings) return fail_nomem(err, "a trial's params");
    j.strings = strings;
    status st = space_point_from_json(s, &j, x, err);
    if (st == OK) st = json_in_end(&j, err);
    free(strings);
    if (st == OK || st == E_NOMEM) return st;
    (void)error_where(err, "trial %llu", (unsigned long long)t->number);
    if (err) err->code = E_CORRUPT;
    return E_CORRUPT;
}
