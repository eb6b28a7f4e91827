/* A run's folder: made without ever overwriting another, told what the run is made of, and given the weights at the end. */
#include "train/run_folder.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "num/gemm.h"
#include "train/events.h"
#include "train/run_input.h"
#include "train/run_records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

struct run_folder {
    arena memory;
    const char *path, *checkpoints;
    run_records records;
    events events;
};

static char *in_folder(run_folder *f, const char *name)
{
    return path_join(&f->memory, f->path, name);
}

static status make_folder(run_folder *f, const char *path, error *err)
{
    status st = OK;
    f->path = path_absolute(&f->memory, path);
    if (!f->path) {
        TRY(fail_nomem(err, "the run folder"));
    }
    f->records.dir = f->path;
    f->checkpoints = in_folder(f, "checkpoints");
    if (!f->checkpoints) {
        TRY(fail_nomem(err, "the run folder"));
    }
    TRY(file_make_dirs(f->checkpoints, err));
done:
    return st;
}

/* parent/<name>-<k>: mkdir itself decides who gets a number, so runs started together do not collide. */
static status free_name(
    run_folder *f, const char *parent, const char *name, const char **out, error *err)
{
    status st = file_make_dirs(parent, err);
    for (unsigned k = 1; st == OK; k++) {
        char *path = arena_printf(&f->memory, "%s/%s-%u", parent, name, k);
        if (!path) {
            return fail_nomem(err, "the run folder");
        }
        if (mkdir(path, 0777) == 0) {
            *out = path;
            return OK;
        }
        if (errno != EEXIST) {
            return fail_errno(err, errno, path, "making the run folder");
        }
    }
    return st;
}

static bool holds_run(const char *path, arena *a)
{
    const char *inside = path_join(a, path, "config.cfg");
    return inside && file_exists(inside);
}

status run_folder_create(
    const char *parent, const char *name, const char *exactly, run_folder **out, error *err)
{
    status st = OK;
    run_folder *f = calloc(1, sizeof *f);
    if (!f) {
        return fail_nomem(err, "the run folder");
    }
    const char *path = exactly;
    if (exactly && holds_run(exactly, &f->memory)) {
        TRY(fail(err, E_CONFLICT,
            "%s: there is a run in this folder already; resume it or choose another", exactly));
    }
    if (!exactly) {
        TRY(free_name(f, parent, name, &path, err));
    }
    TRY(make_folder(f, path, err));
    *out = f;
    f = NULL;
done:
    run_folder_free(f);
    return st;
}

status run_folder_open(const char *path, run_folder **out, error *err)
{
    status st = OK;
    run_folder *f = calloc(1, sizeof *f);
    if (!f) {
        return fail_nomem(err, "the run folder");
    }
    if (!holds_run(path, &f->memory)) {
        TRY(fail(err, E_MISSING, "%s: no run here (there is no config.cfg in it)", path));
    }
    TRY(make_folder(f, path, err));
    *out = f;
    f = NULL;
done:
    run_folder_free(f);
    return st;
}

void run_folder_free(run_folder *f)
{
    if (f) {
        run_records_release(&f->records);
        events_release(&f->events);
        arena_release(&f->memory);
        free(f);
    }
}

const char *run_folder_path(const run_folder *f)
{
    return f->path;
}

const char *run_folder_checkpoints(const run_folder *f)
{
    return f->checkpoints;
}

static void plugin_json(json *j, const plugin_file *p)
{
    json_begin_object(j);
    json_key_string(j, "name", p->name);
    json_key_string(j, "version", p->version);
    json_key_string(j, "file", p->path);
    json_key_string(j, "xxh3_128", p->hash);
    json_end_object(j);
}

static void provenance(json *j, trainer *t, const registry *r)
{
    struct utsname machine;
    char now[24];
    clock_iso(now);
    json_begin_object(j);
    json_key_string(j, "started", now);
    if (uname(&machine) == 0) {
        json_key_string(j, "host", machine.nodename);
        json_key_string(j, "machine", machine.machine);
        json_key_string(j, "system", machine.release);
    }
    json_key_string(j, "blas", num_blas_description());
    json_key_int(j, "abi_major", ASSAY_ABI_MAJOR);
    json_key_int(j, "abi_minor", ASSAY_ABI_MINOR);
    json_key_int(j, "replicas", (int64_t)trainer_n_replicas(t));
    json_key_int(j, "threads", (int64_t)trainer_n_threads(t));
    json_key_int(j, "parameters", (int64_t)trainer_model(t)->n_params);
    json_key(j, "splits");
    json_begin_object(j);
    for (part p = PART_TRAIN; p < N_PARTS; p++) {
        json_key(j, part_name(p));
        json_begin_object(j);
        json_key_int(j, "samples", (int64_t)dataset_size(trainer_data(t), p));
        json_key_string(j, "rows_xxh3_128", dataset_split_hash(trainer_data(t), p));
        json_end_object(j);
    }
    json_end_object(j);
    json_key(j, "plugins");
    json_begin_array(j);
    for (size_t i = 0; i < registry_count(r); i++) {
        if (registry_file(r, i)->is_loaded) {
            plugin_json(j, registry_file(r, i));
        }
    }
    json_end_array(j);
    json_end_object(j);
}

static status write_config(
    run_folder *f, trainer *t, const config *c, const registry *r, error *err)
{
    status st = OK;
    text out;
    json j;
    const char *config_path = in_folder(f, "config.cfg"), *run_path = in_folder(f, "run.json");
    text_init(&out);
    if (!config_path || !run_path) {
        TRY(fail_nomem(err, "the run folder"));
    }
    text_add(
        &out, "# The resolved config of this run: every default filled in, every path absolute.\n");
    TRY(config_to_text(c, &out, err));
    TRY(file_write_atomic(config_path, out.s, out.n, err));
    text_clear(&out);
    json_init(&j, &out);
    provenance(&j, t, r);
    text_add(&out, "\n");
    TRY(text_check(&out, err));
    TRY(file_write_atomic(run_path, out.s, out.n, err));
done:
    text_release(&out);
    return st;
}

static bool wants_events(const config *c)
{
    const value *asked = value_find(value_find(config_root(c), "train"), "tensorboard");
    return asked && asked->kind == VALUE_BOOL && asked->as.boolean;
}

status run_folder_begin(
    run_folder *f, trainer *t, config *c, const registry *r, bool resumed, error *err)
{
    status st = OK;
    TRY(write_config(f, t, c, r, err));
    TRY(run_input_write(f->path, dataset_view(trainer_data(t)), err));
    TRY(run_records_open(&f->records, t, resumed, err));
    if (wants_events(c)) {
        TRY(events_open(&f->events, f->path, t, resumed, err));
    }
done:
    return st;
}

static void emit(void *self, const record *r)
{
    run_folder *f = self;
    run_records_emit(&f->records, r);
    events_emit(&f->events, r);
}

record_sink run_folder_sink(run_folder *f)
{
    return (record_sink){ .emit = emit, .self = f };
}

static status save_weights(run_folder *f, trainer *t, error *err)
{
    status st = OK;
    const char *best = in_folder(f, "best.safetensors"), *last = in_folder(f, "last.safetensors");
    if (!best || !last) {
        TRY(fail_nomem(err, "the run folder"));
    }
    TRY(trainer_save_weights(t, false, last, err));
    if (trainer_has_best(t)) {
        TRY(trainer_save_weights(t, true, best, err));
    }
done:
    return st;
}

status run_folder_end(run_folder *f, trainer *t, error *err)
{
    status st = save_weights(f, t, err);
    const status closed = run_records_close(&f->records, st == OK ? err : NULL);
    st = st == OK ? closed : st;
    const status sent = events_close(&f->events, st == OK ? err : NULL);
    return st == OK ? sent : st;
}
