/* Evaluation: batches in file order, shards over the replicas, one accumulator per metric and replica, merged in the order of
 * the replicas after every batch has been seen. Outputs and real targets are put back into the data's own units before a
 * metric sees them; the loss sees what training sees. */
#include "train/evaluator_internal.h"

#include "train/outputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

status evaluator_collect_outputs(evaluator *e, error *err)
{
    const size_t n = e->max_rows * e->n_outputs;
    e->outputs = arena_alloc_array(&e->memory, n, sizeof *e->outputs);
    return e->outputs ? OK : fail_nomem(err, "the outputs");
}

/* On the thread that it happened on: a report belongs to its thread. */
static void note_failure(evaluator *e, size_t i_replica, instance *who, int code, const char *op)
{
    error why = { 0 };
    const status st = code == ASSAY_OK ? OK : instance_status(who, code, op, &why);
    if (st != OK && e->errors[i_replica].code == OK) {
        e->errors[i_replica] = why;
    }
}

static double rows_weight(const assay_rows *rows)
{
    double sum = 0;
    if (!rows->weight) {
        return (double)rows->n;
    }
    for (uint64_t i = 0; i < rows->n; i++) {
        sum += rows->weight[i];
    }
    return sum;
}

/* The loss of one replica's rows, added to its sum. */
static void add_loss(evaluator *e, size_t i, const assay_rows *rows)
{
    double loss = 0;
    if (e->objective) {
        note_failure(e, i, objective_loss_instance(e->objective),
            objective_loss(e->objective, rows, &loss), "loss");
    } else if (e->given.loss) {
        instance *l = e->given.loss;
        const assay_loss *ops = l->component->ops;
        note_failure(e, i, l, ops->loss(&l->ctx, l->hyper, rows, 1, NULL, &loss), "loss");
    } else {
        loss = NAN;
    }
    e->losses[i] += loss;
}

/* One replica's rows: loss, then metrics. */
static void add_rows(void *self, size_t i, const assay_rows *rows, size_t begin)
{
    evaluator *e = self;
    add_loss(e, i, rows);
    e->weights[i] += rows_weight(rows);
    assay_rows own = *rows;
    if (e->y[i]) {
        memcpy(e->y[i], rows->y, rows->n * rows->n_outputs * sizeof(float));
        memcpy(e->target[i], rows->target, rows->n * rows->n_targets * sizeof(float));
        dataset_unscale_targets(e->data, e->y[i], rows->n);
        dataset_unscale_targets(e->data, e->target[i], rows->n);
        own.y = e->y[i];
        own.target = e->target[i];
    }
    if (e->outputs) {
        memcpy(
            e->outputs + begin * rows->n_outputs, own.y, rows->n * rows->n_outputs * sizeof(float));
    }
    for (size_t k = 0; k < e->n_metrics; k++) {
        metric *m = &e->metrics[k];
        note_failure(e, i, m->instance,
            m->ops->add(&m->instance->ctx, m->instance->hyper, &own, m->sums + i * m->plan.n_sums),
            "add");
    }
}

/* The lowest replica's: which thread was first does not show. */
static status check_failure(const evaluator *e, error *err)
{
    for (size_t i = 0; i < e->n_replicas; i++) {
        if (e->errors[i].code != OK) {
            if (err) {
                *err = e->errors[i];
            }
            return e->errors[i].code;
        }
    }
    return OK;
}

static status metric_result(evaluator *e, metric *m, error *err)
{
    const size_t n = m->plan.n_sums;
    int code = ASSAY_OK;
    for (size_t i = 1; i < e->n_replicas && code == ASSAY_OK; i++) {
        if (m->ops->merge) {
            code = m->ops->merge(&m->instance->ctx, m->instance->hyper, m->sums, m->sums + i * n);
            continue;
        }
        for (size_t k = 0; k < n; k++) {
            m->sums[k] += m->sums[i * n + k];
        }
    }
    if (code == ASSAY_OK) {
        code = m->ops->result(&m->instance->ctx, m->instance->hyper, m->sums, m->values);
    }
    if (code != ASSAY_OK) {
        return instance_status(m->instance, code, "result", err);
    }
    for (size_t k = 0; m->plan.rows == 0 && k < m->plan.n_values; k++) {
        e->values[m->first + k].value = m->values[k];
    }
    return OK;
}

static void begin(evaluator *e)
{
    const size_t n = e->n_replicas;
    for (size_t i = 0; i < n; i++) {
        e->errors[i].code = OK;
    }
    memset(e->losses, 0, n * sizeof *e->losses);
    memset(e->weights, 0, n * sizeof *e->weights);
    for (size_t k = 0; k < e->n_metrics; k++) {
        memset(e->metrics[k].sums, 0, n * e->metrics[k].plan.n_sums * sizeof(double));
    }
}

/* One shard of a batch whose outputs were given. */
static void add_given_shard(void *arg, size_t i)
{
    evaluator *e = arg;
    const batch *b = &e->batch;
    const size_t place = batch_shard_begin(b->n, i, e->n_replicas);
    const size_t n = batch_shard_begin(b->n, i + 1, e->n_replicas) - place;
    const size_t n_targets = dataset_view(e->data)->n_targets, first = place * b->target_time;
    const assay_rows rows = { .struct_size = sizeof rows,
        .n = n * b->target_time,
        .n_outputs = e->n_outputs,
        .n_targets = n_targets,
        .y = e->given_batch + first * e->n_outputs,
        .label = b->label ? b->label + first : NULL,
        .target = b->target ? b->target + first * n_targets : NULL,
        .weight = b->weight ? b->weight + first : NULL };
    if (n > 0) {
        add_rows(e, i, &rows, first);
    }
    team_scratch_reset(e->given.team);
}

static status run_batch(evaluator *e, outputs *o, const batch *b, error *err)
{
    if (e->objective) {
        return objective_evaluate(e->objective, b, add_rows, e, err);
    }
    e->batch = *b;
    outputs_to_batch(o, b, e->given_batch);
    team_run(e->given.team, e->n_replicas, add_given_shard, e);
    return OK;
}

static status run_batches(evaluator *e, part p, const evaluator_options *o, error *err)
{
    const size_t limit = o->max_samples ? o->max_samples : SIZE_MAX;
    size_t seen = 0;
    status st = OK;
    outputs given = { .data = e->data, .part = p, .n = e->n_outputs, .y = e->given_y[p] };
    const size_t n = e->batchers[p] ? batcher_n_batches(e->batchers[p]) : 0;
    for (size_t i = 0; i < n && seen < limit && (!o->max_batches || i < o->max_batches); i++) {
        batch b;
        batcher_get(e->batchers[p], 0, i, &b);
        const bool may_be_cut =
            b.time == 1 && !b.carries; /* of longer ones the arrays lie as cut */
        if (may_be_cut && b.n > limit - seen) {
            b.n = b.n_samples = limit - seen;
        }
        seen += b.n_samples;
        TRY(run_batch(e, &given, &b, err));
        TRY(check_failure(e, err));
        if (o->each) {
            TRY(o->each(o->self, &b, e->outputs, err));
        }
    }
    if (o->samples) {
        *o->samples += seen;
    }
done:
    return st;
}

status evaluator_run(
    evaluator *e, part p, const evaluator_options *o, const record_value **out_values, error *err)
{
    begin(e);
    status st = run_batches(e, p, o, err);
    if (st != OK) {
        return st;
    }
    double loss = 0, weight = 0;
    for (size_t i = 0; i < e->n_replicas; i++) {
        loss += e->losses[i];
        weight += e->weights[i];
    }
    e->values[0].value = weight > 0 ? loss / weight : NAN;
    for (size_t k = 0; k < e->n_metrics; k++) {
        st = metric_result(e, &e->metrics[k], err);
        if (st != OK) {
            return st;
        }
    }
    *out_values = e->values;
    return OK;
}

size_t evaluator_n_values(const evaluator *e)
{
    return e->n_values;
}

const char *evaluator_name(const evaluator *e, size_t i)
{
    return e->values[i].name;
}

bool evaluator_is_matrix(const evaluator *e, size_t i)
{
    return e->values[i].matrix != NULL;
}

size_t evaluator_find(const evaluator *e, const char *name)
{
    size_t i = 0;
    while (i < e->n_values && strcmp(e->values[i].name, name) != 0) {
        i++;
    }
    return i;
}

uint64_t evaluator_direction(const evaluator *e, size_t i)
{
    return e->direction[i];
}
