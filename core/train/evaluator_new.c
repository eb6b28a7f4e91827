/* What an evaluator is made of: the config's metrics, their names and values, and room for their sums. */
#include "train/evaluator_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
