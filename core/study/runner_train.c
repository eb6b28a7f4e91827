/* The chain of jobs of a train workload.
 *
 * A plan says how large a result is, and depends on neither seed nor optimizer: it is made once, by the first run that needs it, while others
 * that need the same one wait. Only plans that were successful are kept: what went wrong is the outcome of the run that made it, and
 * the next one makes its own. */
#include "study/runner_internal.h"

#include "base/file.h"
#include "data/dataset.h"
#include "study/job_input.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Overrides -- */

static status add_override(run *n, const char *assignment, error *err)
{
    n->overrides[n->n_overrides] = arena_strdup(&n->memory, assignment);
    return n->overrides[n->n_overrides++] ? OK : fail_nomem(err, "overrides");
}

/* A point of the contender's space. */
static status add_point(run *n, error *err)
{
    text one = { 0 };
    status st = OK;
    const space *s = &n->contender->space;
    for (size_t i = 0; i < s->n; i++) {
        if (!space_is_active(s, n->spec.x, i)) continue;
        text_clear(&one);
        space_override(s, i, n->spec.x[i], &one);
        TRY(text_check(&one, err));
        TRY(add_override(n, one.s, err));
    }
done:
    text_release(&one);
    return st;
}

static const value *in_train(const run *n, const char *key)
{
    return n->config ? value_find(value_find(config_root(n->config), "train"), key) : NULL;
}

/* Sets it in the run's config, too, so that the next one sees it. */
static status add_setting(run *n, error *err, const char *format, ...) PRINTF_LIKE(3, 4);

static status add_setting(run *n, error *err, const char *format, ...)
{
    char assignment[96];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(assignment, sizeof assignment, format, args);
    va_end(args);
    if (n->config && config_override(n->config, assignment, NULL) != OK) {
        config_free(n->config);
        n->config = NULL;
    }
    return add_override(n, assignment, err);
}

/* What the study says of training: how far it goes, and whether it may stop early. */
static status add_settings(run *n, error *err)
{
    status st = OK;
    const bool has_train = n->config && value_find(config_root(n->config), "train");
    if (!n->owner->declaration->takes_best && in_train(n, "early_stopping"))
        TRY(add_setting(n, err, "~train.early_stopping"));
    if (n->spec.fidelity > 0) {
        const double epochs = n->spec.fidelity < 1 ? 1 : round(n->spec.fidelity);
        TRY(add_setting(n, err, "%strain.epochs=%.0f", has_train ? "" : "+", epochs));
    }
done:
    return st;
}

static bool may_restore(const run *n)
{
    const value *early = in_train(n, "early_stopping");
    const value *restores = value_find(early, "restore_best");
    bool wants = true;
    if (!early || early->kind != VALUE_GROUP) return early != NULL;
    return !restores || value_to_bool(restores, &wants, NULL) != OK || wants;
}

static status write_overrides(run *n, error *err)
{
    status st = OK;
    const workload *w = n->workload;
    const size_t most = w->n_overrides + n->contender->n_overrides + n->contender->space.n + 2;
    n->overrides = arena_alloc_array(&n->memory, most, sizeof *n->overrides);
    if (!n->overrides) TRY(fail_nomem(err, "overrides"));
    for (size_t i = 0; i < w->n_overrides; i++)
        TRY(add_override(n, w->overrides[i], err));
    for (size_t i = 0; i < n->contender->n_overrides; i++)
        TRY(add_override(n, n->contender->overrides[i], err));
    TRY(add_point(n, err));
    error why;
    if (workload_config(w, n->overrides + w->n_overrides, n->n_overrides - w->n_overrides,
            &n->config, &why) != OK) {
        if (why.code == E_NOMEM) TRY(fail_nomem(err, "a run's config"));
        n->config = NULL; /* its plan will say what is wrong */
    }
    TRY(add_settings(n, err));
    n->restores_best = may_restore(n);
done:
    return st;
}

/* -- Jobs -- */

static status start_job(
    run *n, const char *what, const job_input *in, const sandbox_call *of, error *err)
{
    status st = OK;
    text input = { 0 };
    sandbox_call c = *of;
    TRY(job_input_write(in, &input, err));
    c.level = n->owner->level;
    c.procedure = what;
    c.input = input.s;
    c.n_input = input.n;
    c.limits = &n->owner->declaration->limits;
    c.self = n;
    TRY(sandbox_start(n->owner->places[PLACE_DATA], &c, &n->job, err));
done:
    text_release(&input);
    return st;
}

static job_input input_of(const run *n)
{
    return (job_input){ .name = n->workload->path,
        .written = n->workload->written,
        .overrides = n->overrides,
        .n_overrides = n->n_overrides,
        .seed = n->spec.seed };
}

/* Keeps what a job took, and what it printed. */
static void take_spent(run *n, const sandbox_job *j, const char *what)
{
    error err;
    const outcome *o = job_outcome(j);
    if (n->n_jobs < RUN_MOST_JOBS) {
        n->jobs[n->n_jobs++] = (job_spent){ .procedure = what,
            .class = o->class,
            .wall_s = o->wall_s,
            .cpu_s = o->cpu_s,
            .peak_bytes = o->peak_bytes };
    }
    n->log.failed = job_log(j, &n->log, &err) != OK; /* seen at the run's end */
}

/* -- The plan -- */

static bool is_below(const char *assignment, const char *key)
{
    const char *path = assignment + (*assignment == '+' || *assignment == '~');
    const size_t n = strlen(key);
    return strncmp(path, key, n) == 0 && (path[n] == '\0' || strchr(".[=", path[n]));
}

static status plan_key(const run *n, char out[33], error *err)
{
    text all = { 0 };
    text_printf(&all, "%zu", n->spec.workload);
    for (size_t i = 0; i < n->n_overrides; i++) {
        const char *o = n->overrides[i];
        if (is_below(o, "optimizer") || is_below(o, "schedule")) continue;
        text_add_bytes(&all, o, strlen(o) + 1);
    }
    const status st = text_check(&all, err);
    if (st == OK) hash_hex(out, all.s, all.n);
    text_release(&all);
    return st;
}

static status train(run *n, error *err);

static status make_plan(run *n, const char key[33], error *err)
{
    runner *r = n->owner;
    const job_input in = input_of(n);
    const sandbox_call c = { .result_bytes = sizeof(train_plan) };
    run_plan *p = calloc(1, sizeof *p);
    if (!p) return fail_nomem(err, "a plan");
    memcpy(p->key, key, sizeof p->key);
    p->maker = n;
    p->next = r->plans;
    r->plans = p;
    n->plan = p;
    n->stage = RUN_PLANS;
    return start_job(n, "plan", &in, &c, err);
}

static status find_plan(run *n, error *err)
{
    char key[33];
    status st = plan_key(n, key, err);
    if (st != OK) return st;
    for (run_plan *p = n->owner->plans; p; p = p->next) {
        if (strcmp(p->key, key) != 0) continue;
        n->plan = p;
        n->stage = RUN_WAITS;
        return p->maker ? OK : train(n, err);
    }
    return make_plan(n, key, err);
}

/* A run whose next job cannot even be started. */
static void go_on_or_end(run *n, status st, const error *err)
{
    if (st != OK) run_over_for(n, OUTCOME_HOST_ERROR, "%s", err->text);
}

/* Those that waited for a plan go on: with it, or, where it has come to nothing, one of them makes it. */
static void wake(runner *r, const run_plan *p, bool is_made)
{
    for (run *n = r->runs; n; n = n->next) {
        error err;
        if (n->stage != RUN_WAITS || n->plan != p) continue;
        n->plan = is_made ? n->plan : NULL;
        go_on_or_end(n, is_made ? train(n, &err) : find_plan(n, &err), &err);
    }
}

void train_release(run *n)
{
    runner *r = n->owner;
    run_plan *p = n->plan;
    n->plan = NULL;
    config_free(n->config);
    n->config = NULL;
    if (!p || p->maker != n) return;
    for (run_plan **at = &r->plans; *at; at = &(*at)->next) {
        if (*at != p) continue;
        *at = p->next;
        break;
    }
    wake(r, p, false);
    free(p);
}

static void take_plan(run *n, const sandbox_job *j)
{
    error err;
    size_t bytes;
    run_plan *p = n->plan;
    const void *got = job_result(j, &bytes);
    memcpy(&p->is, got, sizeof p->is);
    for (int i = 0; i < N_PARTS; i++)
        p->is.split_hash[i][sizeof p->is.split_hash[i] - 1] = '\0';
    p->maker = NULL;
    go_on_or_end(n, train(n, &err), &err);
    wake(n->owner, p, true);
}

/* -- Training -- */

static double setting(const run *n, const char *key, double otherwise)
{
    double v;
    const value *s = in_train(n, key);
    return s && value_to_real(s, &v, NULL) == OK && v > 0 ? v : otherwise;
}

/* How many rows a run may leave: of each record there are at most so many values as a config of this length can name. */
static uint64_t most_rows(const run *n)
{
    enum { VALUES_OF_A_RECORD = 24, MOST = 1 << 17 };
    const train_plan *p = &n->plan->is;
    const value *unit = in_train(n, "validate_unit");
    const double steps = p->total_steps ? (double)p->total_steps : 1e4;
    const double per_epoch = p->steps_per_epoch ? (double)p->steps_per_epoch : 1;
    const double epochs = ceil(steps / per_epoch) + 1;
    const bool by_step = unit && unit->kind == VALUE_STRING && strcmp(unit->as.string, "step") == 0;
    const double checks = (by_step ? steps : epochs) / setting(n, "validate_every", 1) + 1;
    const double records = epochs + 2 * checks + steps / setting(n, "log_every", INFINITY) + 8;
    const double rows = records * VALUES_OF_A_RECORD;
    return rows < MOST ? (uint64_t)rows : MOST;
}

static status train(run *n, error *err)
{
    const train_plan *p = &n->plan->is;
    const job_input in = input_of(n);
    n->stage = RUN_TRAINS;
    const status st =
        train_layout_of(p->n_w, p->n_b, in.checkpoint_room, most_rows(n), &n->layout, err);
    if (st != OK || n->layout.bytes / 8 > n->owner->declaration->limits.memory_bytes) {
        run_over_for(n, OUTCOME_MEMORY_LIMIT,
            "%llu weights and %llu buffers are more than the memory that is allowed",
            (unsigned long long)p->n_w, (unsigned long long)p->n_b);
        return OK;
    }
    const sandbox_call c = { .result_bytes = n->layout.bytes,
        .finite_at = n->layout.floats_at,
        .n_finite = n->layout.n_floats };
    return start_job(n, "train", &in, &c, err);
}

static status read_training(run *n, const sandbox_job *j, error *err)
{
    size_t bytes;
    const train_row *rows;
    const void *got = job_result(j, &bytes);
    status st = train_result_read(got, bytes, &n->layout, &n->head, &rows, err);
    if (st != OK) return st;
    n->end.fidelity = (double)n->head.epoch;
    n->end.samples = n->head.spent.samples_forward;
    return run_take_rows(n, rows, err);
}

static void take_training(run *n, const sandbox_job *j)
{
    error err;
    outcome o = *job_outcome(j);
    const status st = read_training(n, j, &err);
    if (st == E_CORRUPT) {
        run_over_for(n, OUTCOME_RESULT_INVALID, "%s", err.text);
    } else if (st != OK) {
        run_over_for(n, OUTCOME_HOST_ERROR, "%s", err.text);
    } else {
        (void)run_is_valued(n, &o);
        run_over(n, &o);
    }
}

/* -- On the way -- */

enum { PEEK = 64 };

static bool is_metric(const run *n, const train_row *row)
{
    const char *name = n->owner->declaration->metric;
    const size_t n_split = strlen(row->split);
    if (row->is_final || (row->kind != RECORD_EVALUATION && row->kind != RECORD_EPOCH))
        return false;
    if (n_split == 0) return strcmp(name, row->name) == 0;
    return strncmp(name, row->split, n_split) == 0 && name[n_split] == '.' &&
        strcmp(name + n_split + 1, row->name) == 0;
}

void train_look(run *n)
{
    train_row rows[PEEK];
    size_t bytes, n_rows = 0;
    if (!n->job) return;
    const void *so_far = job_peek(n->job, &bytes);
    do {
        train_rows_peek(so_far, bytes, &n->layout, n->n_seen, rows, PEEK, &n_rows);
        for (size_t i = 0; i < n_rows && run_has_room_for_news(n); i++, n->n_seen++) {
            if (is_metric(n, &rows[i])) run_tell(n, rows[i].place, rows[i].value);
        }
    } while (n_rows == PEEK && run_has_room_for_news(n));
}

/* -- Events -- */

status train_begin(run *n, error *err)
{
    status st = write_overrides(n, err);
    return st == OK ? find_plan(n, err) : st;
}

void train_go_on(run *n, sandbox_job *j)
{
    const run_stage at = n->stage;
    const outcome *o = job_outcome(j);
    if (at == RUN_TRAINS && n->spec.reports && o->class == OUTCOME_OK) train_look(n);
    n->job = NULL;
    take_spent(n, j, at == RUN_PLANS ? "plan" : "train");
    if (n->stopped_as != OUTCOME_OK && o->class == OUTCOME_OK) {
        run_over_for(n, n->stopped_as, "ended by the study"); /* it was quicker */
    } else if (o->class != OUTCOME_OK) {
        run_over(n, o);
    } else if (at == RUN_PLANS) {
        take_plan(n, j);
    } else {
        take_training(n, j);
    }
    job_free(j);
}

/* -- Cost -- */

/* Its plan, made now; jobs of others that end meanwhile go on. */
static status plan_now(run *n, train_plan *out, error *err)
{
    size_t bytes;
    sandbox_job *j = NULL, *mine;
    sandbox *s = n->owner->places[PLACE_DATA];
    const job_input in = input_of(n);
    const sandbox_call c = { .result_bytes = sizeof *out };
    status st = start_job(n, "plan", &in, &c, err);
    mine = n->job;
    while (st == OK && j != mine) {
        st = sandbox_wait(s, -1, &j, err);
        if (st == OK && j && j != mine) train_go_on(job_self(j), j);
    }
    if (st == OK && job_outcome(mine)->class != OUTCOME_OK)
        st = fail(err, E_PLUGIN, "%s", job_outcome(mine)->text);
    if (st == OK) memcpy(out, job_result(mine, &bytes), sizeof *out);
    job_free(mine);
    return st;
}

status train_cost(
    runner *r, size_t i_workload, const char *const *overrides, size_t n, double *out, error *err)
{
    status st = OK;
    train_plan p;
    const workload *w = &r->declaration->workloads[i_workload];
    run *one = calloc(1, sizeof *one); /* not among the runner's runs */
    if (!one) return fail_nomem(err, "a plan");
    one->owner = r;
    one->workload = w;
    one->overrides = arena_alloc_array(&one->memory, w->n_overrides + n + 1, sizeof(char *));
    if (!one->overrides) TRY(fail_nomem(err, "a plan"));
    for (size_t i = 0; i < w->n_overrides; i++)
        one->overrides[one->n_overrides++] = w->overrides[i];
    for (size_t i = 0; i < n; i++)
        one->overrides[one->n_overrides++] = overrides[i];
    TRY(plan_now(one, &p, err));
    const double epochs = p.steps_per_epoch ? (double)p.total_steps / (double)p.steps_per_epoch : 0;
    *out = epochs * (double)p.n_rows[0];
done:
    arena_release(&one->memory);
    free(one);
    return st;
}
