/* Checkpoints: a safetensors file with everything that a run is made of, by name.
 *
 *   weights/<tensor>  best/<tensor>  buffers/<buffer>  best_buffers/<buffer>  optimizer/<group>/<tensor>/<slot>
 *   carried/<layer>.<state>  schedule/<i>  early_stop/curve  early_stop/training  early_stop/state  state/counts  state/sums
 *
 * Written under a temporary name, synced, renamed; or into memory, the same bytes. The note "fingerprint" has a hash for each config
 * block that state depends on: a checkpoint of another model, data set or optimizer is refused by name, not by a crash. */
#include "base/clock.h"
#include "base/file.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_COUNTS = 14, N_SUMS = 10, N_EARLY = 4 };

static void pack(
    const trainer *t, uint64_t counts[N_COUNTS], double sums[N_SUMS], uint64_t early[N_EARLY])
{
    const run_state *s = &t->at;
    const budget *b = &s->spent;
    const uint64_t c[N_COUNTS] = { s->step, s->epoch, s->i_batch, s->n_checks, s->best_step,
        s->has_best, s->last_checked, s->stop, b->steps, b->samples_forward, b->samples_backward,
        b->closure_evaluations, b->samples_evaluated, t->n_batches };
    const double d[N_SUMS] = { s->epoch_loss, s->epoch_weight, s->interval_loss, s->interval_weight,
        s->judged_loss, s->judged_weight, s->monitored, b->cpu_s, b->wall_s, b->optimizer_s };
    const uint64_t e[N_EARLY] = { t->early.best, t->early.since_best, t->early.rising,
        t->early.calls };
    memcpy(counts, c, sizeof c);
    memcpy(sums, d, sizeof d);
    memcpy(early, e, sizeof e);
}

static void unpack(trainer *t, const uint64_t *c, const double *d, const uint64_t *e)
{
    t->at = (run_state){ .step = c[0],
        .epoch = c[1],
        .i_batch = c[2],
        .n_checks = c[3],
        .best_step = c[4],
        .has_best = c[5],
        .last_checked = c[6],
        .stop = c[7],
        .spent = { .steps = c[8],
            .samples_forward = c[9],
            .samples_backward = c[10],
            .closure_evaluations = c[11],
            .samples_evaluated = c[12],
            .cpu_s = d[7],
            .wall_s = d[8],
            .optimizer_s = d[9] },
        .epoch_loss = d[0],
        .epoch_weight = d[1],
        .interval_loss = d[2],
        .interval_weight = d[3],
        .judged_loss = d[4],
        .judged_weight = d[5],
        .monitored = d[6] };
    t->early.best = (size_t)e[0];
    t->early.since_best = (size_t)e[1];
    t->early.rising = (size_t)e[2];
    t->early.calls = (size_t)e[3];
}

static array vector_of(const char *name, array_dtype dtype, const void *data, size_t n)
{
    const bool is_float = dtype == ARRAY_F32;
    return (array){ .name = name,
        .dtype = dtype,
        .dtype_name = is_float   ? "F32"
            : dtype == ARRAY_F64 ? "F64"
                                 : "U64",
        .n_dims = 1,
        .dim = { n },
        .n = n,
        .bytes = n * (is_float ? 4 : 8),
        .data = data };
}

/* Model arrays: "weights/..." and, where there is a best point, "best/...". */
static status model_arrays(const trainer *t, arena *a, array *out, size_t *n, error *err)
{
    const model *m = t->model;
    for (int best = 0; best <= (t->at.has_best ? 1 : 0); best++) {
        const float *w = best ? t->best_w : m->w, *b = best ? t->best_b : m->b;
        for (size_t i = 0; i < m->n_tensors + m->n_buffers; i++) {
            const bool is_tensor = i < m->n_tensors;
            const char *prefix =
                is_tensor ? (best ? "best" : "weights") : (best ? "best_buffers" : "buffers");
            const buffer *buf = is_tensor ? NULL : &m->buffers[i - m->n_tensors];
            const char *own = is_tensor ? m->tensors[i].info.name : buf->name;
            const char *name = arena_printf(a, "%s/%s", prefix, own);
            if (!name) {
                return fail_nomem(err, "a checkpoint");
            }
            out[(*n)++] = is_tensor
                ? vector_of(name, ARRAY_F32, w + m->tensors[i].offset, m->tensors[i].info.size)
                : vector_of(name, ARRAY_F32, b + buf->offset, buf->n);
        }
    }
    return OK;
}

/* What streams carry into the next update. */
static status carried_arrays(const trainer *t, arena *a, array *out, size_t *n, error *err)
{
    const carried *c = objective_carried(t->objective);
    for (size_t i = 0; i < c->n; i++) {
        const char *name = arena_printf(a, "carried/%s", c->name[i]);
        if (!name) {
            return fail_nomem(err, "a checkpoint");
        }
        out[(*n)++] = vector_of(name, ARRAY_F32, c->start[i], c->streams * c->floats[i]);
    }
    return OK;
}

status trainer_arrays(trainer *t, arena *a, array **out, size_t *out_n, error *err)
{
    status st = OK;
    const model *m = t->model;
    const size_t capacity = 2 * (m->n_tensors + m->n_buffers) + optimizer_n_arrays(t->optimizer) +
        scheduler_n_arrays(t->scheduler) + objective_carried(t->objective)->n + 5;
    array *arrays = arena_alloc_array(a, capacity, sizeof *arrays);
    uint64_t *counts = arena_alloc_array(a, N_COUNTS, sizeof *counts);
    uint64_t *early = arena_alloc_array(a, N_EARLY, sizeof *early);
    double *sums = arena_alloc_array(a, N_SUMS, sizeof *sums);
    size_t n = 0;
    *out_n = 0;
    if (!arrays || !counts || !early || !sums) {
        TRY(fail_nomem(err, "a checkpoint"));
    }
    pack(t, counts, sums, early);
    TRY(model_arrays(t, a, arrays, &n, err));
    TRY(optimizer_arrays(t->optimizer, a, arrays + n, err));
    n += optimizer_n_arrays(t->optimizer);
    TRY(scheduler_arrays(t->scheduler, a, arrays + n, err));
    n += scheduler_n_arrays(t->scheduler);
    TRY(carried_arrays(t, a, arrays, &n, err));
    arrays[n++] = vector_of("early_stop/curve", ARRAY_F64, t->early.curve, t->early.n);
    arrays[n++] = vector_of("early_stop/training", ARRAY_F64, t->early.training, t->early.n);
    arrays[n++] = vector_of("early_stop/state", ARRAY_U64, early, N_EARLY);
    arrays[n++] = vector_of("state/counts", ARRAY_U64, counts, N_COUNTS);
    arrays[n++] = vector_of("state/sums", ARRAY_F64, sums, N_SUMS);
    for (size_t i = 0; i < n; i++) { /* slots that do not exist left their places empty */
        if (arrays[i].name) {
            arrays[(*out_n)++] = arrays[i];
        }
    }
    *out = arrays;
done:
    return st;
}

/* To a file, or into memory where there is no path. */
static status write_arrays(
    trainer *t, const char *path, void *to, size_t room, size_t *out_n, error *err)
{
    status st = OK;
    arena a = { 0 };
    array *arrays;
    size_t n;
    TRY(trainer_arrays(t, &a, &arrays, &n, err));
    const array_note notes[] = { { "assay.fingerprint", t->fingerprint },
        { "assay.diverged", t->diverged.s ? t->diverged.s : "" }, { "assay.name", t->name } };
    if (path) {
        TRY(safetensors_write(path, arrays, n, notes, 3, err));
    } else {
        TRY(safetensors_write_bytes(to, room, arrays, n, notes, 3, out_n, err));
    }
done:
    arena_release(&a);
    return st;
}

status trainer_save(trainer *t, const char *path, error *err)
{
    return write_arrays(t, path, NULL, 0, NULL, err);
}

status trainer_save_bytes(trainer *t, void *to, size_t room, size_t *out_n, error *err)
{
    trainer_count_time(t);
    return write_arrays(t, NULL, to, room, out_n, err);
}

/* Checks that a run makes at most; early stopping keeps two numbers of each. */
static uint64_t most_checks(const trainer *t)
{
    const uint64_t every = (uint64_t)t->settings.train.validate_every;
    const uint64_t steps =
        t->settings.train.validate_unit == UNIT_STEP ? every : every * t->steps_per_epoch;
    return t->total_steps / (steps ? steps : 1) + 2;
}

/* The state as it stands, with best weights and a full curve; numbers in the header may get longer. */
status trainer_save_most(trainer *t, size_t *out_n, error *err)
{
    enum { LONGER = 64 };
    const uint64_t has_best = t->at.has_best, n_checks = most_checks(t);
    size_t n = 0, curve = 0, header = 0;
    t->at.has_best = 1;
    const status st = write_arrays(t, NULL, NULL, 0, &n, err);
    t->at.has_best = has_best;
    if (st != OK) {
        return st;
    }
    const size_t n_arrays = 2 * (t->model->n_tensors + t->model->n_buffers) +
        optimizer_n_arrays(t->optimizer) + scheduler_n_arrays(t->scheduler) +
        objective_carried(t->objective)->n + 5;
    if (n_checks > SIZE_MAX || !size_product((size_t)n_checks, 2 * sizeof(double), &curve) ||
        !size_product(n_arrays, LONGER, &header) || !size_sum(n, curve, &n) ||
        !size_sum(n, header, &n)) {
        return fail(err, E_RANGE, "a checkpoint of so many checks is more than memory can hold");
    }
    *out_n = n;
    return OK;
}

/* With `to` NULL it only sees whether the array is there. */
static status read_floats(
    const safetensors *f, const char *prefix, const char *own, float *to, size_t n, error *err)
{
    char name[512];
    const void *from;
    snprintf(name, sizeof name, "%s/%s", prefix, own);
    status st = safetensors_get(f, name, ARRAY_F32, n, &from, err);
    if (st == OK && to) {
        memcpy(to, from, n * sizeof(float));
    }
    return st;
}

static status restore_model(trainer *t, const safetensors *f, bool best, bool check, error *err)
{
    const model *m = t->model;
    float *w = best ? t->best_w : m->w, *b = best ? t->best_b : m->b;
    status st = OK;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const tensor *x = &m->tensors[i];
        TRY(read_floats(f, best ? "best" : "weights", x->info.name, check ? NULL : w + x->offset,
            x->info.size, err));
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        const buffer *x = &m->buffers[i];
        TRY(read_floats(f, best ? "best_buffers" : "buffers", x->name, check ? NULL : b + x->offset,
            x->n, err));
    }
done:
    return st;
}

static status restore_carried(trainer *t, const safetensors *f, bool check, error *err)
{
    const carried *c = objective_carried(t->objective);
    status st = OK;
    for (size_t i = 0; i < c->n; i++) {
        TRY(read_floats(
            f, "carried", c->name[i], check ? NULL : c->start[i], c->streams * c->floats[i], err));
    }
done:
    return st;
}

/* Checks that what the file has is of this run's shape: after this, only a plugin's `load` or memory can fail. */
static status check_arrays(trainer *t, const safetensors *f, bool has_best, error *err)
{
    status st = OK;
    const void *training;
    const array *curve = safetensors_find(f, "early_stop/curve");
    if (!curve || curve->dtype != ARRAY_F64) {
        return fail(err, E_MISSING, "the checkpoint lacks early_stop/curve");
    }
    TRY(safetensors_get(f, "early_stop/training", ARRAY_F64, curve->n, &training, err));
    TRY(restore_model(t, f, false, true, err));
    if (has_best) {
        TRY(restore_model(t, f, true, true, err));
    }
    TRY(restore_carried(t, f, true, err));
    TRY(scheduler_restore(t->scheduler, f, true, err));
    TRY(optimizer_restore(t->optimizer, f, true, err));
done:
    return st;
}

static status restore_curve(trainer *t, const safetensors *f, error *err)
{
    const array *curve = safetensors_find(f, "early_stop/curve");
    const array *training = safetensors_find(f, "early_stop/training");
    double *c = malloc((curve->n + 1) * sizeof *c), *tr = malloc((curve->n + 1) * sizeof *tr);
    if (!c || !tr) {
        free(c);
        free(tr);
        return fail_nomem(err, "the early-stopping curve");
    }
    if (curve->n) {
        memcpy(c, curve->data, curve->n * sizeof *c);
        memcpy(tr, training->data, curve->n * sizeof *tr);
    }
    free(t->early.curve);
    free(t->early.training);
    t->early.curve = c;
    t->early.training = tr;
    t->early.n = curve->n;
    t->early.capacity = curve->n + 1;
    return OK;
}

static status check_counts(
    const trainer *t, const uint64_t *counts, const uint64_t *early, size_t n_curve, error *err)
{
    if (counts[13] != t->n_batches) {
        return fail(err, E_CONFLICT,
            "it was made with %llu batches per epoch, this run has %llu: the data or the batch "
            "size differ",
            (unsigned long long)counts[13], (unsigned long long)t->n_batches);
    }
    if (counts[2] >= t->n_batches || counts[7] > STOP_INTERRUPTED ||
        (early[0] != (uint64_t)EARLY_STOP_NONE && early[0] >= n_curve)) {
        return fail(err, E_CORRUPT, "its counters contradict each other");
    }
    return OK;
}

/* A run that was cut short goes on; one that came to its end by itself stays ended. */
static void reopen(trainer *t)
{
    if (t->at.stop == STOP_EPOCHS || t->at.stop == STOP_TIME || t->at.stop == STOP_INTERRUPTED) {
        t->at.stop = STOP_NONE;
    }
    t->start_wall_s = t->last_checkpoint_s = clock_wall_s();
    t->start_cpu_s = clock_cpu_s();
}

static status restore_from(trainer *t, const safetensors *f, error *err)
{
    status st = OK;
    const void *counts, *sums, *early;
    const char *fingerprint = safetensors_metadata(f, "assay.fingerprint");
    const char *diverged = safetensors_metadata(f, "assay.diverged");
    TRY(fingerprint_check(t->fingerprint, fingerprint, err));
    TRY(safetensors_get(f, "state/counts", ARRAY_U64, N_COUNTS, &counts, err));
    TRY(safetensors_get(f, "state/sums", ARRAY_F64, N_SUMS, &sums, err));
    TRY(safetensors_get(f, "early_stop/state", ARRAY_U64, N_EARLY, &early, err));
    const uint64_t has_best = ((const uint64_t *)counts)[5];
    TRY(check_arrays(t, f, has_best, err));
    TRY(check_counts(t, counts, early, safetensors_find(f, "early_stop/curve")->n, err));
    TRY(restore_curve(t, f, err));
    TRY(restore_carried(t, f, false, err));
    TRY(optimizer_restore(t->optimizer, f, false, err));
    TRY(scheduler_restore(t->scheduler, f, false, err));
    TRY(restore_model(t, f, false, false, err));
    if (has_best) {
        TRY(restore_model(t, f, true, false, err));
    }
    unpack(t, counts, sums, early);
    TRY(model_prepare(t->model, true, err));
    text_clear(&t->diverged);
    text_add(&t->diverged, diverged ? diverged : "");
    reopen(t);
done:
    return st;
}

status trainer_restore(trainer *t, const char *path, error *err)
{
    safetensors *f = NULL;
    status st = safetensors_open(path, &f, err);
    if (st != OK) {
        return st;
    }
    st = restore_from(t, f, err);
    safetensors_close(f);
    return st == OK ? OK : error_where(err, "%s", path);
}

status trainer_restore_bytes(trainer *t, const void *bytes, size_t n, error *err)
{
    safetensors *f = NULL;
    status st = safetensors_open_bytes("the checkpoint", bytes, n, &f, err);
    if (st != OK) {
        return st;
    }
    st = restore_from(t, f, err);
    safetensors_close(f);
    return st == OK ? OK : error_where(err, "the checkpoint");
}
