/* assay replay: a run gone through once more, to look at a step from inside or to find where a NaN came from.
 *
 * It starts at the nearest checkpoint before the step, so that the step itself is taken again and its gradient is there to be seen.
 * Nothing of the run's folder is written. Where the folder has a checkpoint of the very step, the numbers are compared with it. */
#include "base/file.h"
#include "base/json.h"
#include "cli/npy.h"
#include "cli/session.h"
#include "train/lockstep.h"
#include "train/trace.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_FIRST = 4, N_FIRST_JSON = 8, MAX_SHOWN = 4096 };

typedef struct replay_job {
    const cli *cli;
    const arguments *args;
    session session;
    const char *checkpoints; /* the folder */
    bool has_step;
    uint64_t step, from;
    arena memory;
    const array *state;
    size_t n_state;
    const array **shown;
    size_t n_shown;
    enum { UNKNOWN, SAME, DIFFERENT } agrees; /* with the checkpoint of that step */
    parting parting;
} replay_job;

static status read_step(replay_job *j, error *err)
{
    const char *written = option_get(j->args, "step");
    char *end;
    j->has_step = written != NULL;
    if (!written) {
        return option_has(j->args, "trace-nan")
            ? OK
            : fail(err, E_USAGE,
                  "replay: which step? As in: assay replay %s --step 100 --watch '*'",
                  j->args->word[0]);
    }
    errno = 0;
    j->step = strtoull(written, &end, 10);
    return *written >= '0' && *written <= '9' && *end == '\0' && errno == 0
        ? OK
        : fail(err, E_USAGE, "replay: --step: expected a number of updates, found \"%s\"", written);
}

static status open_run(replay_job *j, error *err)
{
    status st = OK;
    session *s = &j->session;
    const arguments *a = j->args;
    const trainer_options o = { 0 };
    TRY(read_step(j, err));
    TRY(session_open(s, j->cli, a->word[0], NULL, 0, err));
    if (!s->folder) {
        TRY(fail(err, E_USAGE,
            "%s: a config, not the folder of a run; to look for a NaN from the start: "
            "assay train %s --trace-nan",
            a->word[0], a->word[0]));
    }
    if (option_has(a, "threads"))
        TRY(session_set(s, "train.threads", option_get(a, "threads"), err));
    TRY(session_train(s, &o, err));
    j->checkpoints = path_join(&s->memory, s->folder, "checkpoints");
    if (!j->checkpoints) TRY(fail_nomem(err, "a path"));
done:
    return st;
}

/* -- what a step had -- */

/* The tensor or buffer that an array is of: its own name, or what stands before the slot's. NULL: neither. */
static bool is_of_tensor(const array *a, const char *name)
{
    static const char *const plain[] = { "weights/", "gradient/", "buffers/" };
    for (size_t i = 0; i < 3; i++) {
        const size_t n = strlen(plain[i]);
        if (strncmp(a->name, plain[i], n) == 0) {
            return strcmp(a->name + n, name) == 0;
        }
    }
    const char *slot = strrchr(a->name, '/');
    const size_t n = strlen(name);
    return strncmp(a->name, "optimizer/", 10) == 0 && slot && (size_t)(slot - a->name) > n + 1 &&
        strncmp(slot - n, name, n) == 0 && slot[-(ptrdiff_t)n - 1] == '/';
}

static bool is_watched(const arguments *a, const char *name)
{
    const char *pattern = option_nth(a, "watch", 0);
    bool watched = pattern == NULL;
    for (size_t i = 0; (pattern = option_nth(a, "watch", i)); i++) {
        watched |= text_matches(pattern, name);
    }
    return watched;
}

static void show_one(replay_job *j, const char *name)
{
    for (size_t i = 0; i < j->n_state && j->n_shown < MAX_SHOWN; i++) {
        if (j->state[i].dtype == ARRAY_F32 && is_of_tensor(&j->state[i], name)) {
            j->shown[j->n_shown++] = &j->state[i];
        }
    }
}

static status unknown_tensor(const model *m, const char *pattern, error *err)
{
    const char *names[256];
    size_t n = 0;
    for (size_t i = 0; i < m->n_tensors && n < 256; i++) {
        names[n++] = m->tensors[i].info.name;
    }
    const char *near = text_nearest(pattern, names, n);
    return fail(err, E_UNKNOWN, "replay: --watch: no tensor or buffer is called \"%s\"%s%s%s",
        pattern, near ? ": did you mean \"" : "; see assay model summary", near ? near : "",
        near ? "\"?" : "");
}

static status check_watches(const replay_job *j, error *err)
{
    const model *m = trainer_model(j->session.trainer);
    const char *pattern;
    for (size_t i = 0; (pattern = option_nth(j->args, "watch", i)); i++) {
        bool found = false;
        for (size_t k = 0; k < m->n_tensors; k++) {
            found |= text_matches(pattern, m->tensors[k].info.name);
        }
        for (size_t k = 0; k < m->n_buffers; k++) {
            found |= text_matches(pattern, m->buffers[k].name);
        }
        if (!found) {
            return unknown_tensor(m, pattern, err);
        }
    }
    return OK;
}

static status choose_shown(replay_job *j, error *err)
{
    const model *m = trainer_model(j->session.trainer);
    j->shown = arena_alloc_array(&j->memory, MAX_SHOWN, sizeof *j->shown);
    if (!j->shown) {
        return fail_nomem(err, "what is shown");
    }
    for (size_t i = 0; i < m->n_tensors; i++) {
        if (is_watched(j->args, m->tensors[i].info.name)) show_one(j, m->tensors[i].info.name);
    }
    for (size_t i = 0; i < m->n_buffers; i++) {
        if (is_watched(j->args, m->buffers[i].name)) show_one(j, m->buffers[i].name);
    }
    return OK;
}

/* The run's own checkpoint of the step, where it has one, must say the same. */
static status compare_with_checkpoint(replay_job *j, error *err)
{
    status st = OK;
    safetensors *f = NULL;
    const array *theirs;
    size_t n;
    TRY(checkpoint_open(j->checkpoints, j->step, &f, err));
    if (f) {
        TRY(checkpoint_state(f, &j->memory, &theirs, &n, err));
        TRY(states_compare(j->state, j->n_state, theirs, n, &j->parting, err));
        j->agrees = j->parting.found ? DIFFERENT : SAME;
    }
done:
    safetensors_close(f);
    return st;
}

static status go_to_step(replay_job *j, error *err)
{
    status st = OK;
    const char *diverged;
    trainer *t = j->session.trainer;
    TRY(check_watches(j, err));
    TRY(trainer_keep_gradient(t, err));
    if (j->step > 0) {
        TRY(trainer_restore_before(t, j->checkpoints, j->step - 1, false, &j->from, err));
    }
    TRY(trainer_run_to(t, j->step, err));
    if (trainer_steps_done(t) != j->step) {
        const stop_reason why = trainer_stopped(t, &diverged);
        TRY(fail(err, E_RANGE, "the run ends before step %llu: at step %llu (%s)%s%s",
            (unsigned long long)j->step, (unsigned long long)trainer_steps_done(t),
            stop_reason_name(why), diverged ? ": " : "", diverged ? diverged : ""));
    }
    TRY(trainer_state(t, &j->memory, &j->state, &j->n_state, err));
    TRY(choose_shown(j, err));
    TRY(compare_with_checkpoint(j, err));
done:
    return st;
}

/* -- as numbers -- */

typedef struct summary {
    double norm, min, max, mean;
    size_t n_bad; /* not finite; left out of the rest */
} summary;

static summary summarise(const array *a)
{
    const float *x = a->data;
    summary s = { .min = INFINITY, .max = -INFINITY };
    double squares = 0, sum = 0;
    for (size_t i = 0; i < a->n; i++) {
        const double v = (double)x[i];
        if (!isfinite(v)) {
            s.n_bad++;
            continue;
        }
        squares += v * v;
        sum += v;
        s.min = v < s.min ? v : s.min;
        s.max = v > s.max ? v : s.max;
    }
    const size_t n = a->n - s.n_bad;
    s.norm = sqrt(squares);
    s.mean = n ? sum / (double)n : (double)NAN;
    s.min = n ? s.min : (double)NAN;
    s.max = n ? s.max : (double)NAN;
    return s;
}

/* Rows and columns: those of the tensor where it is of its size. */
static void shape_of(const replay_job *j, const array *a, size_t *rows, size_t *cols)
{
    const model *m = trainer_model(j->session.trainer);
    *rows = 1;
    *cols = a->n;
    for (size_t i = 0; i < m->n_tensors; i++) {
        const assay_tensor *t = &m->tensors[i].info;
        if (is_of_tensor(a, t->name) && t->size == a->n && t->shape.n_dims > 1) {
            *rows = t->rows;
            *cols = t->cols;
        }
    }
}

static void add_table(const replay_job *j, text *t)
{
    size_t width = 12;
    for (size_t i = 0; i < j->n_shown; i++) {
        const size_t n = strlen(j->shown[i]->name);
        width = n > width ? n : width;
    }
    text_printf(t, "%-*s  %11s  %11s  %11s  %11s  %11s  %s\n", (int)width, "", "shape", "norm",
        "min", "max", "mean", "first values");
    for (size_t i = 0; i < j->n_shown; i++) {
        const array *a = j->shown[i];
        const summary s = summarise(a);
        char shape[64];
        size_t rows, cols;
        shape_of(j, a, &rows, &cols);
        snprintf(
            shape, sizeof shape, rows > 1 ? "%zu x %zu" : "%.0zu%zu", rows > 1 ? rows : 0, cols);
        text_printf(t, "%-*s  %11s  %11.5g  %11.5g  %11.5g  %11.5g ", (int)width, a->name, shape,
            s.norm, s.min, s.max, s.mean);
        for (size_t k = 0; k < a->n && k < N_FIRST; k++) {
            text_printf(t, " %.9g", (double)((const float *)a->data)[k]);
        }
        text_add(t, a->n > N_FIRST ? " ..." : "");
        if (s.n_bad) text_printf(t, "  (%zu not finite)", s.n_bad);
        text_add(t, "\n");
    }
}

static void add_schedule(const replay_job *j, json *w)
{
    double v;
    const char *name;
    json_key(w, "schedule");
    json_begin_object(w);
    for (size_t i = 0; (name = trainer_scheduled(j->session.trainer, i, &v)); i++) {
        json_key_real(w, name, v);
    }
    json_end_object(w);
}

static void add_array(const replay_job *j, const array *a, json *w)
{
    const summary s = summarise(a);
    size_t rows, cols;
    shape_of(j, a, &rows, &cols);
    json_begin_object(w);
    json_key_string(w, "name", a->name);
    json_key(w, "shape");
    json_begin_array(w);
    if (rows > 1) json_int(w, (int64_t)rows);
    json_int(w, (int64_t)cols);
    json_end_array(w);
    json_key_real(w, "norm", s.norm);
    json_key_real(w, "min", s.min);
    json_key_real(w, "max", s.max);
    json_key_real(w, "mean", s.mean);
    json_key_int(w, "not_finite", (int64_t)s.n_bad);
    json_key(w, "first");
    json_begin_array(w);
    for (size_t k = 0; k < a->n && k < N_FIRST_JSON; k++) {
        json_real(w, (double)((const float *)a->data)[k]);
    }
    json_end_array(w);
    json_end_object(w);
}

static void add_json(const replay_job *j, text *t)
{
    json w;
    json_init(&w, t);
    json_begin_object(&w);
    json_key_int(&w, "schema", 1);
    json_key_string(&w, "run", j->args->word[0]);
    json_key_int(&w, "step", (int64_t)j->step);
    json_key_int(&w, "from", (int64_t)j->from);
    json_key(&w, "same_as_checkpoint");
    if (j->agrees == UNKNOWN) {
        json_null(&w);
    } else {
        json_bool(&w, j->agrees == SAME);
    }
    add_schedule(j, &w);
    json_key(&w, "arrays");
    json_begin_array(&w);
    for (size_t i = 0; i < j->n_shown; i++) {
        add_array(j, j->shown[i], &w);
    }
    json_end_array(&w);
    json_end_object(&w);
    text_add(t, "\n");
}

static status write_npy(replay_job *j, error *err)
{
    const char *dir = option_get(j->args, "npy");
    status st = dir ? file_make_dirs(dir, err) : OK;
    for (size_t i = 0; dir && st == OK && i < j->n_shown; i++) {
        const array *a = j->shown[i];
        size_t rows, cols;
        char *path = arena_printf(&j->memory, "%s/%s.npy", dir, a->name);
        if (!path) {
            return fail_nomem(err, "a path");
        }
        for (char *c = path + strlen(dir) + 1; *c; c++) {
            *c = *c == '/' ? '.' : *c;
        }
        shape_of(j, a, &rows, &cols);
        st = npy_write(path, a->data, rows, cols, err);
    }
    return st;
}

static void say_where(const replay_job *j)
{
    cli_say(j->cli, "  step %llu, gone through again from %s %llu", (unsigned long long)j->step,
        j->from ? "the checkpoint of step" : "step", (unsigned long long)j->from);
    if (j->agrees == SAME) {
        cli_say(j->cli, "  the same bits as the run's checkpoint of that step");
    } else if (j->agrees == DIFFERENT) {
        cli_warn(j->cli,
            "not what the run's checkpoint of that step has: %s differs (another machine, or other "
            "plugins?)",
            j->parting.name);
    }
}

static status show_step(replay_job *j, int *out_code, error *err)
{
    text t = { 0 };
    status st = go_to_step(j, err);
    if (st == OK) st = write_npy(j, err);
    if (st != OK) {
        return st;
    }
    say_where(j);
    if (option_has(j->args, "json")) {
        add_json(j, &t);
    } else {
        add_table(j, &t);
    }
    *out_code = cli_put(j->cli, &t);
    return OK;
}

/* -- where a NaN came from -- */

static void add_finding(const replay_job *j, const trace_finding *f, text *t)
{
    json w;
    json_init(&w, t);
    json_begin_object(&w);
    json_key_int(&w, "schema", 1);
    json_key_string(&w, "run", j->args->word[0]);
    json_key_int(&w, "from", (int64_t)j->from);
    json_key_int(&w, "to", (int64_t)trainer_steps_done(j->session.trainer));
    json_key_bool(&w, "found", f != NULL);
    if (f) {
        json_key_int(&w, "step", (int64_t)f->step);
        json_key_string(&w, "operation", f->operation);
        json_key_string(&w, "layer", f->layer);
        json_key_string(&w, "type", f->type);
        json_key_string(&w, "tensor", f->tensor);
        json_key_int(&w, "element", (int64_t)f->element);
        json_key_int(&w, "of", (int64_t)f->n);
        json_key_real(&w, "value", f->value);
        if (f->has_sample) {
            json_key_int(&w, f->is_suspect ? "suspected_sample" : "sample", (int64_t)f->sample);
            json_key_int(&w, "place_in_batch", (int64_t)f->in_batch);
            json_key_real(&w, "largest_feature", f->largest_feature);
        }
        json_key(&w, "hyperparameters");
        json_begin_object(&w);
        for (size_t i = 0; i < f->n_hypers; i++) {
            char name[TRACE_NAME];
            snprintf(name, sizeof name, "%s.%s", f->hypers[i].component, f->hypers[i].name);
            json_key_real(&w, name, f->hypers[i].value);
        }
        json_end_object(&w);
    }
    json_end_object(&w);
    text_add(t, "\n");
}

/* Where to begin: before the divergence, or before the step that was asked for, or at the start. */
static status begin_trace(replay_job *j, error *err)
{
    uint64_t last = 0;
    stop_reason stop = STOP_NONE;
    error none = { 0 };
    const bool known = checkpoint_outcome(j->checkpoints, &last, &stop, &none) == OK;
    if (j->has_step) {
        last = j->step > 0 ? j->step - 1 : 0;
    } else {
        j->step = UINT64_MAX;
        if (!known || stop != STOP_DIVERGED) {
            return OK; /* nobody knows of a divergence: from the start */
        }
    }
    return trainer_restore_before(j->session.trainer, j->checkpoints, last, true, &j->from, err);
}

static status trace_run(replay_job *j, int *out_code, error *err)
{
    status st = OK;
    text t = { 0 };
    const char *diverged;
    trainer *tr = j->session.trainer;
    TRY(begin_trace(j, err));
    TRY(trainer_trace(tr, err));
    TRY(trainer_run_to(tr, j->step, err));
    const trace_finding *f = trainer_finding(tr);
    const stop_reason why = trainer_stopped(tr, &diverged);
    cli_say(j->cli, "  gone through again from %s %llu to step %llu, checking every operation",
        j->from ? "the checkpoint of step" : "step", (unsigned long long)j->from,
        (unsigned long long)trainer_steps_done(tr));
    if (option_has(j->args, "json")) {
        add_finding(j, f, &t);
    } else if (f) {
        trace_describe(f, &t);
        text_add(&t, "\n");
    } else {
        text_printf(&t, "everything is finite up to step %llu (%s)%s%s\n",
            (unsigned long long)trainer_steps_done(tr),
            why == STOP_NONE ? "where it was told to stop" : stop_reason_name(why),
            diverged ? ": " : "", diverged ? diverged : "");
    }
    *out_code = cli_put(j->cli, &t);
done:
    return st;
}

static int run_replay(cli *c, const arguments *a)
{
    error err;
    int code = EXIT_DONE;
    replay_job j = { .cli = c, .args = a };
    status st = open_run(&j, &err);
    if (st == OK) {
        st = option_has(a, "trace-nan") ? trace_run(&j, &code, &err) : show_step(&j, &code, &err);
    }
    session_close(&j.session);
    arena_release(&j.memory);
    return st == OK ? code : cli_error(c, &err);
}

static const option_row options[] = {
    { "step", 's', "K", NULL, COMPLETE_NOTHING, "the step: after so many updates" },
    { "watch", 'w', "TENSOR", NULL, COMPLETE_NOTHING,
        "what to show, with * and ?; may be repeated (default all)" },
    { "npy", 0, "DIR", NULL, COMPLETE_FOLDER, "write what is shown as .npy files, too" },
    { "trace-nan", 0, NULL, NULL, COMPLETE_NOTHING,
        "check every operation; name where the first value that is not finite appears" },
    { "threads", 't', "N", NULL, COMPLETE_NOTHING, "train.threads; never changes the result" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_replay = { .name = "replay",
    .arguments = "RUN_DIR",
    .summary = "go through a run again to see a step from inside, or where a NaN came from",
    .doc = "Starts at the nearest checkpoint before the step, or at the beginning, and goes "
           "through the run again in memory; its "
           "folder stays as it is. Shown are weights after the step, the gradient that made it "
           "(clipped, as the optimizer got it), "
           "and the optimizer's state: the same bits as the first time.\n\n"
           "--trace-nan starts before the divergence (or before --step, or at the beginning) and "
           "names the layer, the tensor, the "
           "sample, the step and the hyperparameters where the first value that is not finite "
           "appears.",
    .examples = "assay replay runs/digits-1 --step 300 --watch 'dense1.*'\n"
                "assay replay runs/digits-1 --step 300 --watch dense2.weight --npy values\n"
                "assay replay runs/digits-1 --trace-nan",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1,
    .completes = COMPLETE_FOLDER,
    .run = run_replay };
