/* What an objective is made of before the first step: stretches of the gradient to be reduced, the replicas, and for streams what
 * layers carry. From here on it allocates nothing. */
#include "train/objective_internal.h"

#include <stdlib.h>

enum { REDUCE_FLOATS = 8192 };

static status plan_stretches(objective *o, error *err)
{
    const model *m = o->m;
    size_t n = 0;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        n += t->trainable ? (t->info.size + REDUCE_FLOATS - 1) / REDUCE_FLOATS : 0;
    }
    o->stretches = arena_alloc_array(&o->memory, n, sizeof *o->stretches);
    o->squares = arena_alloc_array(&o->memory, n, sizeof *o->squares);
    o->weight_squares = arena_alloc_array(&o->memory, n, sizeof *o->weight_squares);
    if (!o->stretches || !o->squares || !o->weight_squares) {
        return fail_nomem(err, "the gradient's plan");
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *t = &m->tensors[i];
        const bool decays =
            t->info.role == ASSAY_ROLE_WEIGHT || t->info.role == ASSAY_ROLE_RECURRENT;
        for (size_t at = 0; t->trainable && at < t->info.size; at += REDUCE_FLOATS) {
            const size_t left = t->info.size - at;
            o->stretches[o->n_stretches++] =
                (stretch){ t->offset + at, left < REDUCE_FLOATS ? left : REDUCE_FLOATS, decays };
        }
    }
    return OK;
}

static size_t shard_capacity(const objective_options *o)
{
    return (o->max_batch + o->n_replicas - 1) / o->n_replicas;
}

static status make_replicas(objective *o, error *err)
{
    const size_t n = o->options.n_replicas, rows = shard_capacity(&o->options);
    o->replicas = arena_alloc_array(&o->memory, n, sizeof(*o->replicas));
    o->parts = arena_alloc_array(&o->memory, n, sizeof(*o->parts));
    o->sources = arena_alloc_array(&o->memory, n, sizeof(*o->sources));
    o->wrote = arena_alloc_array(&o->memory, n, sizeof(*o->wrote));
    o->sums = arena_alloc_array(&o->memory, n, sizeof(*o->sums));
    o->bounds = arena_alloc_array(&o->memory, n, sizeof(*o->bounds));
    o->st = arena_alloc_array(&o->memory, n, sizeof(*o->st));
    o->errors = arena_alloc_array(&o->memory, n, sizeof(*o->errors));
    if (!o->replicas || !o->parts || !o->sources || !o->wrote || !o->sums || !o->bounds || !o->st ||
        !o->errors) {
        return fail_nomem(err, "the replicas");
    }
    for (size_t i = 0; i < n; i++) {
        status st = replica_new(o->m, rows, o->options.max_time, true, &o->replicas[i], err);
        if (st != OK) {
            return st;
        }
    }
    return OK;
}

static status make_carried(objective *o, error *err)
{
    const size_t n = o->options.n_replicas, streams = o->options.max_batch;
    status st = OK;
    if (!dataset_is_stream(o->data) || o->m->n_carry == 0) {
        return OK;
    }
    TRY(carried_init(&o->trained, &o->memory, o->m, streams, err));
    TRY(carried_init(&o->judged, &o->memory, o->m, streams, err));
    o->carry_in = arena_alloc_array(&o->memory, n, sizeof *o->carry_in);
    o->carry_out = arena_alloc_array(&o->memory, n, sizeof *o->carry_out);
    for (size_t i = 0; i < n && o->carry_in && o->carry_out; i++) {
        o->carry_in[i] = arena_alloc_array(&o->memory, o->m->n_carry, sizeof **o->carry_in);
        o->carry_out[i] = arena_alloc_array(&o->memory, o->m->n_carry, sizeof **o->carry_out);
        if (!o->carry_in[i] || !o->carry_out[i]) {
            return fail_nomem(err, "the carried states");
        }
    }
    st = o->carry_in && o->carry_out ? OK : fail_nomem(err, "the carried states");
done:
    return st;
}

status objective_new(model *m, const dataset *d, instance *loss, const void *loss_hyper, team *t,
    const objective_options *options, objective **out, error *err)
{
    status st = OK;
    objective *o = calloc(1, sizeof *o);
    if (!o) {
        return fail_nomem(err, "the objective");
    }
    o->m = m;
    o->data = d;
    o->loss = loss;
    o->loss_ops = loss ? loss->component->ops : NULL;
    o->loss_hyper = loss_hyper;
    o->team = t;
    o->options = *options;
    TRY(plan_stretches(o, err));
    TRY(make_replicas(o, err));
    TRY(make_carried(o, err));
    *out = o;
    o = NULL;
done:
    objective_free(o);
    return st;
}

void objective_free(objective *o)
{
    if (!o) {
        return;
    }
    for (size_t i = 0; o->replicas && i < o->options.n_replicas; i++) {
        replica_free(o->replicas[i]);
    }
    arena_release(&o->memory);
    free(o);
}
