/* Carried states, four of each: where an update began, where a pass begins, what it leaves, what the update will leave. A
 * closure runs the batches of an update again, so the state that it began with is kept until the update is done. */
#include "train/carried.h"

#include <string.h>

static bool lay_out(carried *c, arena *a)
{
    float ***const all[] = { &c->start, &c->now, &c->next, &c->held };
    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        float **states = arena_alloc_array(a, c->n, sizeof *states);
        if (!states) {
            return false;
        }
        *all[k] = states;
        for (size_t i = 0; i < c->n; i++) {
            size_t n;
            if (!size_product(c->streams, c->floats[i], &n)) {
                return false;
            }
            states[i] = arena_alloc_array(a, n, sizeof **states);
            if (!states[i]) {
                return false;
            }
        }
    }
    return true;
}

status carried_init(carried *c, arena *a, const model *m, size_t streams, error *err)
{
    *c = (carried){ .n = m->n_carry, .streams = streams };
    c->floats = arena_alloc_array(a, c->n, sizeof *c->floats);
    c->name = arena_alloc_array(a, c->n, sizeof *c->name);
    if (!c->floats || !c->name) {
        return fail_nomem(err, "the carried states");
    }
    for (size_t i = 0; i < m->n_layers; i++) {
        const layer *l = &m->layers[i];
        for (size_t k = 0; k < l->n_carry; k++) {
            c->floats[l->first_carry + k] = l->carry[k];
            c->name[l->first_carry + k] = arena_printf(a, "%s.%s", l->name, l->carry_name[k]);
            if (!c->name[l->first_carry + k]) {
                return fail_nomem(err, "the carried states");
            }
        }
    }
    return lay_out(c, a) ? OK : fail_nomem(err, "the carried states");
}

static void copy(const carried *c, float **to, float **from)
{
    for (size_t i = 0; i < c->n; i++) {
        memcpy(to[i], from[i], c->streams * c->floats[i] * sizeof(float));
    }
}

static void swap(float ***a, float ***b)
{
    float **const kept = *a;
    *a = *b;
    *b = kept;
}

void carried_rewind(carried *c)
{
    copy(c, c->now, c->start);
}

void carried_turn(carried *c)
{
    swap(&c->now, &c->next);
}

void carried_hold(carried *c)
{
    copy(c, c->held, c->now);
}

void carried_advance(carried *c)
{
    swap(&c->start, &c->held);
}
