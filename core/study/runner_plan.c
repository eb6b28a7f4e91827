/* A plan says how large a result is, and depends on neither seed nor the optimizer's numbers (but for the size of a checkpoint): it is made once, by the
 * first run that needs it, while others that need the same one wait. Only plans that were successful are kept: what went wrong is the
 * outcome of the run that made it, and the next one makes its own. */
#include "study/runner_internal.h"

#include "base/file.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_below(const char *assignment, const char *key)
{
    const char *path = assignment + (*assignment == '+' || *assignment == '~');
    const size_t n = strlen(key);
    return strncmp(path, key, n) == 0 && (path[n] == '\0' || strchr(".[=", path[n]));
}

static bool is_number(const char *assignment)
{
    const char *end, *at = strchr(assignment, '=');
    if (!at) return false;
    (void)text_to_real(at + 1, &end);
    return end > at + 1 && *end == '\0';
}

/* What a checkpoint needs is the optimizer's to say. And a plan is made with the run's own plugins loaded, so it serves only runs that have the
 * same ones: of an optimizer and a schedule numbers alone do not matter. */
static bool matters(const run *n, const char *assignment)
{
    const bool is_of_step = is_below(assignment, "optimizer") || is_below(assignment, "schedule");
    return n->spec.keeps_checkpoint || !is_of_step || !is_number(assignment);
}

static status plan_key(const run *n, char out[33], error *err)
{
    text all = { 0 };
    text_printf(&all, "%zu %s", n->spec.workload, n->pack ? n->pack->key : "");
    for (size_t i = 0; i < n->n_overrides; i++) {
        const char *o = n->overrides[i];
        if (!matters(n, o)) continue;
        text_add_bytes(&all, o, strlen(o) + 1);
    }
    const status st = text_check(&all, err);
    if (st == OK) hash_hex(out, all.s, all.n);
    text_release(&all);
    return st;
}

static runner_place plan_place(const run *n)
{
    return n->pack ? PLACE_TRAIN : PLACE_DATA;
}

static void read_plan(run_plan *p, const void *got)
{
    memcpy(&p->is, got, sizeof p->is);
    for (int i = 0; i < N_PARTS; i++)
        p->is.split_hash[i][sizeof p->is.split_hash[i] - 1] = '\0';
    p->maker = NULL;
}

static status make_plan(run *n, const char key[33], error *err)
{
    runner *r = n->owner;
    const job_input in = train_input(n);
    const sandbox_call c = { .result_bytes = sizeof(train_plan) };
    run_plan *p = calloc(1, sizeof *p);
    if (!p) return fail_nomem(err, "a plan");
    memcpy(p->key, key, sizeof p->key);
    p->maker = n;
    p->next = r->plans;
    r->plans = p;
    n->plan = p;
    n->stage = RUN_PLANS;
    return train_start_job(n, plan_place(n), "plan", &in, &c, err);
}

status plan_find(run *n, error *err)
{
    char key[33];
    status st = plan_key(n, key, err);
    if (st != OK) return st;
    for (run_plan *p = n->owner->plans; p; p = p->next) {
        if (strcmp(p->key, key) != 0) continue;
        n->plan = p;
        n->stage = RUN_WAITS;
        return p->maker ? OK : train_start(n, err);
    }
    return make_plan(n, key, err);
}

/* Those that waited for a plan go on: with it, or, where it has come to nothing, one of them makes it. */
static void wake(runner *r, const run_plan *p, bool is_made)
{
    for (run *n = r->runs; n; n = n->next) {
        error err;
        if (n->stage != RUN_WAITS || n->plan != p) continue;
        n->plan = is_made ? n->plan : NULL;
        train_go_on_or_end(n, is_made ? train_start(n, &err) : plan_find(n, &err), &err);
    }
}

void plan_release(run *n)
{
    runner *r = n->owner;
    run_plan *p = n->plan;
    n->plan = NULL;
    if (!p || p->maker != n) return;
    for (run_plan **at = &r->plans; *at; at = &(*at)->next) {
        if (*at != p) continue;
        *at = p->next;
        break;
    }
    wake(r, p, false);
    free(p);
}

void plan_take(run *n, const sandbox_job *j)
{
    error err;
    size_t bytes;
    run_plan *p = n->plan;
    read_plan(p, job_result(j, &bytes));
    train_go_on_or_end(n, train_start(n, &err), &err);
    wake(n->owner, p, true);
}

/* -- Plans that are made now -- */

/* A run that is among no runner's runs. */
static run *loose_new(runner *r, size_t i_workload)
{
    run *one = calloc(1, sizeof *one);
    if (!one) return NULL;
    one->owner = r;
    one->workload = &r->declaration->workloads[i_workload];
    one->spec.workload = i_workload;
    return one;
}

static void loose_free(run *one)
{
    if (!one) return;
    config_free(one->config);
    text_release(&one->log);
    arena_release(&one->memory);
    free(one);
}

/* Jobs of others that end meanwhile go on. What became of it is the outcome's class, where the error is E_PLUGIN; *out_is_lost: its
 * process was killed. */
static status plan_once(
    run *n, run_plan *out, bool *out_is_lost, outcome_class *out_class, error *err)
{
    size_t bytes;
    sandbox_job *j = NULL, *mine;
    sandbox *s = n->owner->places[plan_place(n)];
    const job_input in = train_input(n);
    const sandbox_call c = { .result_bytes = sizeof out->is };
    status st = train_start_job(n, plan_place(n), "plan", &in, &c, err);
    mine = n->job;
    while (st == OK && j != mine) {
        st = runner_wait_job(n->owner, s, &j, err);
        if (st == OK && !j) st = fail(err, E_INTERNAL, "a plan went away");
        if (st == OK && j != mine) train_go_on(job_self(j), j);
    }
    *out_is_lost = st == OK && outcome_is_loss(job_outcome(mine));
    if (st == OK) *out_class = job_outcome(mine)->class;
    if (st == OK && job_outcome(mine)->class != OUTCOME_OK)
        st = fail(err, E_PLUGIN, "%s", job_outcome(mine)->text);
    if (st == OK) read_plan(out, job_result(mine, &bytes));
    job_free(mine);
    n->job = NULL;
    return st;
}

static status plan_now(run *n, run_plan *out, outcome_class *out_class, error *err)
{
    enum { MOST_PLANS = 10 };
    status st = OK;
    bool is_lost = true;
    for (int i = 0; is_lost && i < MOST_PLANS; i++)
        st = plan_once(n, out, &is_lost, out_class, err);
    return st;
}

status plan_cost(
    runner *r, size_t i_workload, const char *const *overrides, size_t n, double *out, error *err)
{
    status st = OK;
    run_plan p;
    run *one = loose_new(r, i_workload);
    if (!one) return fail_nomem(err, "a plan");
    const workload *w = one->workload;
    one->overrides = arena_alloc_array(&one->memory, w->n_overrides + n + 1, sizeof(char *));
    if (!one->overrides) TRY(fail_nomem(err, "a plan"));
    for (size_t i = 0; i < w->n_overrides; i++)
        one->overrides[one->n_overrides++] = w->overrides[i];
    for (size_t i = 0; i < n; i++)
        one->overrides[one->n_overrides++] = overrides[i];
    TRY(workload_config(w, overrides, n, &one->config, err));
    TRY(pack_find(r, one->config, &one->pack, err));
    outcome_class class;
    TRY(plan_now(one, &p, &class, err));
    const double epochs =
        p.is.steps_per_epoch ? (double)p.is.total_steps / (double)p.is.steps_per_epoch : 0;
    *out = epochs * (double)p.is.n_rows[0];
done:
    loose_free(one);
    return st;
}

/* The middle of a space is its point 0; others are drawn. */
static void put_point(const space *s, uint64_t i_point, double *x)
{
    const rng r = rng_make(1, "plans");
    for (size_t i = 0; i < s->n; i++) {
        const assay_dimension *d = &s->dimensions[i];
        float u;
        rng_uniform(r, i_point, i, &u, 1);
        const double at = (double)u;
        x[i] = (double)NAN;
        if (i_point == 0) continue;
        x[i] = d->type == ASSAY_SPACE_CATEGORY ? floor(at * (double)d->n_choices)
                                               : d->low + at * (d->high - d->low);
    }
    (void)space_repair(s, x);
}

/* The plan of a contender at a point of its space; that of the middle its first trial will mostly need, too. */
static status check_point(runner *r, size_t i_workload, size_t i_contender, uint64_t i_point,
    outcome_class *out_class, error *err)
{
    char key[33];
    status st = OK;
    run_plan *p = NULL;
    run *one = loose_new(r, i_workload);
    if (!one) return fail_nomem(err, "a plan");
    one->contender = &r->declaration->contenders[i_contender];
    const space *s = &one->contender->space;
    double *x = arena_alloc_array(&one->memory, s->n + 1, sizeof *x);
    p = calloc(1, sizeof *p);
    if (!x || !p) TRY(fail_nomem(err, "a plan"));
    put_point(s, i_point, x);
    one->spec.x = x;
    TRY(overrides_write(one, err));
    TRY(plan_key(one, key, err));
    TRY(plan_now(one, p, out_class, err));
    memcpy(p->key, key, sizeof p->key);
    p->next = r->plans;
    r->plans = p;
    p = NULL;
done:
    free(p);
    loose_free(one);
    return st;
}

/* Whether a contender says no wherever in its space it is asked. Who crashes or hangs is not asked again: that is what trials tell.
 * The error is that of the middle. */
static status check_contender(
    runner *r, size_t i_workload, size_t i_contender, bool *out_never, error *err)
{
    enum { MOST_POINTS = 16 };
    const uint64_t n = r->declaration->contenders[i_contender].space.n ? MOST_POINTS : 1;
    outcome_class class = OUTCOME_OK;
    const status st = check_point(r, i_workload, i_contender, 0, &class, err);
    *out_never = st == E_PLUGIN && class == OUTCOME_PLUGIN_ERROR;
    for (uint64_t i = 1; i < n && *out_never; i++) {
        error why;
        const status next = check_point(r, i_workload, i_contender, i, &class, &why);
        *out_never = next == E_PLUGIN && class == OUTCOME_PLUGIN_ERROR;
        if (next == OK) return OK;
        if (next != E_PLUGIN) return fail(err, next, "%s", why.text);
    }
    return st;
}

/* What the worker said, without where in it that was, and without the overrides' origin, which is no line of the user's. */
static status fail_run(const workload *w, const contender *k, const error *why, error *err)
{
    static const char before[] = "command line: ";
    const char *message = why->text;
    if (strncmp(message, before, strlen(before)) == 0) message += strlen(before);
    const char *phase = strstr(message, ", phase ");
    if (k) {
        return fail_at(err, E_PLUGIN, &k->at,
            "contender \"%s\" cannot be run on workload \"%s\"%s: %.*s", k->name, w->name,
            k->space.n ? " anywhere in its space" : "",
            (int)(phase ? (size_t)(phase - message) : strlen(message)), message);
    }
    return fail_at(err, E_PLUGIN, &w->at, "workload \"%s\" cannot be run: %.*s", w->name,
        (int)(phase ? (size_t)(phase - message) : strlen(message)), message);
}

status plans_check(runner *r, error *err)
{
    const declaration *d = r->declaration;
    for (size_t w = 0; w < d->n_workloads; w++) {
        error first, of_never;
        bool is_fine = false;
        const contender *never = NULL;
        if (d->workloads[w].kind != WORKLOAD_TRAIN) continue;
        for (size_t i = 0; i < d->n_contenders; i++) {
            error why;
            bool is_never = false;
            const status st = check_contender(r, w, i, &is_never, &why);
            if (st != OK && st != E_PLUGIN) return fail(err, st, "%s", why.text);
            if (i == 0 && st != OK) first = why;
            if (is_never && !never) of_never = why;
            if (is_never && !never) never = &d->contenders[i];
            is_fine = is_fine || st == OK;
        }
        if (!is_fine) return fail_run(&d->workloads[w], NULL, &first, err);
        if (never) return fail_run(&d->workloads[w], never, &of_never, err);
    }
    return OK;
}
