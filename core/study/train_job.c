/* Training in a worker.
 *
 * The fork server looks for plugins once, by their .assay_info; a worker loads those that its config names, opens the data,
 * plans, lays out all memory, and then gives up files: what follows needs none. */
#include "study/train_job.h"

#include "base/arena.h"
#include "config/config.h"
#include "registry/registry.h"
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Input -- */

status train_job_input(text *out, const char *name, const char *written,
    const char *const *overrides, size_t n_overrides, uint64_t seed, error *err)
{
    char last[40];
    text_add_bytes(out, name, strlen(name) + 1);
    text_add_bytes(out, written, strlen(written) + 1);
    for (size_t i = 0; i < n_overrides; i++)
        text_add_bytes(out, overrides[i], strlen(overrides[i]) + 1);
    snprintf(last, sizeof last, "seed=%llu", (unsigned long long)seed);
    text_add_bytes(out, last, strlen(last) + 1);
    return text_check(out, err);
}

static const char *next_text(const char **at, const char *end)
{
    const char *s = *at, *nul = s < end ? memchr(s, '\0', (size_t)(end - s)) : NULL;
    *at = nul ? nul + 1 : end;
    return nul ? s : NULL;
}

static status read_input(const void *input, size_t n, config **out, error *err)
{
    const char *at = input, *const end = at + n;
    const char *name = next_text(&at, end), *written = next_text(&at, end);
    if (!name || !written) return fail(err, E_INTERNAL, "the input of a run has no config");
    status st = config_parse_as(name, written, out, err);
    for (const char *o; st == OK && (o = next_text(&at, end)) != NULL;)
        st = config_override(*out, o, err);
    return st;
}

/* -- Result -- */

static size_t up_to_64(size_t n)
{
    return (n + 63) / 64 * 64;
}

status train_layout_of(
    uint64_t n_w, uint64_t n_b, uint64_t most_rows, train_layout *out, error *err)
{
    const uint64_t most = UINT64_C(1) << 40;
    if (n_w > most || n_b > most || most_rows > most) {
        return fail(err, E_RANGE, "a result of %llu weights, %llu buffers and %llu rows",
            (unsigned long long)n_w, (unsigned long long)n_b, (unsigned long long)most_rows);
    }
    train_layout l = { .floats_at = up_to_64(sizeof(train_head)),
        .n_floats = (size_t)(2 * (n_w + n_b)),
        .most_rows = (size_t)most_rows };
    l.last_w = l.floats_at;
    l.last_b = l.last_w + (size_t)n_w * sizeof(float);
    l.best_w = l.last_b + (size_t)n_b * sizeof(float);
    l.best_b = l.best_w + (size_t)n_w * sizeof(float);
    l.rows_at = up_to_64(l.floats_at + l.n_floats * sizeof(float));
    l.bytes = l.rows_at + l.most_rows * sizeof(train_row);
    *out = l;
    return OK;
}

static bool ends(const char *s, size_t n)
{
    return memchr(s, '\0', n) != NULL;
}

status train_result_read(const void *result, size_t n, const train_layout *l, train_head *out_head,
    const train_row **out_rows, error *err)
{
    train_head h;
    const unsigned char *at = result;
    if (n < l->bytes)
        return fail(err, E_CORRUPT, "a run's result has %zu bytes of %zu", n, l->bytes);
    memcpy(&h, at, sizeof h);
    const train_row *rows = (const void *)(at + l->rows_at);
    if (2 * (h.n_w + h.n_b) != l->n_floats || h.n_rows > l->most_rows || h.stop < STOP_EPOCHS ||
        h.stop > STOP_INTERRUPTED || h.has_best > 1) {
        return fail(err, E_CORRUPT, "the head of a run's result contradicts its layout");
    }
    for (size_t i = 0; i < h.n_rows; i++) {
        if (ends(rows[i].name, sizeof rows[i].name) && ends(rows[i].split, sizeof rows[i].split) &&
            rows[i].kind <= RECORD_PROBE) {
            continue;
        }
        return fail(err, E_CORRUPT, "row %zu of a run's result is none", i);
    }
    *out_head = h;
    *out_rows = rows;
    return OK;
}

/* -- Training -- */

typedef struct train_job {
    worker_io *io;
    registry *own; /* at level none; in a worker the inherited one serves */
    registry *registry;
    config *config;
    trainer *trainer;
    unsigned char *result;
    train_layout layout;
    train_head head;
    worker_phase phase;
} train_job;

static bool is_kept(record_kind k)
{
    return k == RECORD_STEP || k == RECORD_EVALUATION || k == RECORD_EPOCH || k == RECORD_END;
}

static void emit(void *self, const record *r)
{
    train_job *j = self;
    train_row *rows = (void *)(j->result + j->layout.rows_at);
    if (!j->result || !is_kept(r->kind)) return;
    for (size_t i = 0; i < r->n_values; i++) {
        if (j->head.n_rows == j->layout.most_rows) {
            j->head.n_dropped++;
            continue;
        }
        train_row *row = &rows[j->head.n_rows++];
        *row = (train_row){ .step = r->step,
            .value = r->values[i].value,
            .kind = r->kind,
            .is_final = r->is_final != 0 };
        snprintf(row->name, sizeof row->name, "%s", r->values[i].name);
        snprintf(row->split, sizeof row->split, "%s", r->split ? r->split : "");
    }
}

static void begin_plan(void *self)
{
    const train_job *j = self;
    worker_at(j->io, PHASE_PLAN, 0);
}

/* More threads than the sandbox allows cannot be made, and never change a result. */
static status keep_to_threads(train_job *j, error *err)
{
    char assignment[64];
    const value *train = value_find(config_root(j->config), "train");
    const unsigned n = worker_threads(j->io);
    if (n > 1 && value_find(train, "threads")) return OK;
    snprintf(assignment, sizeof assignment, "%strain.threads=%u", train ? "" : "+", n);
    return config_override(j->config, assignment, err);
}

/* Everything that needs files, or code of plugins that is not loaded yet. */
static status open_run(train_job *j, const void *input, size_t n, error *err)
{
    const registry_options o = { .program_path = "/proc/self/exe" };
    status st = OK;
    worker_at(j->io, PHASE_LOAD, 0);
    if (worker_is_forked(j->io)) {
        j->registry = worker_prepared(j->io);
    } else {
        TRY(registry_new(&o, &j->own, err));
        j->registry = j->own;
    }
    TRY(read_input(input, n, &j->config, err));
    TRY(keep_to_threads(j, err));
    const trainer_options t = {
        .sink = { emit, j }, .step_at = worker_step(j->io), .on_plan = begin_plan
    };
    TRY(trainer_new(j->registry, j->config, &t, &j->trainer, err));
    worker_at(j->io, PHASE_STEP, 0);
    TRY(worker_plugins_loaded(j->io, err));
done:
    return st;
}

static void close_run(train_job *j)
{
    trainer_free(j->trainer);
    config_free(j->config);
    registry_free(j->own);
}

static int refuse(train_job *j, const error *err)
{
    const bool is_load = err->code == E_PLUGIN || err->code == E_ABI;
    const bool is_host = err->code == E_INTERNAL || err->code == E_NOMEM;
    const bool is_early = !j->trainer;
    return worker_refuse(j->io,
        is_host                   ? OUTCOME_HOST_ERROR
            : is_load && is_early ? OUTCOME_LOAD_FAILED
                                  : OUTCOME_PLUGIN_ERROR,
        "%s", err->text);
}

static status lay_out(train_job *j, error *err)
{
    size_t n;
    const model *m = trainer_model(j->trainer);
    train_layout l = { 0 };
    unsigned char *at = worker_result(j->io, &n);
    status st = train_layout_of(m->n_flat, m->n_flat_buffers, 0, &l, err);
    if (st != OK) return st;
    if (n < l.bytes) {
        return fail(err, E_INTERNAL,
            "a result of %zu bytes is too small for this run: %zu are needed", n, l.bytes);
    }
    st = train_layout_of(
        m->n_flat, m->n_flat_buffers, (n - l.bytes) / sizeof(train_row), &j->layout, err);
    j->result = at;
    return st;
}

static status keep_weights(train_job *j, error *err)
{
    status st = OK;
    unsigned char *at = j->result;
    const train_layout *l = &j->layout;
    const bool best = trainer_has_best(j->trainer);
    TRY(trainer_copy_weights(j->trainer, false, (float *)(void *)(at + l->last_w),
        (float *)(void *)(at + l->last_b), err));
    TRY(trainer_copy_weights(j->trainer, best, (float *)(void *)(at + l->best_w),
        (float *)(void *)(at + l->best_b), err));
done:
    return st;
}

static void keep_head(train_job *j, const run_result *r)
{
    const model *m = trainer_model(j->trainer);
    train_head *h = &j->head;
    h->n_w = m->n_flat;
    h->n_b = m->n_flat_buffers;
    h->step = r->step;
    h->epoch = r->epoch;
    h->best_step = r->best_step;
    h->best_value = r->best_value;
    h->stop = r->stop;
    h->has_best = trainer_has_best(j->trainer);
    h->spent = r->spent;
    memcpy(j->result, h, sizeof *h);
}

static int train(const void *input, size_t n, worker_io *io)
{
    error err;
    run_result r = { .stop = STOP_NONE };
    train_job j = { .io = io };
    int code = 0;
    status st = open_run(&j, input, n, &err);
    if (st == OK) st = lay_out(&j, &err);
    if (st == OK) st = trainer_run(j.trainer, &r, &err);
    if (st == OK && r.stop == STOP_DIVERGED) {
        code = worker_refuse(io, OUTCOME_NONFINITE, "%s", r.diverged);
        close_run(&j);
        return code;
    }
    if (st == OK) st = keep_weights(&j, &err);
    if (st == OK) {
        keep_head(&j, &r);
    } else {
        code = refuse(&j, &err);
    }
    close_run(&j);
    return code;
}

static void fill_plan(train_job *j, train_plan *p)
{
    const model *m = trainer_model(j->trainer);
    const dataset *d = trainer_data(j->trainer);
    *p = (train_plan){ .n_w = m->n_flat,
        .n_b = m->n_flat_buffers,
        .n_params = m->n_params,
        .total_steps = trainer_total_steps(j->trainer),
        .steps_per_epoch = trainer_steps_per_epoch(j->trainer) };
    for (int i = 0; i < N_PARTS; i++) {
        p->n_rows[i] = dataset_size(d, (part)i);
        snprintf(p->split_hash[i], sizeof p->split_hash[i], "%s", dataset_split_hash(d, (part)i));
    }
}

static int plan(const void *input, size_t n, worker_io *io)
{
    error err;
    size_t room;
    train_job j = { .io = io };
    int code = 0;
    void *out = worker_result(io, &room);
    status st = open_run(&j, input, n, &err);
    if (st == OK && room < sizeof(train_plan)) {
        st = fail(&err, E_INTERNAL, "a plan's result has %zu bytes, where %zu are needed", room,
            sizeof(train_plan));
    }
    if (st == OK) {
        fill_plan(&j, out);
    } else {
        code = refuse(&j, &err);
    }
    close_run(&j);
    return code;
}

/* -- In the fork server -- */

/* Folders in which plugins lie; a folder of files comes once. */
static status allow_plugins(server_setup *s, const registry *r, error *err)
{
    char before[4096] = "";
    for (size_t i = 0; i < registry_count(r); i++) {
        char folder[4096];
        const char *path = registry_file(r, i)->path, *slash = strrchr(path, '/');
        const size_t n = slash ? (size_t)(slash - path) : 0;
        if (n == 0 || n >= sizeof folder) continue;
        memcpy(folder, path, n);
        folder[n] = '\0';
        if (strcmp(folder, before) == 0) continue;
        memcpy(before, folder, n + 1);
        const status st = server_allow_read(s, folder, err);
        if (st != OK) return st;
    }
    return OK;
}

static status find_plugins(server_setup *s, void **out, error *err)
{
    const registry_options o = { .program_path = "/proc/self/exe" };
    registry *r = NULL;
    status st = registry_new(&o, &r, err);
    if (st == OK) st = allow_plugins(s, r, err);
    if (st != OK) {
        registry_free(r);
        return st;
    }
    *out = r;
    return OK;
}

static void forget_plugins(void *prepared)
{
    registry_free(prepared);
}

const procedure plan_procedure = { "plan", plan, find_plugins, forget_plugins };
const procedure train_procedure = { "train", train, find_plugins, forget_plugins };
