/* Planning a run once its parts are read: batches and steps, the model for the data's shape, replicas and threads, what early
 * stopping watches, the columns of the record. */
#include "data/pack.h"
#include "num/gemm.h"
#include "train/internal.h"

#include <math.h>
#include <string.h>

enum { MIN_EVAL_ROWS = 256, SHARED_PARAMS = 1 << 20 };

/* A target for every step needs an output for every step, and one for a sequence one. */
static status check_time(const trainer *t, error *err)
{
    const value *layers = value_find(config_root(t->config), "model");
    const bool one_output = t->model->layers[t->model->n_layers - 1].out_one_step;
    const bool one_target = !dataset_has_target_per_step(t->data);
    if (!dataset_has_time(t->data) || one_output == one_target) {
        return OK;
    }
    return fail_at(err, E_SHAPE, &layers->at,
        one_target ? "model: the data has one target for a sequence, but the model gives an output "
                     "for every step; end it with return = \"last\", last_step or mean_pool"
                   : "model: the data has a target for every step, but the model gives one output "
                     "for a sequence; take out last_step, mean_pool or return = \"last\"");
}

status plan_model(trainer *t, error *err)
{
    const assay_data *view = dataset_view(t->data);
    const size_t largest = t->batch_size > t->eval_batch ? t->batch_size : t->eval_batch;
    const model_options o = { .in = view->x_shape,
        .in_dtype = view->x_dtype == ASSAY_I32 ? ASSAY_I32 : ASSAY_F32,
        .vocabulary = view->vocabulary,
        .max_time = dataset_max_time(t->data),
        .max_batch = largest };
    status st = model_plan(t->model, t->config, &o, err);
    if (st == OK) {
        st = check_time(t, err);
    }
    if (st != OK) {
        return st;
    }
    if (!t->loss) {
        return OK;
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
    const double steps = (double)(t->batch_size * dataset_max_time(t->data));
    const double flops = 6 * model_macs(t->model) * steps;
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

status plan_replicas(trainer *t, error *err)
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
    if (t->n_replicas == 1 && t->model->n_params < SHARED_PARAMS) {
        threads =
            1; /* only the update could be shared, and weights that move between cores cost more than that brings */
    }
    t->n_threads = threads;
    if (t->batches) {
        batcher_set_shards(t->batches, t->n_replicas);
    }
    write_chosen(train, "replicas", t->n_replicas);
    return OK;
}

/* Epochs may be so many that their steps cannot be counted; then `steps` must say where it ends. */
static status planned_steps(const trainer *t, uint64_t *out, error *err)
{
    const uint64_t most = UINT64_C(1) << 53;
    const uint64_t epochs = (uint64_t)t->settings.train.epochs;
    const uint64_t steps = (uint64_t)t->settings.train.steps;
    const bool fits = epochs <= most / t->steps_per_epoch;
    if (t->options.dry_run) {
        *out = 2;
        return OK;
    }
    if (!fits && !steps) {
        const value *train = value_find(config_root(t->config), "train");
        return fail_at(err, E_RANGE, &value_find(train, "epochs")->at,
            "train.epochs: %llu epochs of %llu steps are more steps than can be counted; give "
            "fewer",
            (unsigned long long)epochs, (unsigned long long)t->steps_per_epoch);
    }
    const uint64_t by_epochs = fits ? epochs * t->steps_per_epoch : most;
    *out = steps && (steps < by_epochs || by_epochs == 0) ? steps : by_epochs;
    return OK;
}

size_t evaluation_batch(const dataset *d, size_t batch_size)
{
    const size_t enough = (MIN_EVAL_ROWS + dataset_max_time(d) - 1) / dataset_max_time(d);
    size_t n = batch_size > enough ? batch_size : enough, largest = 1;
    if (dataset_is_stream(d)) {
        n = batch_size; /* more streams would begin at zero more often */
    }
    for (part p = PART_TRAIN; p < N_PARTS; p++) {
        largest = dataset_whole_size(d, p) > largest ? dataset_whole_size(d, p) : largest;
    }
    return n < largest ? n : largest;
}

status plan_batches(trainer *t, error *err)
{
    const data_options *o = dataset_options(t->data);
    const batcher_options bo = { .batch_size = o->batch_size,
        .shuffle = o->shuffle,
        .drop_last = o->drop_last,
        .bucket = o->bucket,
        .class_weights = true,
        .seed = t->seed };
    status st = batcher_new(t->data, PART_TRAIN, &bo, &t->batches, err);
    if (st != OK) {
        return st;
    }
    t->n_batches = t->options.overfit_one_batch ? 1 : batcher_n_batches(t->batches);
    t->batch_size = batcher_max_batch(t->batches);
    if (t->n_batches == 0 && dataset_is_stream(t->data)) {
        return fail(err, E_RANGE,
            "the training part has %zu steps, less than one window of %llu; `drop_last` leaves "
            "nothing",
            dataset_size(t->data, PART_TRAIN), (unsigned long long)o->window);
    }
    if (t->n_batches == 0) {
        return fail(err, E_RANGE,
            "the training part has %zu samples, less than one batch of %llu; `drop_last` leaves "
            "nothing",
            dataset_size(t->data, PART_TRAIN), (unsigned long long)o->batch_size);
    }
    const uint64_t k = (uint64_t)t->settings.train.accumulate;
    t->steps_per_epoch = (t->n_batches + k - 1) / k;
    st = planned_steps(t, &t->total_steps, err);
    if (st != OK) {
        return st;
    }
    t->eval_batch = evaluation_batch(t->data, t->batch_size);
    return OK;
}

/* What early stopping watches: "validation.loss" -> a part and one of the evaluator's values. */
status plan_monitor(trainer *t, error *err)
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
    const uint64_t direction = evaluator_direction(t->evaluator, t->monitor);
    const bool larger = direction == ASSAY_METRIC_LARGER_IS_BETTER;
    const int64_t mode = t->settings.early.mode;
    if (asked && mode == MODE_AUTO && direction == ASSAY_METRIC_NEITHER) {
        return fail_at(err, E_MISSING, &v->at,
            "early_stopping: of %s neither smaller nor larger values are better by themselves: say "
            "which, by mode = \"min\" or \"max\"",
            monitor);
    }
    if (asked && (mode == MODE_AUTO ? larger : mode == MODE_MAX) &&
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

/* "training.loss", what schedules drive, then the metrics of training (train_eval) and validation. */
status plan_columns(trainer *t, error *err)
{
    const size_t n_values = evaluator_n_values(t->evaluator);
    const size_t n = 1 + scheduler_count(t->scheduler) + 2 * n_values;
    const size_t n_record = 3 + scheduler_count(t->scheduler) + optimizer_n_values(t->optimizer);
    t->columns = arena_alloc_array(&t->memory, n, sizeof(*t->columns));
    t->values = arena_alloc_array(&t->memory, n_record, sizeof *t->values);
    if (!t->columns || !t->values) {
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

status plan_probe(trainer *t, error *err)
{
    const uint64_t samples = t->batch_size * (uint64_t)t->settings.train.accumulate;
    const probe_options o = { .every = (uint64_t)t->settings.probe.every,
        .share = t->settings.probe.share,
        .macs = model_macs(t->model) * (double)samples,
        .l2 = t->settings.train.l2,
        .clip_value = t->settings.train.clip_value };
    return o.every ? probe_new(t->objective, t->optimizer, t->team, &o, &t->probe, err) : OK;
}
