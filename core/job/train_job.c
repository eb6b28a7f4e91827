/* Training in a worker.
 *
 * A worker loads the plugins that its config names, opens the data or maps a pack of them, plans, lays out all memory, and then gives up
 * files: what follows needs none. Rows are counted where the host can see it while they come. */
#include "job/train_job.h"

#include "data/pack.h"
#include "search/worker_plugins.h"
#include "job/job.h"
#include "job/train_result.h"
#include "train/trainer.h"

#include <stdio.h>
#include <string.h>

typedef struct train_job {
    job job;
    trainer *trainer;
    unsigned char *result;
    train_layout layout;
    train_live *live;
    train_head head;
} train_job;

static bool is_kept(record_kind k)
{
    return k == RECORD_STEP || k == RECORD_EVALUATION || k == RECORD_EPOCH || k == RECORD_END;
}

static void emit(void *self, const record *r)
{
    train_job *j = self;
    train_row *rows = (void *)(j->result + j->layout.rows_at);
    if (!j->result || !is_kept(r->kind)) return;
    for (size_t i = 0; i < r->n_values; i++) {
        if (j->head.n_rows == j->layout.most_rows) {
            j->head.n_dropped++;
            continue;
        }
        train_row *row = &rows[j->head.n_rows++];
        *row = (train_row){ .step = r->step,
            .place = r->epoch_place,
            .value = r->values[i].value,
            .kind = r->kind,
            .is_final = r->is_final != 0,
            .is_best = r->is_best != 0 };
        snprintf(row->name, sizeof row->name, "%s", r->values[i].name);
        snprintf(row->split, sizeof row->split, "%s", r->split ? r->split : "");
    }
    j->head.place = r->epoch_place;
    if (r->spent) atomic_store(&j->live->n_samples, r->spent->samples_forward);
    atomic_store_explicit(&j->live->n_rows, j->head.n_rows, memory_order_release);
}

static void begin_plan(void *self)
{
    const train_job *j = self;
    worker_at(j->job.io, PHASE_PLAN, 0);
}

/* Before the last weights are judged: a longer run would not have judged them there. */
static status leave_checkpoint(void *self, trainer *t, error *err)
{
    train_job *j = self;
    size_t n = 0;
    const train_layout *l = &j->layout;
    if (l->checkpoint_room == 0) return OK;
    const status st =
        trainer_save_bytes(t, j->result + l->checkpoint_at, l->checkpoint_room, &n, err);
    j->head.checkpoint_bytes = st == OK ? n : 0;
    return st;
}

/* Everything that needs files, or code of plugins that is not loaded yet. */
static status open_run(train_job *j, worker_io *io, const void *input, size_t n, error *err)
{
    status st = OK;
    TRY(job_open(&j->job, io, input, n, err));
    const trainer_options t = { .sink = { emit, j },
        .step_at = worker_step(io),
        .on_plan = begin_plan,
        .on_end = leave_checkpoint,
        .pack = j->job.pack,
        .n_pack = j->job.n_pack };
    TRY(trainer_new(j->job.registry, j->job.config, &t, &j->trainer, err));
    worker_at(io, PHASE_STEP, 0);
    TRY(worker_plugins_loaded(io, err));
done:
    return st;
}

static void close_run(train_job *j)
{
    trainer_free(j->trainer);
    job_close(&j->job);
}

static int refuse(train_job *j, const error *err)
{
    return job_refuse(&j->job, !j->trainer, err);
}

/* Rows have what room is left. */
static status lay_out(train_job *j, error *err)
{
    size_t n;
    const model *m = trainer_model(j->trainer);
    const uint64_t room = j->job.input.checkpoint_room;
    train_layout l = { 0 };
    unsigned char *at = worker_result(j->job.io, &n);
    status st = train_layout_of(m->n_flat, m->n_flat_buffers, room, 0, &l, err);
    if (st != OK) return st;
    if (n < l.bytes) {
        return fail(err, E_INTERNAL,
            "a result of %zu bytes is too small for this run: %zu are needed", n, l.bytes);
    }
    st = train_layout_of(
        m->n_flat, m->n_flat_buffers, room, (n - l.bytes) / sizeof(train_row), &j->layout, err);
    j->live = (void *)(at + train_live_at());
    atomic_store(&j->live->n_samples, 0);
    atomic_store_explicit(&j->live->n_rows, 0, memory_order_release);
    j->result = at;
    return st;
}

static status go_on(train_job *j, error *err)
{
    const job_input *in = &j->job.input;
    return in->n_payload > 0 ? trainer_restore_bytes(j->trainer, in->payload, in->n_payload, err)
                             : OK;
}

static status keep_weights(train_job *j, error *err)
{
    status st = OK;
    unsigned char *at = j->result;
    const train_layout *l = &j->layout;
    const bool best = trainer_has_best(j->trainer);
    TRY(trainer_copy_weights(j->trainer, false, (float *)(void *)(at + l->last_w),
        (float *)(void *)(at + l->last_b), err));
    TRY(trainer_copy_weights(j->trainer, best, (float *)(void *)(at + l->best_w),
        (float *)(void *)(at + l->best_b), err));
done:
    return st;
}

static void keep_head(train_job *j, const run_result *r)
{
    const model *m = trainer_model(j->trainer);
    train_head *h = &j->head;
    h->n_w = m->n_flat;
    h->n_b = m->n_flat_buffers;
    h->step = r->step;
    h->epoch = r->epoch;
    h->best_step = r->best_step;
    h->best_value = r->best_value;
    h->stop = r->stop;
    h->has_best = trainer_has_best(j->trainer);
    h->spent = r->spent;
    memcpy(j->result, h, sizeof *h);
}

static int train(const void *input, size_t n, worker_io *io)
{
    error err;
    run_result r = { .stop = STOP_NONE };
    train_job j = { 0 };
    int code = 0;
    status st = open_run(&j, io, input, n, &err);
    if (st == OK) st = lay_out(&j, &err);
    if (st == OK) st = go_on(&j, &err);
    if (st == OK) st = trainer_run(j.trainer, &r, &err);
    if (st == OK && r.stop == STOP_DIVERGED) {
        code = worker_refuse(io, OUTCOME_NONFINITE, "%s", r.diverged);
        close_run(&j);
        return code;
    }
    if (st == OK) st = keep_weights(&j, &err);
    if (st == OK) {
        keep_head(&j, &r);
    } else {
        code = refuse(&j, &err);
    }
    close_run(&j);
    return code;
}

static status fill_plan(train_job *j, train_plan *p, error *err)
{
    size_t checkpoint = 0;
    const model *m = trainer_model(j->trainer);
    const dataset *d = trainer_data(j->trainer);
    const status st = trainer_save_most(j->trainer, &checkpoint, err);
    if (st != OK) return st;
    *p = (train_plan){ .n_w = m->n_flat,
        .n_b = m->n_flat_buffers,
        .n_params = m->n_params,
        .total_steps = trainer_total_steps(j->trainer),
        .steps_per_epoch = trainer_steps_per_epoch(j->trainer),
        .n_outputs = model_n_outputs(m),
        .checkpoint_bytes = checkpoint };
    for (int i = 0; i < N_PARTS; i++) {
        p->n_rows[i] = dataset_size(d, (part)i);
        snprintf(p->split_hash[i], sizeof p->split_hash[i], "%s", dataset_split_hash(d, (part)i));
    }
    return OK;
}

static int plan(const void *input, size_t n, worker_io *io)
{
    error err;
    unsigned char *out = NULL;
    train_job j = { 0 };
    int code = 0;
    status st = open_run(&j, io, input, n, &err);
    if (st == OK) st = job_result_room(&j.job, "plan", sizeof(train_plan), &out, &err);
    if (st == OK) st = fill_plan(&j, (void *)out, &err);
    if (st != OK) code = refuse(&j, &err);
    close_run(&j);
    return code;
}

const procedure plan_procedure = { "plan", plan, worker_plugins_find, worker_plugins_forget };
const procedure train_procedure = { "train", train, worker_plugins_find, worker_plugins_forget };
