/* Building a run from its config.
 *
 * Order matters: first every block is read and every plugin bound, so that a typo costs nothing; then the data are opened;
 * then the model is planned for their shape; then memory is laid out. After this, a step allocates nothing. */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/file.h"
#include "model/weights.h"
#include "num/gemm.h"
#include "train/internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_EVAL_BATCH = 256 };

static status required(
    const value *root, const char *key, const char *example, value **out, error *err)
{
    *out = value_find(root, key);
    return *out ? OK
                : fail_at(err, E_MISSING, &root->at, "the config has no `%s` block; for example %s",
                      key, example);
}

/* name and seed, with their defaults in the tree. */
static status read_identity(trainer *t, error *err)
{
    static const assay_hyper rows[] = {
        { .name = "name",
            .offset = 0,
            .type = ASSAY_TYPE_STRING,
            .def_string = "run",
            .doc = "names the run folder" },
        { .name = "seed",
            .offset = 8,
            .type = ASSAY_TYPE_INT,
            .def = 0,
            .min = 0,
            .max = 9007199254740992.0,
            .doc = "of everything random but the split" },
    };
    static const char *const others[] = { "plugins", "data", "model", "loss", "metrics",
        "optimizer", "schedule", "train", NULL };
    struct {
        const char *name;
        int64_t seed;
    } identity;
    const hyper_table table = { rows, 2, sizeof rows[0], sizeof identity };
    const hyper_bind_options o = { .what = "config", .reserved = others };
    status st = hyper_bind(t->config, config_root(t->config), &table, &o, &identity, NULL, err);
    t->name = identity.name;
    t->seed = (uint64_t)identity.seed;
    return st;
}

static status open_loss(trainer *t, value *block, error *err)
{
    status st =
        instance_new(t->registry, t->config, "loss", block, NULL, t->seed, "loss", &t->loss, err);
    if (st != OK) {
        return st;
    }
    const size_t bytes = t->loss->component->hypers.bytes;
    t->loss_hyper = arena_alloc(&t->memory, bytes ? bytes : 8);
    if (!t->loss_hyper) {
        return fail_nomem(err, "the loss");
    }
    if (bytes) {
        memcpy(t->loss_hyper, t->loss->hyper, bytes);
    }
    return OK;
}

/* All that can be checked without data. */
static status read_config(trainer *t, value **out_data, error *err)
{
    status st = OK;
    value *root = config_root(t->config), *layers, *loss, *optimizer_block;
    TRY(config_check_keys(t->config, err));
    TRY(registry_add_config(t->registry, t->config, err));
    TRY(required(root, "data", "data = { type = \"csv\"; file = \"table.csv\"; };", out_data, err));
    TRY(required(root, "model", "model = ( { type = \"dense\"; units = 10; } );", &layers, err));
    TRY(required(root, "loss", "loss = { type = \"softmax_xent\"; };", &loss, err));
    TRY(required(
        root, "optimizer", "optimizer = { type = \"adam\"; lr = 1e-3; };", &optimizer_block, err));
    TRY(read_identity(t, err));
    TRY(train_config_read(t->config, &t->settings, err));
    TRY(optimizer_new(t->registry, t->config, optimizer_block, t->seed, &t->optimizer, err));
    TRY(scheduler_new(
        t->registry, t->config, value_find(root, "schedule"), t->seed, &t->scheduler, err));
    TRY(open_loss(t, loss, err));
    TRY(evaluator_new(
        t->registry, t->config, value_find(root, "metrics"), t->seed, &t->evaluator, err));
    TRY(model_new(t->registry, t->config, layers, t->seed, &t->model, err));
done:
    return st;
}

static status plan_model(trainer *t, error *err)
{
    const assay_data *view = dataset_view(t->data);
    const size_t largest = t->batch_size > t->eval_batch ? t->batch_size : t->eval_batch;
    const model_options o = { .in = view->x_shape,
        .in_dtype = view->x_dtype == ASSAY_I32 ? ASSAY_I32 : ASSAY_F32,
        .vocabulary = view->vocabulary,
        .max_time = 1,
        .max_batch = largest };
    status st = model_plan(t->model, t->config, &o, err);
    if (st != OK) {
        return st;
    }
    assay_task task = { .struct_size = sizeof task };
    dataset_task(t->data, model_n_outputs(t->model), &task);
    const assay_loss *ops = t->loss->component->ops;
    const int code = ops->plan(&t->loss->ctx, t->loss_hyper, &task);
    return code == ASSAY_OK ? OK : instance_status(t->loss, code, "plan", err);
}

static double model_macs(const model *m)
{
    double macs = 0;
    for (size_t i = 0; i < m->n_layers; i++) {
        macs += m->layers[i].macs;
    }
    return macs;
}

/* Below some 10 to 20 MFLOP a step a second core costs more than it brings. */
static size_t automatic_replicas(const trainer *t)
{
    const double flops = 6 * model_macs(t->model) * (double)t->batch_size;
    size_t n = flops < 16e6 ? 1 : team_cores();
    const size_t by_batch = t->batch_size / 16 > 0 ? t->batch_size / 16 : 1;
    n = n < by_batch ? n : by_batch;
    return n < 64 ? n : 64;
}

static void write_chosen(value *train, const char *key, size_t n)
{
    value *v = value_find(train, key);
    if (v) {
        v->kind = VALUE_INT;
        v->as.integer = (int64_t)n;
    }
}

static status choose_replicas(trainer *t, error *err)
{
    value *train = value_find(config_root(t->config), "train");
    const size_t asked = (size_t)t->settings.train.replicas;
    t->n_replicas = asked ? asked : automatic_replicas(t);
    if (t->model->couples_samples) {
        if (asked > 1) {
            return fail_at(err, E_CONFLICT, &value_find(train, "replicas")->at,
                "train.replicas is %zu, but a layer couples the samples of a batch; set it to 1",
                asked);
        }
        t->n_replicas = 1;
    }
    size_t threads = (size_t)t->settings.train.threads;
    if (threads == 0) {
        const size_t cores = team_cores();
        threads = t->n_replicas < cores ? t->n_replicas : cores;
    }
    if (!num_blas_is_concurrent() && threads > 1) {
        trainer_note(t, "this OpenBLAS is not safe to call from several threads; using one");
        threads = 1;
    }
    t->n_threads = threads;
    write_chosen(train, "replicas", t->n_replicas);
    return OK;
}

static uint64_t planned_steps(const trainer *t)
{
    const uint64_t by_epochs = (uint64_t)t->settings.train.epochs * t->steps_per_epoch;
    const uint64_t steps = (uint64_t)t->settings.train.steps;
    if (t->options.dry_run) {
        return 2;
    }
    return steps && (steps < by_epochs || by_epochs == 0) ? steps : by_epochs;
}

static status plan_batches(trainer *t, error *err)
{
    const data_options *o = dataset_options(t->data);
    const batcher_options bo = { .batch_size = o->batch_size,
        .shuffle = o->shuffle,
        .drop_last = o->drop_last,
        .seed = t->seed };
    status st = batcher_new(t->data, PART_TRAIN, &bo, &t->batches, err);
    if (st != OK) {
        return st;
    }
    t->n_batches = t->options.overfit_one_batch ? 1 : batcher_n_batches(t->batches);
    t->batch_size = batcher_max_batch(t->batches);
    if (t->n_batches == 0) {
        return fail(err, E_RANGE,
            "the training part has %zu samples, less than one batch of %llu; `drop_last` leaves "
            "nothing",
            dataset_size(t->data, PART_TRAIN), (unsigned long long)o->batch_size);
    }
    const uint64_t k = (uint64_t)t->settings.train.accumulate;
    t->steps_per_epoch = (t->n_batches + k - 1) / k;
    t->total_steps = planned_steps(t);
    t->eval_batch = t->batch_size > MIN_EVAL_BATCH ? t->batch_size : MIN_EVAL_BATCH;
    size_t largest = 1;
    for (part p = PART_TRAIN; p < N_PARTS; p++) {
        largest = dataset_size(t->data, p) > largest ? dataset_size(t->data, p) : largest;
    }
    t->eval_batch = t->eval_batch < largest ? t->eval_batch : largest;
    return OK;
}

/* What early stopping watches: "validation.loss" -> a part and one of the evaluator's values. */
static status plan_monitor(trainer *t, error *err)
{
    const bool asked = t->settings.stops_early;
    const value *train = value_find(config_root(t->config), "train");
    const value *v = value_find(value_find(train, "early_stopping"), "monitor");
    const char *monitor = asked ? t->settings.early.monitor : "validation.loss";
    t->monitor_part = strncmp(monitor, "training.", 9) == 0 ? PART_TRAIN : PART_VALIDATION;
    const char *metric = strchr(monitor, '.') + 1;
    t->monitor = evaluator_find(t->evaluator, metric);
    if (t->monitor == evaluator_n_values(t->evaluator) ||
        evaluator_is_matrix(t->evaluator, t->monitor)) {
        text names = { 0 };
        for (size_t i = 0; i < evaluator_n_values(t->evaluator); i++) {
            text_printf(&names, "%s%s", i ? ", " : "", evaluator_name(t->evaluator, i));
        }
        status st = fail_at(err, E_UNKNOWN, &v->at,
            "early_stopping: monitor: there is no metric \"%s\"; there are %s (more by `metrics`)",
            metric, names.s ? names.s : "none");
        text_release(&names);
        return st;
    }
    t->monitor_running = t->monitor_part == PART_TRAIN && t->monitor == 0;
    t->monitors = dataset_size(t->data, t->monitor_part) > 0;
    if (asked && !t->monitors) {
        return fail_at(err, E_CONFLICT, &v->at,
            "early_stopping watches %s, but the validation part is empty; set "
            "data.split.validation",
            monitor);
    }
    if (asked && t->monitor_part == PART_TRAIN && !t->monitor_running &&
        !t->settings.train.train_eval) {
        return fail_at(err, E_CONFLICT, &v->at,
            "early_stopping watches %s, which needs train.train_eval (how many training samples to "
            "evaluate)",
            monitor);
    }
    const bool larger = evaluator_larger_is_better(t->evaluator, t->monitor);
    if (asked && larger && t->settings.early.mode != MODE_MIN &&
        (t->settings.early.rule == RULE_GL || t->settings.early.rule == RULE_PQ)) {
        return fail_at(err, E_CONFLICT, &v->at,
            "early_stopping: rules gl and pq are quotients of an error and need a monitor where "
            "smaller is "
            "better, not %s",
            monitor);
    }
    struct early_stop_options o = t->settings.early;
    if (!asked) {
        o = (struct early_stop_options){ .monitor = "validation.loss",
            .every = 1,
            .patience = INT64_MAX,
            .target = -INFINITY,
            .strip = 1,
            .strips = 1 };
    }
    early_stop_init(&t->early, &o, larger);
    return OK;
}

static status lay_out(trainer *t, error *err)
{
    const model *m = t->model;
    t->best_w = arena_alloc_array(&t->memory, m->n_flat, sizeof *t->best_w);
    t->best_b = arena_alloc_array(&t->memory, m->n_flat_buffers, sizeof *t->best_b);
    t->kept_b = arena_alloc_array(&t->memory, m->n_flat_buffers, sizeof *t->kept_b);
    if (!t->best_w || !t->best_b || !t->kept_b) {
        return fail_nomem(err, "the best weights");
    }
    if (optimizer_has_eval_weights(t->optimizer)) {
        t->eval_w = arena_alloc_array(&t->memory, m->n_flat, sizeof *t->eval_w);
        if (!t->eval_w) {
            return fail_nomem(err, "the evaluation weights");
        }
        if (m->n_buffers) {
            return fail(err, E_UNSUPPORTED,
                "an optimizer that evaluates at other weights than it trains cannot be used with a "
                "layer "
                "that keeps running statistics");
        }
    }
    return OK;
}

/* "training.loss", what schedules drive, then the metrics of training (train_eval) and validation. */
static status plan_columns(trainer *t, error *err)
{
    const size_t n_values = evaluator_n_values(t->evaluator);
    const size_t n = 1 + scheduler_count(t->scheduler) + 2 * n_values;
    t->columns = arena_alloc_array(&t->memory, n, sizeof(*t->columns));
    if (!t->columns) {
        return fail_nomem(err, "the columns");
    }
    t->columns[t->n_columns++] = "training.loss";
    for (size_t i = 0; i < scheduler_count(t->scheduler); i++) {
        t->columns[t->n_columns++] = scheduler_target(t->scheduler, i);
    }
    for (int p = 0; p < 2; p++) {
        const char *prefix = p == 0 ? "training_eval" : "validation";
        if (p == 0 ? t->settings.train.train_eval == 0
                   : dataset_size(t->data, PART_VALIDATION) == 0) {
            continue;
        }
        for (size_t i = 0; i < n_values; i++) {
            if (evaluator_is_matrix(t->evaluator, i)) {
                continue;
            }
            const char *name =
                arena_printf(&t->memory, "%s.%s", prefix, evaluator_name(t->evaluator, i));
            if (!name) {
                return fail_nomem(err, "the columns");
            }
            t->columns[t->n_columns++] = name;
        }
    }
    return OK;
}

static void warn_horizon(trainer *t)
{
    const char *id = scheduler_horizon(t->scheduler);
    if (id && t->settings.stops_early) {
        trainer_note(t,
            "schedule \"%s\" is shaped to %llu steps, but early stopping may end the run before "
            "its schedule",
            id, (unsigned long long)t->total_steps);
    }
}

static status init_weights(trainer *t, error *err)
{
    const char *from = t->settings.train.init_from;
    if (!from) {
        return OK;
    }
    return weights_load(t->model, from, err);
}

static status build(trainer *t, error *err)
{
    status st = OK;
    value *data = NULL;
    TRY(read_config(t, &data, err));
    TRY(dataset_open(t->registry, t->config, data, &t->data, err));
    TRY(plan_batches(t, err));
    TRY(plan_model(t, err));
    TRY(choose_replicas(t, err));
    TRY(team_new(t->n_threads, t->settings.train.flush_denormals != 0, &t->team, err));
    registry_set_team(t->registry, t->team);
    const objective_options o = { .n_replicas = t->n_replicas,
        .max_batch = t->batch_size > t->eval_batch ? t->batch_size : t->eval_batch,
        .l2 = t->settings.train.l2,
        .clip_value = t->settings.train.clip_value };
    TRY(objective_new(t->model, t->data, t->loss, t->loss_hyper, t->team, &o, &t->objective, err));
    TRY(optimizer_plan(t->optimizer, t->model, objective_gradient(t->objective), t->team, err));
    TRY(scheduler_plan(t->scheduler, t->optimizer, t->model, t->loss, t->loss_hyper, err));
    TRY(evaluator_plan(t->evaluator, t->data, t->objective, t->eval_batch, err));
    TRY(plan_monitor(t, err));
    TRY(lay_out(t, err));
    TRY(plan_columns(t, err));
    TRY(init_weights(t, err));
    TRY(model_prepare(t->model, true, err));
    TRY(trainer_fingerprint(t, err));
    warn_horizon(t);
done:
    return st;
}

status trainer_new(registry *r, config *c, const trainer_options *o, trainer **out, error *err)
{
    trainer *t = calloc(1, sizeof *t);
    if (!t) {
        return fail_nomem(err, "the trainer");
    }
    t->registry = r;
    t->config = c;
    t->options = *o;
    t->at.monitored = NAN;
    t->early.best = EARLY_STOP_NONE;
    t->start_wall_s = clock_wall_s();
    t->start_cpu_s = clock_cpu_s();
    status st = build(t, err);
    if (st != OK) {
        trainer_free(t);
        return st;
    }
    t->last_checkpoint_s = clock_wall_s();
    *out = t;
    return OK;
}

void trainer_free(trainer *t)
{
    if (!t) {
        return;
    }
    batcher_free(t->batches);
    evaluator_free(t->evaluator);
    objective_free(t->objective);
    scheduler_free(t->scheduler);
    optimizer_free(t->optimizer);
    instance_free(t->loss);
    model_free(t->model);
    dataset_free(t->data);
    registry_set_team(t->registry, NULL);
    team_free(t->team);
    early_stop_release(&t->early);
    text_release(&t->diverged);
    free(t->fingerprint);
    arena_release(&t->memory);
    free(t);
}

/* Blocks that a checkpoint depends on; `train` is left out so that a run can be given more epochs. */
status trainer_fingerprint(trainer *t, error *err)
{
    static const char *const keys[] = { "data", "model", "loss", "optimizer", "seed" };
    text all = { 0 };
    const value *root = config_root(t->config);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const value *v = value_find(root, keys[i]);
        text_printf(&all, "%s=", keys[i]);
        if (v) {
            value_to_text(v, &all);
        }
    }
    text_printf(&all, "accumulate=%lld replicas=%zu", (long long)t->settings.train.accumulate,
        t->n_replicas);
    status st = text_check(&all, err);
    if (st == OK) {
        t->fingerprint = malloc(33);
        if (t->fingerprint) {
            hash_hex(t->fingerprint, all.s, all.n);
        } else {
            st = fail_nomem(err, "the run's fingerprint");
        }
    }
    text_release(&all);
    return st;
}

void trainer_note(trainer *t, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const record note = { .kind = RECORD_NOTE, .step = t->at.step, .text = message };
    if (t->options.sink.emit) {
        t->options.sink.emit(t->options.sink.self, &note);
    }
}

model *trainer_model(trainer *t)
{
    return t->model;
}

dataset *trainer_data(trainer *t)
{
    return t->data;
}

evaluator *trainer_evaluator(trainer *t)
{
    return t->evaluator;
}

uint64_t trainer_steps_done(const trainer *t)
{
    return t->at.step;
}

uint64_t trainer_total_steps(const trainer *t)
{
    return t->total_steps;
}

uint64_t trainer_steps_per_epoch(const trainer *t)
{
    return t->steps_per_epoch;
}

size_t trainer_n_replicas(const trainer *t)
{
    return t->n_replicas;
}

size_t trainer_n_threads(const trainer *t)
{
    return t->n_threads;
}

size_t trainer_batch_size(const trainer *t)
{
    return t->batch_size;
}

void trainer_describe_optimizer(const trainer *t, text *out)
{
    optimizer_describe(t->optimizer, out);
}

size_t trainer_n_columns(const trainer *t)
{
    return t->n_columns;
}

const char *trainer_column(const trainer *t, size_t i)
{
    return t->columns[i];
}
