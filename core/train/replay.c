/* Going through a run once more.
 *
 * All that makes a step is a function of the state, the seed and the step's number, so it is enough to put an earlier state back and
 * to let the loop run, checks included: they move early stopping and the schedules that watch a metric. */
#include "train/replay.h"

#include "num/vec.h"
#include "train/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { I_STEP = 0, I_STOP = 7, N_COUNTS = 14 };

static bool is_finite(const array *a)
{
    if (a->dtype == ARRAY_F32) {
        const float *x = a->data;
        return vec_is_finite(x, a->n);
    }
    const double *x = a->data;
    for (size_t i = 0; a->dtype == ARRAY_F64 && i < a->n; i++) {
        if (!isfinite(x[i])) {
            return false;
        }
    }
    return true;
}

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* Whether weights, buffers and optimizer state of the file are finite, wherever they are at the start. */
static status is_sound(trainer *t, const safetensors *f, bool *out, error *err)
{
    arena a = { 0 };
    array *all;
    size_t n;
    status st = trainer_arrays(t, &a, &all, &n, err);
    *out = true;
    for (size_t i = 0; st == OK && i < n; i++) {
        const array *x = safetensors_find(f, all[i].name);
        const bool counts = begins(all[i].name, "weights/") || begins(all[i].name, "buffers/") ||
            begins(all[i].name, "optimizer/");
        if (counts && x && is_finite(&all[i]) && !is_finite(x)) {
            *out = false;
        }
    }
    arena_release(&a);
    return st;
}

/* Restores one checkpoint; *out says whether it was taken. What is damaged is passed over. */
static status try_one(trainer *t, const char *path, bool finite, bool *out, error *err)
{
    safetensors *f = NULL;
    bool sound = true;
    status st = safetensors_open(path, &f, err);
    if (st == OK && finite) {
        st = is_sound(t, f, &sound, err);
    }
    safetensors_close(f);
    *out = false;
    if (st == OK && sound) {
        st = trainer_restore(t, path, err);
        *out = st == OK;
    }
    return st == E_CORRUPT || st == E_PARSE ? OK : st;
}

status trainer_restore_before(
    trainer *t, const char *dir, uint64_t last, bool finite, uint64_t *out_step, error *err)
{
    status st = OK;
    arena a = { 0 };
    bool taken = false;
    uint64_t *steps = NULL;
    size_t n = 0;
    TRY(checkpoint_steps(dir, &a, &steps, &n, err));
    for (size_t i = 0; i < n && !taken; i++) {
        if (steps[i] > last) {
            continue;
        }
        const char *path = checkpoint_path(&a, dir, steps[i]);
        if (!path) {
            TRY(fail_nomem(err, "the checkpoints"));
        }
        TRY(try_one(t, path, finite, &taken, err));
    }
    if (t->at.stop == STOP_DIVERGED) {
        t->at.stop = STOP_NONE;
        text_clear(&t->diverged);
    }
    *out_step = t->at.step;
done:
    arena_release(&a);
    return st;
}

status checkpoint_outcome(const char *dir, uint64_t *out_step, stop_reason *out_stop, error *err)
{
    arena a = { 0 };
    uint64_t *steps = NULL;
    size_t n = 0;
    status st = checkpoint_steps(dir, &a, &steps, &n, err);
    if (st == OK && n == 0) {
        st = fail(err, E_MISSING, "%s: there is no checkpoint", dir);
    }
    bool is_open = st == OK; /* still looking for one that is whole */
    for (size_t i = 0; i < n && is_open; i++) {
        const void *counts;
        safetensors *f = NULL;
        const char *path = checkpoint_path(&a, dir, steps[i]);
        st = path ? safetensors_open(path, &f, err) : fail_nomem(err, "the checkpoints");
        if (st == OK) {
            st = safetensors_get(f, "state/counts", ARRAY_U64, N_COUNTS, &counts, err);
        }
        if (st == OK) {
            *out_step = ((const uint64_t *)counts)[I_STEP];
            *out_stop = (stop_reason)((const uint64_t *)counts)[I_STOP];
        }
        is_open = st == E_CORRUPT || st == E_PARSE;
        safetensors_close(f);
    }
    arena_release(&a);
    return st;
}

status trainer_keep_gradient(trainer *t, error *err)
{
    t->seen_g = arena_alloc_array(&t->memory, t->model->n_flat, sizeof *t->seen_g);
    return t->seen_g ? OK : fail_nomem(err, "the gradient");
}

stop_reason trainer_stopped(const trainer *t, const char **out_diverged)
{
    *out_diverged = t->at.stop == STOP_DIVERGED ? t->diverged.s : NULL;
    return (stop_reason)t->at.stop;
}

static array vector_of(const char *name, const float *data, const tensor *t)
{
    array a = { .name = name, .dtype = ARRAY_F32, .dtype_name = "F32", .n = t->info.size };
    a.n_dims = 2;
    a.dim[0] = t->info.rows;
    a.dim[1] = t->info.cols;
    a.bytes = a.n * sizeof(float);
    a.data = data;
    return a;
}

status trainer_state(trainer *t, arena *a, const array **out, size_t *out_n, error *err)
{
    array *all;
    size_t n;
    status st = trainer_arrays(t, a, &all, &n, err);
    if (st != OK) {
        return st;
    }
    const model *m = t->model;
    array *both = arena_alloc_array(a, n + m->n_tensors, sizeof *both);
    if (!both) {
        return fail_nomem(err, "the run's state");
    }
    *out_n = 0;
    for (size_t i = 0; t->has_seen && i < m->n_tensors; i++) {
        const tensor *w = &m->tensors[i];
        const char *name = arena_printf(a, "gradient/%s", w->info.name);
        if (!name) {
            return fail_nomem(err, "the run's state");
        }
        if (w->trainable) {
            both[(*out_n)++] = vector_of(name, t->seen_g + w->offset, w);
        }
    }
    memcpy(both + *out_n, all, n * sizeof *all);
    *out_n += n;
    *out = both;
    return OK;
}

status checkpoint_state(
    const safetensors *f, arena *a, const array **out, size_t *out_n, error *err)
{
    const size_t n = safetensors_count(f);
    array *all = arena_alloc_array(a, n, sizeof *all);
    if (!all) {
        return fail_nomem(err, "a checkpoint");
    }
    for (size_t i = 0; i < n; i++) {
        all[i] = *safetensors_at(f, i);
    }
    *out = all;
    *out_n = n;
    return OK;
}

status checkpoint_open(const char *dir, uint64_t step, safetensors **out, error *err)
{
    arena a = { 0 };
    const char *path = checkpoint_path(&a, dir, step);
    status st = path ? OK : fail_nomem(err, "a checkpoint");
    *out = NULL;
    if (st == OK && file_exists(path)) {
        st = safetensors_open(path, out, err);
    }
    arena_release(&a);
    return st;
}

const char *trainer_scheduled(const trainer *t, size_t i, double *out)
{
    if (i >= scheduler_count(t->scheduler)) {
        return NULL;
    }
    *out = scheduler_value(t->scheduler, i);
    return scheduler_target(t->scheduler, i);
}
