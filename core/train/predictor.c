/* A trainer that is built as far as a forward pass needs it: model, replicas, team. */
#include "train/predictor.h"

#include "data/pack.h"
#include "train/internal.h"
#include "train/outputs.h"

#include <stdlib.h>
#include <string.h>

struct predictor {
    trainer *t;
    batcher *batches[N_PARTS];
    float *y; // [rows of the largest batch, n_outputs]
};

static status read_config(trainer *t, error *err)
{
    status st = OK;
    const value *root = config_root(t->config), *seed = value_find(root, "seed");
    value *layers = value_find(root, "model");
    TRY(registry_add_config(t->registry, t->config, err));
    if (!layers) TRY(fail_at(err, E_MISSING, &root->at, "the config has no `model` block"));
    t->seed = seed && seed->kind == VALUE_INT ? (uint64_t)seed->as.integer : 0;
    TRY(train_config_read(t->config, &t->settings, err));
    TRY(model_new(t->registry, t->config, layers, t->seed, &t->model, err));
done:
    return st;
}

static status plan(trainer *t, error *err)
{
    status st = OK;
    t->batch_size = batcher_whole_batch(t->data, PART_TRAIN);
    t->eval_batch = evaluation_batch(t->data, t->batch_size);
    TRY(plan_model(t, err));
    TRY(plan_replicas(t, err));
    TRY(team_new(t->n_threads, t->settings.train.flush_denormals != 0, &t->team, err));
    registry_set_team(t->registry, t->team);
    const objective_options o = { .n_replicas = t->n_replicas,
        .max_batch = t->batch_size > t->eval_batch ? t->batch_size : t->eval_batch,
        .max_time = dataset_max_time(t->data) };
    TRY(objective_new(t->model, t->data, NULL, NULL, t->team, &o, &t->objective, err));
done:
    return st;
}

static status lay_out(predictor *p, error *err)
{
    status st = OK;
    const trainer *t = p->t;
    const size_t time = dataset_has_target_per_step(t->data) ? dataset_max_time(t->data) : 1;
    size_t rows = 0, numbers = 0;
    for (part k = PART_TRAIN; k < N_PARTS; k++) {
        const batcher_options o = { .batch_size = t->eval_batch, .n_shards = t->n_replicas };
        if (dataset_size(t->data, k) > 0) TRY(batcher_new(t->data, k, &o, &p->batches[k], err));
    }
    if (size_product(t->eval_batch, time, &rows) &&
        size_product(rows, model_n_outputs(t->model), &numbers)) {
        p->y = mem_aligned(numbers, sizeof *p->y);
    }
    if (!p->y) TRY(fail_nomem(err, "the outputs"));
done:
    return st;
}

status predictor_new(registry *r, config *c, dataset *d, predictor **out, error *err)
{
    status st = OK;
    predictor *p = calloc(1, sizeof *p);
    if (!p) return fail_nomem(err, "a predictor");
    p->t = calloc(1, sizeof *p->t);
    if (!p->t) TRY(fail_nomem(err, "a predictor"));
    p->t->registry = r;
    p->t->config = c;
    p->t->early.best = EARLY_STOP_NONE;
    TRY(read_config(p->t, err));
    p->t->data = d;
    TRY(plan(p->t, err));
    TRY(lay_out(p, err));
    *out = p;
    p = NULL;
done:
    predictor_free(p);
    return st;
}

void predictor_free(predictor *p)
{
    if (!p) return;
    for (int k = 0; k < N_PARTS; k++)
        batcher_free(p->batches[k]);
    if (p->t) p->t->data = NULL; /* the caller's */
    trainer_free(p->t);
    free(p->y);
    free(p);
}

model *predictor_model(predictor *p)
{
    return p->t->model;
}

size_t predictor_n_shards(const predictor *p)
{
    return p->t->n_replicas;
}

status predictor_ready(predictor *p, error *err)
{
    return model_prepare(p->t->model, false, err);
}

/* [worker] */
static void keep_rows(void *self, size_t i, const assay_rows *rows, size_t begin)
{
    predictor *p = self;
    (void)i;
    memcpy(p->y + begin * rows->n_outputs, rows->y, rows->n * rows->n_outputs * sizeof *p->y);
}

status predictor_run(predictor *p, part which, float *y, error *err)
{
    batcher *b = p->batches[which];
    outputs o = { .data = p->t->data, .part = which, .n = model_n_outputs(p->t->model), .to = y };
    status st = OK;
    for (size_t i = 0; b && i < batcher_n_batches(b); i++) {
        batch now;
        batcher_get(b, 0, i, &now);
        TRY(objective_evaluate(p->t->objective, &now, keep_rows, p, err));
        outputs_of_batch(&o, &now, p->y);
    }
done:
    return st;
}
