/* Evaluation: batches in file order, shards over the replicas, one accumulator per metric and replica, merged in the order of
 * the replicas after every batch has been seen. Outputs and real targets are put back into the data's own units before a
 * metric sees them; the loss sees what training sees. */
#include "train/evaluator.h"

#include "train/outputs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct metric {
    instance *instance;
    const assay_metric *ops;
    const char *name;
    assay_metric_plan plan;
    size_t first; /* of its values among the evaluator's */
    double *sums; /* [n_replicas, n_sums] */
    double *values; /* [n_values] */
} metric;

struct evaluator {
    arena memory;
    size_t n_metrics;
    metric *metrics;
    const dataset *data;
    objective *objective;
    batcher *batchers[N_PARTS];
    size_t n_values;
    record_value *values;
    uint64_t *direction; /* ASSAY_METRIC_... of each value */
    double *losses, *weights; /* [n_replicas] */
    float **y, **target; /* [n_replicas] in the data's units; NULL where they already are */
    size_t max_batch, max_rows; /* samples; their target rows */
    float *outputs; /* [max_rows, n_outputs] or NULL */
    error *errors; /* [n_replicas] the first that went wrong there; code OK: nothing */
    assay_task task;
    size_t n_replicas, n_outputs;
    evaluator_given given; /* where there is no objective */
    const float *given_y[N_PARTS];
    float *given_batch; /* [max_rows, n_outputs] of the batch under way */
    batch batch; /* the same */
};

static const assay_hyper own_rows[] = {
    { .name = "name",
        .type = ASSAY_TYPE_STRING,
        .def_string = NULL,
        .doc = "what records call it; its type where there is none" },
};

const hyper_table metric_table = HYPER_DOCS(own_rows);

const char *const metric_keys[] = { "name", NULL };

/* Names head columns of a table and are part of a line: no comma, no quote, nothing that ends a line. */
static bool is_plain(const char *name)
{
    for (const char *at = name; *at; at++) {
        if (*at == ',' || *at == '"' || (unsigned char)*at < 0x20 || *at == 0x7f) {
            return false;
        }
    }
    return true;
}

static status open_metric(
    evaluator *e, registry *r, config *c, value *block, size_t i, uint64_t seed, error *err)
{
    metric *m = &e->metrics[i];
    status st = instance_new(r, c, "metric", block, metric_keys, seed, "metric", &m->instance, err);
    if (st != OK) {
        return st;
    }
    m->ops = m->instance->component->ops;
    m->name = m->instance->component->id;
    const value *name = value_find(block, "name");
    if (name) {
        st = value_to_string(name, &m->name, err);
        if (st == OK && (!m->name[0] || !is_plain(m->name))) {
            st = fail_at(err, E_RANGE, &name->at,
                "metrics: name: expected one without commas, quotes and line ends, found \"%s\"",
                m->name);
        }
    }
    for (size_t k = 0; st == OK && k < i; k++) {
        if (strcmp(e->metrics[k].name, m->name) == 0) {
            st = fail_at(err, E_CONFLICT, &block->at,
                "metrics: \"%s\" is there twice; give one of them another `name`", m->name);
        }
    }
    if (st == OK && strcmp(m->name, "loss") == 0) {
        st = fail_at(
            err, E_CONFLICT, &block->at, "metrics: \"loss\" is the loss; choose another `name`");
    }
    return st;
}

status evaluator_new(
    registry *r, config *c, value *block, uint64_t seed, evaluator **out, error *err)
{
    status st = OK;
    evaluator *e = calloc(1, sizeof *e);
    if (!e) {
        return fail_nomem(err, "the metrics");
    }
    const size_t n = value_n_items(block);
    e->metrics = arena_alloc_array(&e->memory, n, sizeof *e->metrics);
    if (!e->metrics) {
        TRY(fail_nomem(err, "the metrics"));
    }
    for (size_t i = 0; i < n; i++) {
        e->n_metrics = i + 1;
        TRY(open_metric(e, r, c, value_item(block, i), i, seed, err));
    }
    *out = e;
    e = NULL;
done:
    evaluator_free(e);
    return st;
}

void evaluator_free(evaluator *e)
{
    if (!e) {
        return;
    }
    for (size_t i = 0; e->metrics && i < e->n_metrics; i++) {
        instance_free(e->metrics[i].instance);
    }
    for (size_t p = 0; p < N_PARTS; p++) {
        batcher_free(e->batchers[p]);
    }
    arena_release(&e->memory);
    free(e);
}

/* Values with a name each, or a matrix of them; and something to sum. */
static bool is_sound(const assay_metric_plan *p)
{
    size_t cells;
    if (p->n_values == 0 || p->n_sums == 0) {
        return false;
    }
    if (p->rows > 0) {
        return size_product(p->rows, p->cols, &cells) && cells == p->n_values;
    }
    for (uint64_t i = 0; p->names && i < p->n_values; i++) {
        if (!p->names[i] || !is_plain(p->names[i])) {
            return false;
        }
    }
    return p->names != NULL;
}

static status plan_metric(evaluator *e, metric *m, error *err)
{
    m->plan = (assay_metric_plan){ .struct_size = sizeof m->plan, .task = &e->task };
    const int code = m->ops->plan(&m->instance->ctx, m->instance->hyper, &m->plan);
    if (code != ASSAY_OK) {
        return instance_status(m->instance, code, "plan", err);
    }
    const bool is_matrix = m->plan.rows > 0;
    if (!is_sound(&m->plan)) {
        return fail_at(err, E_PLUGIN, &m->instance->block->at,
            "%s: its plan makes no sense (values, names, sums)", m->instance->label);
    }
    m->first = e->n_values;
    e->n_values += is_matrix ? 1 : m->plan.n_values;
    size_t n_sums;
    if (size_product(e->n_replicas, m->plan.n_sums, &n_sums)) {
        m->sums = arena_alloc_array(&e->memory, n_sums, sizeof(double));
    }
    m->values = arena_alloc_array(&e->memory, m->plan.n_values, sizeof(double));
    return m->sums && m->values ? OK : fail_nomem(err, "the metrics");
}

/* Two values of one name would share a column: "accuracy" gives an "accuracy_se". */
static status check_names(const evaluator *e, error *err)
{
    for (size_t i = 0; i < e->n_metrics; i++) {
        const metric *m = &e->metrics[i];
        const size_t n = m->plan.rows > 0 ? 1 : m->plan.n_values;
        for (size_t k = m->first; k < m->first + n; k++) {
            if (evaluator_find(e, e->values[k].name) < k) {
                return fail_at(err, E_CONFLICT, &m->instance->block->at,
                    "metrics: there are two values named \"%s\"; give %s another `name`",
                    e->values[k].name, m->instance->label);
            }
        }
    }
    return OK;
}

static status name_values(evaluator *e, error *err)
{
    e->values = arena_alloc_array(&e->memory, e->n_values, sizeof *e->values);
    e->direction = arena_alloc_array(&e->memory, e->n_values, sizeof *e->direction);
    if (!e->values || !e->direction) {
        return fail_nomem(err, "the metrics");
    }
    e->values[0].name = "loss";
    for (size_t i = 0; i < e->n_metrics; i++) {
        const metric *m = &e->metrics[i];
        if (m->plan.rows > 0) {
            e->values[m->first] = (record_value){ .name = m->name,
                .value = NAN,
                .matrix = m->values,
                .rows = m->plan.rows,
                .cols = m->plan.cols };
            continue;
        }
        for (size_t k = 0; k < m->plan.n_values; k++) {
            const char *suffix = m->plan.names[k];
            const char *name =
                suffix[0] ? arena_printf(&e->memory, "%s_%s", m->name, suffix) : m->name;
            if (!name) {
                return fail_nomem(err, "the metrics");
            }
            e->values[m->first + k].name = name;
            e->direction[m->first + k] =
                k == 0 ? m->plan.direction : ASSAY_METRIC_SMALLER_IS_BETTER;
        }
    }
    return OK;
}

/* What is laid out once it is known how many outputs there are and how batches are cut. */
static status lay_out(evaluator *e, const dataset *d, size_t max_batch, error *err)
{
    status st = OK;
    const size_t n = e->n_replicas;
    e->data = d;
    e->max_batch = max_batch;
    e->n_values = 1;
    dataset_task(d, e->n_outputs, &e->task);
    for (size_t i = 0; i < e->n_metrics; i++) {
        TRY(plan_metric(e, &e->metrics[i], err));
    }
    TRY(name_values(e, err));
    TRY(check_names(e, err));
    e->losses = arena_alloc_array(&e->memory, n, sizeof *e->losses);
    e->weights = arena_alloc_array(&e->memory, n, sizeof *e->weights);
    e->errors = arena_alloc_array(&e->memory, n, sizeof *e->errors);
    e->y = arena_alloc_array(&e->memory, n, sizeof *e->y);
    e->target = arena_alloc_array(&e->memory, n, sizeof *e->target);
    if (!e->losses || !e->weights || !e->errors || !e->y || !e->target) {
        TRY(fail_nomem(err, "the metrics"));
    }
    const size_t target_time = dataset_has_target_per_step(d) ? dataset_max_time(d) : 1;
    const size_t rows = (max_batch + n - 1) / n * target_time;
    e->max_rows = max_batch * target_time;
    for (size_t i = 0; dataset_scales_targets(d) && i < n; i++) {
        e->y[i] = arena_alloc_array(&e->memory, rows * e->n_outputs, sizeof(float));
        e->target[i] =
            arena_alloc_array(&e->memory, rows * dataset_view(d)->n_targets, sizeof(float));
        if (!e->y[i] || !e->target[i]) {
            TRY(fail_nomem(err, "the metrics"));
        }
    }
    for (part p = PART_TRAIN; p < N_PARTS; p++) {
        const batcher_options bo = { .batch_size = max_batch, .n_shards = n };
        if (dataset_size(d, p) > 0) {
            TRY(batcher_new(d, p, &bo, &e->batchers[p], err));
        }
    }
done:
    return st;
}

status evaluator_plan(evaluator *e, const dataset *d, objective *o, size_t max_batch, error *err)
{
    e->objective = o;
    e->n_replicas = objective_n_replicas(o);
    e->n_outputs = model_n_outputs(objective_model(o));
    return lay_out(e, d, max_batch, err);
}

status evaluator_plan_given(evaluator *e, const dataset *d, const evaluator_given *g, error *err)
{
    status st = OK;
    size_t numbers = 0;
    e->given = *g;
    e->n_replicas = g->n_shards;
    e->n_outputs = g->n_outputs;
    TRY(lay_out(e, d, g->max_batch, err));
    if (g->loss) {
        const assay_loss *ops = g->loss->component->ops;
        const int code = ops->plan(&g->loss->ctx, g->loss->hyper, &e->task);
        TRY(instance_status(g->loss, code, "plan", err));
    }
    if (size_product(e->max_rows, e->n_outputs, &numbers)) {
        e->given_batch = arena_alloc_array(&e->memory, numbers, sizeof(float));
    }
    if (!e->given_batch) {
        TRY(fail_nomem(err, "the outputs"));
    }
done:
    return st;
}

void evaluator_give(evaluator *e, part p, const float *y)
{
    e->given_y[p] = y;
}

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
