/* Writing a run's folder.
 *
 * metrics.jsonl gets a line per record as it comes; metrics.csv a row per step at which something was recorded, in columns that
 * are fixed at the start. On resume both are first cut back to the step of the checkpoint, since later records will be
 * made again. A full disk must not kill a run in the middle of a step: write errors are remembered and told at the end. */
#include "train/run_folder.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "num/gemm.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

struct run_folder {
    arena memory;
    const char *path, *checkpoints;
    FILE *jsonl, *csv, *log;
    error failed; /* the first write error */
    text line;
    size_t n_columns;
    const char **columns;
    double *row; /* [n_columns] of the step under way; NaN: nothing */
    uint64_t row_step;
    double row_epoch, row_wall_s;
    bool has_row;
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
    if (!f) {
        return;
    }
    FILE *const files[] = { f->jsonl, f->csv, f->log };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i]) {
            (void)fclose(files[i]);
        }
    }
    text_release(&f->line);
    arena_release(&f->memory);
    free(f);
}

const char *run_folder_path(const run_folder *f)
{
    return f->path;
}

const char *run_folder_checkpoints(const run_folder *f)
{
    return f->checkpoints;
}

/* -- provenance -- */

static void plugin_json(json *j, const plugin_file *p)
{
    json_begin_object(j);
    json_key_string(j, "name", p->name);
    json_key_string(j, "version", p->version);
    json_key_string(j, "file", p->path);
    json_key_string(j, "xxh3_128", p->hash);
    json_key_bool(j, "changed_fp_mode", p->changed_fp_mode);
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

/* -- records of an earlier start -- */

/* The step that a line of ours belongs to: "step": of JSON, or the first column of CSV. */
static bool line_step(const char *line, unsigned long long *out)
{
    const char *key = strstr(line, "\"step\":");
    return sscanf(key ? key + 7 : line, " %llu", out) == 1;
}

/* Keeps the lines up to `step`; an incomplete last line goes, too. Lines without a step (a header) stay. */
static status cut_back(const char *path, uint64_t step, error *err)
{
    char *all = NULL;
    size_t n = 0, kept = 0;
    if (!file_exists(path)) {
        return OK;
    }
    status st = file_read(path, &all, &n, err);
    if (st != OK) {
        return st;
    }
    for (char *line = all, *end; (end = memchr(line, '\n', n - (size_t)(line - all)));
         line = end + 1) {
        unsigned long long at;
        *end = '\0';
        const bool keep = !line_step(line, &at) || at <= step;
        *end = '\n';
        const size_t length = (size_t)(end - line) + 1;
        if (keep) {
            memmove(all + kept, line, length);
            kept += length;
        }
    }
    st = file_write_atomic(path, all, kept, err);
    free(all);
    return st;
}

static status open_file(
    run_folder *f, const char *name, uint64_t step, bool resumed, FILE **out, error *err)
{
    const char *path = in_folder(f, name);
    if (!path) {
        return fail_nomem(err, "the run folder");
    }
    if (resumed) {
        status st = cut_back(path, step, err);
        if (st != OK) {
            return st;
        }
    }
    *out = fopen(path, resumed ? "a" : "w");
    return *out ? OK : fail_errno(err, errno, path, "opening it for writing");
}

static status plan_row(run_folder *f, const trainer *t, bool resumed, error *err)
{
    f->n_columns = trainer_n_columns(t);
    f->columns = arena_alloc_array(&f->memory, f->n_columns, sizeof(*f->columns));
    f->row = arena_alloc_array(&f->memory, f->n_columns, sizeof *f->row);
    if (!f->columns || !f->row) {
        return fail_nomem(err, "the run folder");
    }
    for (size_t i = 0; i < f->n_columns; i++) {
        f->columns[i] = trainer_column(t, i);
        f->row[i] = NAN;
    }
    if (!resumed || ftell(f->csv) == 0) {
        (void)fputs("step,epoch,wall_s", f->csv);
        for (size_t i = 0; i < f->n_columns; i++) {
            (void)fprintf(f->csv, ",%s", f->columns[i]);
        }
        (void)fputc('\n', f->csv);
    }
    return OK;
}

status run_folder_begin(
    run_folder *f, trainer *t, config *c, const registry *r, bool resumed, error *err)
{
    status st = OK;
    const uint64_t step = trainer_steps_done(t);
    TRY(write_config(f, t, c, r, err));
    TRY(open_file(f, "metrics.jsonl", step, resumed, &f->jsonl, err));
    TRY(open_file(f, "metrics.csv", step, resumed, &f->csv, err));
    if (f->log == NULL) {
        const char *path = in_folder(f, "log.txt");
        f->log = path ? fopen(path, "a") : NULL;
    }
    TRY(plan_row(f, t, resumed, err));
done:
    return st;
}

/* -- records as they come -- */

static void remember_error(run_folder *f, const char *name)
{
    if (f->failed.code == OK) {
        (void)fail_errno(&f->failed, errno, f->path, name);
    }
}

static void write_line(run_folder *f, FILE *to, const char *name)
{
    if (text_check(&f->line, &f->failed) != OK) {
        return;
    }
    if (f->line.n && (fwrite(f->line.s, 1, f->line.n, to) != f->line.n || fflush(to) != 0)) {
        remember_error(f, name);
    }
}

static const char *const kind_names[] = { "start", "step", "progress", "evaluation", "epoch",
    "note", "end" };

static void value_json(json *j, const record_value *v)
{
    json_key(j, v->name);
    if (!v->matrix) {
        json_real(j, v->value);
        return;
    }
    json_begin_array(j);
    for (size_t r = 0; r < v->rows; r++) {
        json_begin_array(j);
        for (size_t c = 0; c < v->cols; c++) {
            json_real(j, v->matrix[r * v->cols + c]);
        }
        json_end_array(j);
    }
    json_end_array(j);
}

static void budget_json(json *j, const budget *b)
{
    json_key(j, "budget");
    json_begin_object(j);
    json_key_int(j, "steps", (int64_t)b->steps);
    json_key_int(j, "samples_forward", (int64_t)b->samples_forward);
    json_key_int(j, "samples_backward", (int64_t)b->samples_backward);
    json_key_int(j, "closure_evaluations", (int64_t)b->closure_evaluations);
    json_key_int(j, "samples_evaluated", (int64_t)b->samples_evaluated);
    json_key_real(j, "cpu_s", b->cpu_s);
    json_key_real(j, "wall_s", b->wall_s);
    json_key_real(j, "optimizer_s", b->optimizer_s);
    json_end_object(j);
}

static void record_json(run_folder *f, const record *r)
{
    json j;
    text_clear(&f->line);
    json_init(&j, &f->line);
    json_begin_object(&j);
    json_key_string(&j, "record", kind_names[r->kind]);
    json_key_int(&j, "step", (int64_t)r->step);
    json_key_real(&j, "epoch", r->epoch_place);
    if (r->spent) {
        json_key_real(&j, "wall_s", r->spent->wall_s);
    }
    if (r->split) {
        json_key_string(&j, "split", r->split);
        json_key_bool(&j, "best", r->is_best != 0);
        json_key_bool(&j, "final", r->is_final != 0);
    }
    if (r->kind == RECORD_END) {
        json_key_string(&j, "stop", stop_reason_name(r->stop));
        budget_json(&j, r->spent);
    }
    if (r->text) {
        json_key_string(&j, "text", r->text);
    }
    if (r->n_values) {
        json_key(&j, "values");
        json_begin_object(&j);
        for (size_t i = 0; i < r->n_values; i++) {
            value_json(&j, &r->values[i]);
        }
        json_end_object(&j);
    }
    json_end_object(&j);
    text_add(&f->line, "\n");
    write_line(f, f->jsonl, "writing metrics.jsonl");
}

static void flush_row(run_folder *f)
{
    if (!f->has_row) {
        return;
    }
    text_clear(&f->line);
    text_printf(&f->line, "%llu,", (unsigned long long)f->row_step);
    text_add_real(&f->line, f->row_epoch);
    text_printf(&f->line, ",%.3f", f->row_wall_s);
    for (size_t i = 0; i < f->n_columns; i++) {
        text_add(&f->line, ",");
        if (!isnan(f->row[i])) {
            text_add_real(&f->line, f->row[i]);
        }
        f->row[i] = NAN;
    }
    text_add(&f->line, "\n");
    write_line(f, f->csv, "writing metrics.csv");
    f->has_row = false;
}

/* Whether `column` is "<split>.<name>", or `name` itself where there is no split. */
static bool is_column(const char *column, const char *part_of, const char *name)
{
    if (!part_of) {
        return strcmp(column, name) == 0;
    }
    const size_t n = strlen(part_of);
    return strncmp(column, part_of, n) == 0 && column[n] == '.' &&
        strcmp(column + n + 1, name) == 0;
}

static void record_row(run_folder *f, const record *r)
{
    if (f->has_row && f->row_step != r->step) {
        flush_row(f);
    }
    f->has_row = true;
    f->row_step = r->step;
    f->row_epoch = r->epoch_place;
    f->row_wall_s = r->spent ? r->spent->wall_s : 0;
    for (size_t i = 0; i < r->n_values; i++) {
        for (size_t k = 0; k < f->n_columns; k++) {
            if (is_column(f->columns[k], r->split, r->values[i].name)) {
                f->row[k] = r->values[i].value;
            }
        }
    }
}

static void log_note(run_folder *f, const char *message)
{
    char now[24];
    if (!f->log) {
        const char *path = in_folder(f, "log.txt");
        f->log = path ? fopen(path, "a") : NULL;
    }
    if (f->log) {
        clock_iso(now);
        (void)fprintf(f->log, "%s %s\n", now, message);
        (void)fflush(f->log);
    }
}

static void log_record(run_folder *f, const record *r)
{
    char message[256];
    if (r->kind == RECORD_NOTE) {
        log_note(f, r->text);
    } else if (r->kind == RECORD_START || r->kind == RECORD_END) {
        snprintf(message, sizeof message, "%s at step %llu%s%s", kind_names[r->kind],
            (unsigned long long)r->step, r->kind == RECORD_END ? ": " : "",
            r->kind == RECORD_END ? stop_reason_name(r->stop) : "");
        log_note(f, message);
        if (r->text) {
            log_note(f, r->text);
        }
    }
}

static void emit(void *self, const record *r)
{
    run_folder *f = self;
    if (r->kind == RECORD_PROGRESS) {
        return;
    }
    log_record(f, r);
    if (!f->jsonl) {
        return;
    }
    record_json(f, r);
    const bool is_row = r->kind == RECORD_STEP || r->kind == RECORD_EPOCH ||
        (r->kind == RECORD_EVALUATION && !r->is_final);
    if (is_row) {
        record_row(f, r);
    }
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
    flush_row(f);
    FILE **const files[] = { &f->jsonl, &f->csv, &f->log };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (*files[i] && fclose(*files[i]) != 0) {
            remember_error(f, "closing the record files");
        }
        *files[i] = NULL;
    }
    if (st == OK && f->failed.code != OK) {
        if (err) {
            *err = f->failed;
        }
        st = f->failed.code;
    }
    return st;
}
