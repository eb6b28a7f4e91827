/* A replica for one sample of one step, and the carried states twice: what a step reads and what it leaves. */
#include "model/stepper.h"

#include "model/internal.h"
#include "model/replica.h"

#include <stdlib.h>

struct stepper {
    arena memory;
    replica *replica;
    float **now, **next; /* [m->n_carry] of [floats] */
    bool has_begun;
};

static status lay_out_states(stepper *s, const model *m, error *err)
{
    s->now = arena_alloc_array(&s->memory, m->n_carry, sizeof *s->now);
    s->next = arena_alloc_array(&s->memory, m->n_carry, sizeof *s->next);
    bool ok = s->now && s->next;
    for (size_t i = 0; ok && i < m->n_layers; i++) {
        const layer *l = &m->layers[i];
        for (size_t k = 0; ok && k < l->n_carry; k++) {
            float **now = &s->now[l->first_carry + k], **next = &s->next[l->first_carry + k];
            *now = arena_alloc_array(&s->memory, l->carry[k], sizeof **now);
            *next = arena_alloc_array(&s->memory, l->carry[k], sizeof **next);
            ok = *now && *next;
        }
    }
    return ok ? OK : fail_nomem(err, "carried states");
}

/* What a layer makes of a whole sequence cannot be had from its steps, one after the other. */
static status check_layers(const model *m, error *err)
{
    for (size_t i = 0; i < m->n_layers; i++) {
        const layer *l = &m->layers[i];
        if (l->looks_ahead) {
            return layer_fail(m, l, E_UNSUPPORTED, err,
                "what it puts out at a time step depends on later ones, so the model cannot run "
                "step by step");
        }
        if (l->looks_back) {
            return layer_fail(m, l, E_UNSUPPORTED, err,
                "what it puts out at a time step depends on earlier ones, but it carries nothing "
                "from "
                "step to step, so the model cannot run step by step");
        }
    }
    return OK;
}

status stepper_new(model *m, stepper **out, error *err)
{
    status st = OK;
    stepper *s = calloc(1, sizeof *s);
    if (!s) {
        return fail_nomem(err, "a stepper");
    }
    TRY(check_layers(m, err));
    TRY(lay_out_states(s, m, err));
    TRY(replica_new(m, 1, 1, false, &s->replica, err));
    *out = s;
    s = NULL;
done:
    stepper_free(s);
    return st;
}

void stepper_free(stepper *s)
{
    if (!s) {
        return;
    }
    replica_free(s->replica);
    arena_release(&s->memory);
    free(s);
}

status stepper_step(
    stepper *s, const float *x, const int32_t *tokens, const float **out_y, error *err)
{
    const shard step = { .n = 1,
        .time = 1,
        .x = x,
        .tokens = tokens,
        .carry_in = s->has_begun ? (const float *const *)s->now : NULL,
        .carry_out = s->next,
        .batch_total = 1 };
    const status st = replica_forward(s->replica, &step, false, err);
    if (st != OK) {
        return st;
    }
    float **const left = s->next;
    s->next = s->now;
    s->now = left;
    s->has_begun = true;
    *out_y = replica_output(s->replica);
    return OK;
}

void stepper_rewind(stepper *s)
{
    s->has_begun = false;
}
