/* Building a run from its config.
 *
 * Order matters: first every block is read and every plugin bound, so that a typo costs nothing; then the data are opened;
 * then the model is planned for their shape; then memory is laid out. After this, a step allocates nothing. */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/file.h"
#include "data/pack.h"
#include "model/weights.h"
#include "num/gemm.h"
#include "train/internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static status required(
    const value *root, const char *key, const char *example, value **out, error *err)
{
    *out = value_find(root, key);
    return *out ? OK
                : fail_at(err, E_MISSING, &root->at, "the config has no `%s` block; for example %s",
                      key, example);
}

struct identity {
    const char *name;
    int64_t seed;
};

/* name and seed, with their defaults in the tree. */
static status read_identity(trainer *t, error *err)
{
    static const assay_hyper rows[] = {
        { .name = "name",
            .offset = offsetof(struct identity, name),
            .type = ASSAY_TYPE_STRING,
            .def_string = "run",
            .doc = "names the run folder" },
        { .name = "seed",
            .offset = offsetof(struct identity, seed),
            .type = ASSAY_TYPE_INT,
            .def = 0,
            .min = 0,
            .max = 9007199254740992.0,
            .doc = "of everything random but the split" },
    };
    struct identity identity;
    const hyper_table table = HYPER_TABLE(identity, rows);
    const hyper_bind_options o = { .what = "config", .noun = "setting", .reserved = config_keys };
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
        t->eval_b = arena_alloc_array(&t->memory, m->n_flat_buffers, sizeof *t->eval_b);
        if (!t->eval_w || !t->eval_b) {
            return fail_nomem(err, "the evaluation weights");
        }
    }
    return OK;
}

static void warn_horizon(trainer *t)
{
    const char *id = scheduler_horizon(t->scheduler);
    if (id && t->settings.stops_early) {
        trainer_note(t,
            "schedule \"%s\" is shaped to %llu steps, but early stopping may end the run sooner",
            id, (unsigned long long)t->total_steps);
    }
}

static void warn_unvalidated(trainer *t)
{
    if (dataset_size(t->data, PART_VALIDATION) == 0) {
        trainer_note(t,
            "no validation part: only the training loss is followed; data.split.validation = 0.15 "
            "sets rows apart");
    }
}

/* A text too short for so many streams makes fewer, which is another run than was asked for. */
static void warn_fewer_streams(trainer *t)
{
    const data_options *o = dataset_options(t->data);
    if (dataset_is_stream(t->data) && t->batch_size < o->batch_size) {
        trainer_note(t,
            "data.batch_size = %llu: %zu time steps fill a window of %llu for %zu streams at most, "
            "so many are made",
            (unsigned long long)o->batch_size, dataset_size(t->data, PART_TRAIN),
            (unsigned long long)o->window, t->batch_size);
    }
}

static status init_weights(trainer *t, error *err)
{
    const char *from = t->settings.train.init_from;
    if (!from) {
        return OK;
    }
    if (weights_load(t->model, from, err) == OK) {
        return OK;
    }
    const origin *at = &value_find(value_find(config_root(t->config), "train"), "init_from")->at;
    return at->line > 0 ? error_where(err, "%s:%d: train.init_from", at->file, at->line)
                        : error_where(err, "%s: train.init_from", at->file);
}

static status open_data(trainer *t, value *block, error *err)
{
    const trainer_options *o = &t->options;
    return o->pack ? dataset_open_pack(t->config, block, o->pack, o->n_pack, &t->data, err)
                   : dataset_open(t->registry, t->config, block, &t->data, err);
}

static status build(trainer *t, error *err)
{
    status st = OK;
    value *data = NULL;
    TRY(read_config(t, &data, err));
    if (t->options.on_plan) {
        t->options.on_plan(t->options.sink.self);
    }
    TRY(open_data(t, data, err));
    TRY(plan_batches(t, err));
    TRY(plan_model(t, err));
    TRY(plan_replicas(t, err));
    TRY(team_new(t->n_threads, t->settings.train.flush_denormals != 0, &t->team, err));
    registry_set_team(t->registry, t->team);
    pace_init(&t->pace, t->team, t->settings.train.threads == 0);
    const objective_options o = { .n_replicas = t->n_replicas,
        .max_batch = t->batch_size > t->eval_batch ? t->batch_size : t->eval_batch,
        .max_time = dataset_max_time(t->data),
        .l2 = t->settings.train.l2,
        .clip_value = t->settings.train.clip_value };
    TRY(objective_new(t->model, t->data, t->loss, t->loss_hyper, t->team, &o, &t->objective, err));
    TRY(optimizer_plan(t->optimizer, t->model, objective_gradient(t->objective), t->team, err));
    TRY(scheduler_plan(t->scheduler, t->optimizer, t->model, t->loss, t->loss_hyper, err));
    TRY(evaluator_plan(t->evaluator, t->data, t->objective, t->eval_batch, err));
    TRY(plan_monitor(t, err));
    TRY(lay_out(t, err));
    TRY(weight_noise_init(
        &t->noise, &t->memory, t->model, t->team, t->settings.train.weight_noise, t->seed, err));
    TRY(plan_columns(t, err));
    TRY(plan_probe(t, err));
    TRY(init_weights(t, err));
    TRY(model_prepare(t->model, true, err));
    TRY(fingerprint_make(t, err));
    warn_horizon(t);
    warn_unvalidated(t);
    warn_fewer_streams(t);
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
    probe_free(t->probe);
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

bool trainer_is_over(const trainer *t)
{
    return t->at.stop != STOP_NONE || t->at.step >= t->total_steps;
}

uint64_t trainer_last_checked(const trainer *t)
{
    return t->at.last_checked;
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
