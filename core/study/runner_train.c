/* The chain of jobs of a train workload: plan, train, and what comes of it. Each end of a job leads to the next, or to the run's. */
#include "study/runner_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Jobs -- */

status train_start_job(run *n, runner_place place, const char *what, const job_input *in,
    const sandbox_call *of, error *err)
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
    TRY(sandbox_start(n->owner->places[place], &c, &n->job, err));
done:
    text_release(&input);
    return st;
}

job_input train_input(const run *n)
{
    return (job_input){ .name = n->workload->path,
        .written = n->workload->written,
        .overrides = n->overrides,
        .n_overrides = n->n_overrides,
        .seed = n->spec.seed,
        .data = n->pack ? n->pack->name[PACK_TRAIN] : NULL };
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

/* -- Training -- */

/* How many rows a run may leave: of each record there are at most so many values as a config of this length can name. */
static uint64_t most_rows(const run *n)
{
    enum { VALUES_OF_A_RECORD = 24, MOST = 1 << 17 };
    const train_plan *p = &n->plan->is;
    const value *unit = run_setting(n, "validate_unit");
    const double steps = p->total_steps ? (double)p->total_steps : 1e4;
    const double per_epoch = p->steps_per_epoch ? (double)p->steps_per_epoch : 1;
    const double epochs = ceil(steps / per_epoch) + 1;
    const bool by_step = unit && unit->kind == VALUE_STRING && strcmp(unit->as.string, "step") == 0;
    const double checks = (by_step ? steps : epochs) / run_setting_real(n, "validate_every", 1) + 1;
    const double records =
        epochs + 2 * checks + steps / run_setting_real(n, "log_every", INFINITY) + 8;
    const double rows = records * VALUES_OF_A_RECORD;
    return rows < MOST ? (uint64_t)rows : MOST;
}

/* The result is as large as its plan says, which is a worker's word. */
static bool is_too_large(const run *n)
{
    return n->layout.bytes / 8 > n->owner->declaration->limits.memory_bytes;
}

status train_start(run *n, error *err)
{
    char *checkpoint = NULL;
    status st = OK;
    const train_plan *p = &n->plan->is;
    job_input in = train_input(n);
    n->stage = RUN_TRAINS;
    if (n->spec.keeps_checkpoint && n->owner->options.folder)
        in.checkpoint_room = p->checkpoint_bytes;
    st = train_layout_of(p->n_w, p->n_b, in.checkpoint_room, most_rows(n), &n->layout, err);
    if (st != OK || is_too_large(n)) {
        run_over_for(n, OUTCOME_MEMORY_LIMIT,
            "%llu weights, %llu buffers and a checkpoint of %llu bytes are more than the memory "
            "that is allowed",
            (unsigned long long)p->n_w, (unsigned long long)p->n_b,
            (unsigned long long)in.checkpoint_room);
        return OK;
    }
    TRY(checkpoint_find(n, &checkpoint, &in.n_payload, err));
    in.payload = checkpoint;
    const sandbox_call c = { .result_bytes = n->layout.bytes,
        .finite_at = n->layout.floats_at,
        .n_finite = n->layout.n_floats };
    TRY(train_start_job(n, n->pack ? PLACE_TRAIN : PLACE_DATA, "train", &in, &c, err));
done:
    free(checkpoint);
    return st;
}

static status read_training(run *n, const sandbox_job *j, error *err)
{
    size_t bytes;
    const train_row *rows;
    const void *got = job_result(j, &bytes);
    status st = train_result_read(got, bytes, &n->layout, &n->head, &rows, err);
    if (st != OK) return st;
    n->end.fidelity = n->head.place;
    n->end.samples = n->head.spent.samples_forward;
    st = run_take_rows(n, rows, err);
    return st == OK ? checkpoint_keep(n, j, err) : st;
}

/* Takes the job. */
static void take_training(run *n, sandbox_job *j)
{
    error err;
    outcome o = *job_outcome(j);
    status st = read_training(n, j, &err);
    n->trained = j;
    if (st == E_CORRUPT) {
        run_over_for(n, OUTCOME_RESULT_INVALID, "%s", err.text);
    } else if (st == OK && !score_can(n)) {
        (void)run_is_valued(n, &o);
        run_over(n, &o);
    } else {
        if (st == OK) st = score_start(n, &err);
        train_go_on_or_end(n, st, &err);
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

status train_look(run *n, error *err)
{
    train_row rows[PEEK];
    size_t bytes, n_rows = PEEK;
    status st = OK;
    if (!n->job || !n->spec.reports) return OK;
    const void *so_far = job_peek(n->job, &bytes);
    while (st == OK && n_rows == PEEK) {
        train_rows_peek(so_far, bytes, &n->layout, n->n_seen, rows, PEEK, &n_rows);
        for (size_t i = 0; i < n_rows && st == OK; i++, n->n_seen++) {
            if (is_metric(n, &rows[i])) st = run_tell(n, rows[i].place, rows[i].value, err);
        }
    }
    return st;
}

/* -- Events -- */

void train_go_on_or_end(run *n, status st, const error *err)
{
    if (st == OK) return;
    n->end.trouble = st == E_IO || st == E_NOMEM ? st : OK;
    run_over_for(n, OUTCOME_HOST_ERROR, "%s", err->text);
}

status train_begin(run *n, error *err)
{
    const status st = overrides_write(n, err);
    return st == OK ? plan_find(n, err) : st;
}

static const char *procedure_of(run_stage at)
{
    return at == RUN_PLANS   ? "plan"
        : at == RUN_TRAINS   ? "train"
        : at == RUN_PREDICTS ? "predict"
                             : "score";
}

/* Of a training that leaves no result: it has cost something all the same. */
static void take_samples(run *n, const sandbox_job *j)
{
    size_t bytes;
    const void *left = job_result(j, &bytes);
    n->end.samples = n->head.spent.samples_forward = train_samples_peek(left, bytes, &n->layout);
}

void train_go_on(run *n, sandbox_job *j)
{
    error err;
    const run_stage at = n->stage;
    const outcome *o = job_outcome(j);
    const status seen =
        at == RUN_TRAINS && o->class == OUTCOME_OK ? train_look(n, &err) : OK; /* the last ones */
    n->job = NULL;
    take_spent(n, j, procedure_of(at));
    if (at == RUN_TRAINS && o->class != OUTCOME_OK) take_samples(n, j);
    if (seen != OK) {
        train_go_on_or_end(n, seen, &err);
    } else if (n->stopped_as != OUTCOME_OK && o->class == OUTCOME_OK) {
        run_over_for(n, n->stopped_as, "ended by the study"); /* it was quicker */
    } else if (o->class != OUTCOME_OK) {
        run_over(n, o);
    } else if (at == RUN_PLANS) {
        plan_take(n, j);
    } else if (at == RUN_TRAINS) {
        take_training(n, j);
        return;
    } else {
        score_take(n, j);
        return;
    }
    job_free(j);
}

void train_release(run *n)
{
    config_free(n->config);
    n->config = NULL;
    job_free(n->trained);
    n->trained = NULL;
    plan_release(n);
}
