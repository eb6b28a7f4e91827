/* Two runs side by side.
 *
 * A step's gradient comes before the weights that it moves, so it is compared first: what is reported is a cause as early as the host
 * can see one. Counters and seconds are not compared, nor what only one of the two has: two optimizers may have other state and still
 * make the same first step. */
#include "train/lockstep.h"

#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[] = { "gradient/", "weights/", "buffers/", "carried/", "optimizer/",
    "schedule/" };
enum { N_KINDS = 6, I_WEIGHTS = 1 };

static bool is_of(const array *a, size_t kind)
{
    return strncmp(a->name, kinds[kind], strlen(kinds[kind])) == 0;
}

static const array *find(const array *all, size_t n, const char *name, size_t near)
{
    if (near < n && strcmp(all[near].name, name) == 0) {
        return &all[near];
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

/* The bits of a number such that neighbours are neighbours: -0 and 0 are one place. */
static int64_t place_of(const array *a, size_t i)
{
    if (a->dtype == ARRAY_F32) {
        int32_t v;
        memcpy(&v, (const char *)a->data + i * sizeof v, sizeof v);
        return v < 0 ? (int64_t)INT32_MIN - v : v;
    }
    int64_t v;
    memcpy(&v, (const char *)a->data + i * sizeof v, sizeof v);
    return v < 0 ? INT64_MIN - v : v;
}

static uint64_t distance(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

static double number_of(const array *a, size_t i)
{
    if (a->dtype == ARRAY_F32) {
        return (double)((const float *)a->data)[i];
    }
    return ((const double *)a->data)[i];
}

static void describe(const array *a, const array *b, parting *out)
{
    const size_t each = a->bytes / a->n;
    const char *x = a->data, *y = b->data;
    out->found = true;
    snprintf(out->name, sizeof out->name, "%s", a->name);
    out->n = a->n;
    out->n_differ = 0;
    for (size_t i = a->n; i-- > 0;) {
        if (memcmp(x + i * each, y + i * each, each) != 0) {
            out->element = i;
            out->n_differ++;
        }
    }
    out->is_double = a->dtype == ARRAY_F64;
    if (a->dtype == ARRAY_F32 || a->dtype == ARRAY_F64) {
        out->a = number_of(a, out->element);
        out->b = number_of(b, out->element);
        out->ulps = distance(place_of(a, out->element), place_of(b, out->element));
    }
}

static void take(const array *a, const array *b, parting *out)
{
    out->n_arrays++;
    if (a->n == 0 || memcmp(a->data, b->data, a->bytes) == 0) {
        return;
    }
    out->n_arrays_differ++;
    if (!out->found) {
        describe(a, b, out);
    } else if (out->n_others < PARTING_OTHERS) {
        snprintf(out->others[out->n_others++], PARTING_NAME, "%s", a->name);
    }
}

static status same_weights(
    const array *a, size_t n_a, const array *b, size_t n_b, char of_b, error *err)
{
    for (size_t i = 0; i < n_a; i++) {
        const array *other = is_of(&a[i], I_WEIGHTS) ? find(b, n_b, a[i].name, i) : &a[i];
        if (!other) {
            return fail(err, E_SHAPE, "the models differ: the %s run has no %s",
                of_b == 'b' ? "second" : "first", a[i].name + strlen(kinds[I_WEIGHTS]));
        }
        if (other->n != a[i].n) {
            return fail(err, E_SHAPE,
                "the models differ: %s has %zu numbers in one run and %zu in the other",
                a[i].name + strlen(kinds[I_WEIGHTS]), a[i].n, other->n);
        }
    }
    return OK;
}

status states_compare(
    const array *a, size_t n_a, const array *b, size_t n_b, parting *out, error *err)
{
    *out = (parting){ 0 };
    status st = same_weights(a, n_a, b, n_b, 'b', err);
    if (st == OK) {
        st = same_weights(b, n_b, a, n_a, 'a', err);
    }
    for (size_t kind = 0; st == OK && kind < N_KINDS; kind++) {
        for (size_t i = 0; i < n_a; i++) {
            const array *other = is_of(&a[i], kind) ? find(b, n_b, a[i].name, i) : NULL;
            if (other && other->dtype == a[i].dtype && other->bytes == a[i].bytes) {
                take(&a[i], other, out);
            }
        }
    }
    return st;
}

static status compare_trainers(trainer *a, trainer *b, parting *out, error *err)
{
    status st = OK;
    arena memory = { 0 };
    const array *x, *y;
    size_t n, m;
    TRY(trainer_state(a, &memory, &x, &n, err));
    TRY(trainer_state(b, &memory, &y, &m, err));
    TRY(states_compare(x, n, y, m, out, err));
    out->step = a->at.step;
done:
    arena_release(&memory);
    return st;
}

/* Whether a run is what its checkpoint of this step says, where there is one. */
static status compare_with_own(const lockstep_run *r, parting *out, error *err)
{
    status st = OK;
    arena memory = { 0 };
    safetensors *f = NULL;
    const array *x, *y;
    size_t n, m;
    *out = (parting){ 0 };
    if (r->checkpoints) {
        TRY(checkpoint_open(r->checkpoints, r->trainer->at.step, &f, err));
    }
    if (f) {
        TRY(trainer_state(r->trainer, &memory, &x, &n, err));
        TRY(checkpoint_state(f, &memory, &y, &m, err));
        TRY(states_compare(x, n, y, m, out, err));
        out->step = r->trainer->at.step;
    }
done:
    safetensors_close(f);
    arena_release(&memory);
    return st == E_CORRUPT || st == E_PARSE ? OK : st;
}

status lockstep_walk(const lockstep_run *a, const lockstep_run *b, uint64_t limit,
    lockstep_end *out_end, parting *out, error *err)
{
    status st = OK;
    const run_state *at_a = &a->trainer->at, *at_b = &b->trainer->at;
    *out_end = LOCKSTEP_ENDED;
    for (;;) {
        TRY(compare_with_own(a, out, err));
        if (out->found) {
            *out_end = LOCKSTEP_NOT_A;
            break;
        }
        TRY(compare_with_own(b, out, err));
        if (out->found) {
            *out_end = LOCKSTEP_NOT_B;
            break;
        }
        TRY(compare_trainers(a->trainer, b->trainer, out, err));
        if (out->found) {
            *out_end = LOCKSTEP_PARTED;
            break;
        }
        if (at_a->step >= limit || at_a->stop != STOP_NONE || at_b->stop != STOP_NONE) {
            break;
        }
        const uint64_t next = at_a->step + 1;
        TRY(trainer_run_to(a->trainer, next, err));
        TRY(trainer_run_to(b->trainer, next, err));
        if (at_a->step != at_b->step) {
            break; /* one diverged or had come to its end */
        }
        if (at_a->step != next) {
            break;
        }
    }
done:
    return st;
}

static status compare_step(
    const char *dir_a, const char *dir_b, uint64_t step, bool *out_both, parting *out, error *err)
{
    status st = OK;
    arena memory = { 0 };
    safetensors *f = NULL, *g = NULL;
    const array *x, *y;
    size_t n, m;
    *out = (parting){ 0 };
    TRY(checkpoint_open(dir_a, step, &f, err));
    TRY(checkpoint_open(dir_b, step, &g, err));
    *out_both = f && g;
    if (*out_both) {
        TRY(checkpoint_state(f, &memory, &x, &n, err));
        TRY(checkpoint_state(g, &memory, &y, &m, err));
        TRY(states_compare(x, n, y, m, out, err));
        out->step = step;
    }
done:
    safetensors_close(f);
    safetensors_close(g);
    arena_release(&memory);
    return st;
}

status checkpoints_compare(const char *dir_a, const char *dir_b, size_t *out_n, uint64_t *out_same,
    parting *out, error *err)
{
    status st = OK;
    arena memory = { 0 };
    uint64_t *steps = NULL;
    size_t n = 0;
    *out_n = 0;
    *out_same = 0;
    *out = (parting){ 0 };
    TRY(checkpoint_steps(dir_a, &memory, &steps, &n, err));
    while (n-- > 0 && !out->found) {
        bool both;
        TRY(compare_step(dir_a, dir_b, steps[n], &both, out, err));
        *out_n += both;
        *out_same = both && !out->found ? steps[n] : *out_same;
    }
done:
    arena_release(&memory);
    return st;
}
