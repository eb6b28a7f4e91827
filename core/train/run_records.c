/* A run's records on disk.
 *
 * metrics.jsonl gets a line per record as it comes; metrics.csv a row per step at which something was recorded, in columns that are
 * fixed at the start. The row of the step under way is written anew whenever it gains a number: a checkpoint may follow, and
 * a kill, and nobody would come back to that step. On resume both files are first cut back to what was recorded before the
 * checkpoint, since the rest will come again: later steps, and what is done at the end of a run, after its last
 * checkpoint. A full disk must not kill a run in the middle of a step: write errors are remembered and told at the end. */
#include "train/run_records.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "train/run_table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The step that a line of ours belongs to: "step": of JSON, or the first column of CSV. */
static bool line_step(const char *line, unsigned long long *out)
{
    const char *key = strstr(line, "\"step\":");
    return sscanf(key ? key + 7 : line, " %llu", out) == 1;
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* Whether it was recorded before the checkpoint that the trainer was restored from. */
static bool is_kept(const char *line, const trainer *t)
{
    unsigned long long step;
    if (!line_step(line, &step)) {
        return true; /* a header */
    }
    if (begins(line, "{\"record\": \"end\"")) {
        return false;
    }
    if (begins(line, "{\"record\": \"evaluation\"")) {
        return step <= trainer_last_checked(t) && !strstr(line, "\"final\": true");
    }
    return step <= trainer_steps_done(t);
}

/* Takes out what will come again, and an incomplete last line. */
static status cut_back(const char *path, const trainer *t, error *err)
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
        *end = '\0';
        const bool keep = is_kept(line, t);
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
    run_records *f, const char *name, const trainer *t, bool resumed, FILE **out, error *err)
{
    status st = OK;
    const char *path = path_join(&f->memory, f->dir, name);
    if (!path) {
        return fail_nomem(err, "the run folder");
    }
    if (resumed && file_exists(path)) {
        TRY(cut_back(path, t, err));
        *out = fopen(path, "r+");
    } else {
        *out = fopen(path, "w");
    }
    /* without a buffer: of a line that cannot be written nothing may be left to come later */
    if (!*out || setvbuf(*out, NULL, _IONBF, 0) != 0 || fseek(*out, 0, SEEK_END) != 0) {
        TRY(fail_errno(err, errno, path, "opening it for writing"));
    }
done:
    return st;
}

static status plan_row(run_records *f, const trainer *t, error *err)
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
    return OK;
}

static void remember_error(run_records *f, const char *name)
{
    if (f->failed.code == OK) {
        (void)fail_errno(&f->failed, errno, f->dir, name);
    }
}

/* What there is of a line that was not written to its end: whoever reads the file must not find it in the middle. */
static void take_back(FILE *to, long start)
{
    clearerr(to);
    if (start >= 0 && ftruncate(fileno(to), start) == 0) {
        (void)fseek(to, start, SEEK_SET);
    }
}

static bool write_line(run_records *f, FILE *to, const char *name)
{
    const long start = ftell(to);
    if (text_check(&f->line, &f->failed) != OK) {
        return false;
    }
    if (f->line.n && (fwrite(f->line.s, 1, f->line.n, to) != f->line.n || fflush(to) != 0)) {
        remember_error(f, name);
        take_back(to, start);
        return false;
    }
    return true;
}

static const char *const kind_names[] = { "start", "step", "progress", "evaluation", "epoch",
    "note", "end", "probe" };

static void value_json(json *j, const record_value *v)
{
    json_key(j, v->name);
    if (!v->matrix) {
        json_real(j, v->value);
        return;
    }
    json_begin_array(j);
    for (size_t r = 0; r < v->rows; r++) {
        json_reals(j, v->matrix + r * v->cols, v->cols);
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

static void record_json(run_records *f, const record *r)
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
        if (r->spent) {
            budget_json(&j, r->spent);
        }
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
    (void)write_line(f, f->jsonl, "writing metrics.jsonl");
}

/* Over its earlier form, which may have been longer: a value that came again may have fewer digits. */
static void write_row(run_records *f)
{
    text_clear(&f->line);
    text_printf(&f->line, "%llu,", (unsigned long long)f->row_step);
    text_add_real(&f->line, f->row_epoch);
    text_printf(&f->line, ",%.3f", f->row_wall_s);
    for (size_t i = 0; i < f->n_columns; i++) {
        text_add(&f->line, ",");
        if (!isnan(f->row[i])) {
            text_add_real(&f->line, f->row[i]);
        }
    }
    text_add(&f->line, "\n");
    const size_t before = f->row_bytes;
    if (fseek(f->csv, f->row_start, SEEK_SET) != 0) {
        remember_error(f, "writing metrics.csv");
    } else if (write_line(f, f->csv, "writing metrics.csv")) {
        f->row_bytes = f->line.n;
        if (f->row_bytes < before && ftruncate(fileno(f->csv), ftell(f->csv)) != 0) {
            remember_error(f, "writing metrics.csv");
        }
    } else {
        f->row_bytes = 0;
    }
}

static void begin_row(run_records *f, uint64_t step)
{
    f->has_row = true;
    f->row_step = step;
    f->row_start += (long)f->row_bytes;
    f->row_bytes = 0;
    for (size_t i = 0; i < f->n_columns; i++) {
        f->row[i] = NAN;
    }
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

static void record_row(run_records *f, const record *r)
{
    if (!f->has_row || f->row_step != r->step) {
        begin_row(f, r->step);
    }
    f->row_epoch = r->epoch_place;
    f->row_wall_s = r->spent ? r->spent->wall_s : 0;
    for (size_t i = 0; i < r->n_values; i++) {
        for (size_t k = 0; k < f->n_columns; k++) {
            if (is_column(f->columns[k], r->split, r->values[i].name)) {
                f->row[k] = r->values[i].value;
            }
        }
    }
    write_row(f);
}

static void log_note(run_records *f, const char *message)
{
    char now[24];
    if (!f->log) {
        const char *path = path_join(&f->memory, f->dir, "log.txt");
        f->log = path ? fopen(path, "a") : NULL;
    }
    if (f->log) {
        clock_iso(now);
        (void)fprintf(f->log, "%s %s\n", now, message);
        (void)fflush(f->log);
    }
}

static void log_record(run_records *f, const record *r)
{
    char message[256];
    if (r->kind == RECORD_NOTE) {
        log_note(f, r->text);
    } else if (r->kind == RECORD_START || r->kind == RECORD_END) {
        snprintf(message, sizeof message, "%s at step %llu%s%s", kind_names[r->kind],
            (unsigned long long)r->step, r->kind == RECORD_END ? ": " : "",
            r->kind == RECORD_END ? stop_reason_text(r->stop) : "");
        log_note(f, message);
        if (r->text) {
            log_note(f, r->text);
        }
        if (r->kind == RECORD_END && r->n_values == 2) {
            snprintf(message, sizeof message, "best at step %.0f: %.6g", r->values[0].value,
                r->values[1].value);
            log_note(f, message);
        }
    }
}

void run_records_emit(void *self, const record *r)
{
    run_records *f = self;
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

/* Reads a row back into f->row; false when it is of other columns. */
static bool read_row(run_records *f, const char *line)
{
    const char *at = strchr(line, ','), *end = NULL;
    if (!at) {
        return false;
    }
    f->row_epoch = text_to_real(at + 1, &end);
    if (*end != ',') {
        return false;
    }
    f->row_wall_s = text_to_real(end + 1, &end);
    for (size_t i = 0; i < f->n_columns; i++) {
        if (*end != ',') {
            return false;
        }
        const bool is_empty = end[1] == ',' || end[1] == '\0';
        f->row[i] = is_empty ? NAN : text_to_real(end + 1, &end);
        end += is_empty;
    }
    return *end == '\0';
}

/* The last row may be of the very step that the run goes on from: what else is recorded there joins it. A check that came after
 * the checkpoint will come again, or not at all when the run is made longer. */
static status take_up_row(run_records *f, const trainer *t, error *err)
{
    char *all = NULL;
    size_t n = 0;
    unsigned long long step;
    const char *path = path_join(&f->memory, f->dir, "metrics.csv");
    status st = path ? file_read(path, &all, &n, err) : fail_nomem(err, "the run folder");
    if (st != OK || n < 2) {
        free(all);
        return st;
    }
    all[n - 1] = '\0';
    const char *newline = strrchr(all, '\n'), *line = newline ? newline + 1 : all;
    if (line_step(line, &step) && step == trainer_steps_done(t) && read_row(f, line)) {
        f->has_row = true;
        f->row_step = step;
        f->row_start = line - all;
        f->row_bytes = n - (size_t)f->row_start;
        for (size_t i = 0; i < f->n_columns && trainer_last_checked(t) != step; i++) {
            if (begins(f->columns[i], "validation.") || begins(f->columns[i], "training_eval.")) {
                f->row[i] = NAN;
            }
        }
        write_row(f);
    }
    free(all);
    return OK;
}

/* The table that is there, in this run's columns; or a new one. */
static status open_table(run_records *f, const trainer *t, bool resumed, error *err)
{
    status st = OK;
    const char *path = path_join(&f->memory, f->dir, "metrics.csv");
    if (!path) {
        TRY(fail_nomem(err, "the run folder"));
    }
    if (resumed) {
        TRY(run_table_fit(path, f->columns, f->n_columns, err));
    }
    TRY(open_file(f, "metrics.csv", t, resumed, &f->csv, err));
    if (ftell(f->csv) == 0) {
        text_clear(&f->line);
        run_table_header(f->columns, f->n_columns, &f->line);
        (void)write_line(f, f->csv, "writing metrics.csv");
    }
    f->row_start = ftell(f->csv);
    if (f->row_start < 0) {
        TRY(fail_errno(err, errno, f->dir, "writing metrics.csv"));
    }
done:
    return st;
}

status run_records_open(run_records *f, const trainer *t, bool resumed, error *err)
{
    status st = OK;
    TRY(open_file(f, "metrics.jsonl", t, resumed, &f->jsonl, err));
    TRY(plan_row(f, t, err));
    TRY(open_table(f, t, resumed, err));
    if (resumed) {
        TRY(take_up_row(f, t, err));
    }
done:
    return st;
}

status run_records_close(run_records *f, error *err)
{
    FILE **const files[] = { &f->jsonl, &f->csv, &f->log };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (*files[i] && fclose(*files[i]) != 0) {
            remember_error(f, "closing the record files");
        }
        *files[i] = NULL;
    }
    if (f->failed.code != OK && err) {
        *err = f->failed;
    }
    return f->failed.code;
}

void run_records_release(run_records *f)
{
    FILE *const files[] = { f->jsonl, f->csv, f->log };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (files[i]) {
            (void)fclose(files[i]);
        }
    }
    text_release(&f->line);
    arena_release(&f->memory);
}
