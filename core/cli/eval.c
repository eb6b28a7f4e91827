/* assay eval: loss and metrics of a run's weights on a part of its data or on a new file.
 *
 * A new file becomes the test part. What was fitted on the training part (means, deviations) must stay what it was, so the split
 * is asked for the rows of the old validation and test parts together, and the training part must come out as the same rows:
 * its hash is compared with that of the run. */
#include "base/file.h"
#include "cli/predictions.h"
#include "cli/result.h"
#include "cli/run_weights.h"
#include "cli/session.h"
#include "model/weights.h"

#include <string.h>

typedef struct eval_job {
    const cli *cli;
    const arguments *args;
    session session;
    part of;
    run_weights weights;
    size_t first_row;
    const record_value *values;
    bool
        unjudged; /* no row counts, as where a new file has no target: there are predictions only */
    predictions predictions;
} eval_job;

static status choose_part(eval_job *j, error *err)
{
    const char *split = option_get(j->args, "split");
    j->of = PART_TEST;
    if (split && strcmp(split, "training") == 0) j->of = PART_TRAIN;
    if (split && strcmp(split, "validation") == 0) j->of = PART_VALIDATION;
    if (option_has(j->args, "file") && split && j->of != PART_TEST) {
        return fail(err, E_USAGE, "eval: --file makes its rows the test part: leave --split out");
    }
    const char *out = option_get(j->args, "predictions");
    const size_t n = out ? strlen(out) : 0;
    if (out && (n < 5 || (strcmp(out + n - 4, ".csv") != 0 && strcmp(out + n - 4, ".npy") != 0))) {
        return fail(err, E_USAGE,
            "eval: --predictions: expected a name that ends in .csv or .npy, found \"%s\"", out);
    }
    return OK;
}

/* The rows that the run trained on, as the config alone gives them. */
static status original_split(
    eval_job *j, char hash[33], size_t *out_held_back, size_t *out_samples, error *err)
{
    session s = { 0 };
    dataset *d = NULL;
    status st = OK;
    TRY(session_open(&s, j->cli, j->args->word[0], j->args->word + 1, j->args->n - 1, err));
    TRY(registry_add_config(s.registry, s.config, err));
    value *data = value_find(config_root(s.config), "data");
    const char *type = block_type(data);
    if (strcmp(type, "csv") != 0) {
        TRY(fail(err, E_UNSUPPORTED, "eval: --file is for csv data, and this run has %s%s", type,
            strcmp(type, "idx") == 0 ? ": give data.test_images=FILE data.test_labels=FILE instead"
                                     : ": set its keys as data.KEY=VALUE instead"));
    }
    TRY(dataset_open(s.registry, s.config, data, &d, err));
    snprintf(hash, 33, "%s", dataset_split_hash(d, PART_TRAIN));
    const bool had_file = value_find(data, "test_file") != NULL &&
        value_find(data, "test_file")->kind == VALUE_STRING;
    const size_t n_test = dataset_size(d, PART_TEST);
    *out_samples = (size_t)dataset_view(d)->n_samples - (had_file ? n_test : 0);
    *out_held_back = had_file ? 0 : n_test;
    if (!value_find(data, "validation_file") ||
        value_find(data, "validation_file")->kind != VALUE_STRING) {
        *out_held_back += dataset_size(d, PART_VALIDATION);
    }
done:
    dataset_free(d);
    session_close(&s);
    return st;
}

static status set_file(eval_job *j, const char *file, size_t held_back, error *err)
{
    session *s = &j->session;
    status st = OK;
    text quoted = { 0 };
    value *data = value_find(config_root(s->config), "data");
    const char *path = path_absolute(&s->memory, file);
    if (!path) {
        return fail_nomem(err, file);
    }
    const value v = { .kind = VALUE_STRING, .as = { .string = path } };
    value_to_text(&v, &quoted);
    TRY(text_check(&quoted, err));
    TRY(session_set(s, "data.test_file", quoted.s, err));
    if (value_find(data, "split")) {
        TRY(session_set(s, "data.split.test", "0", err));
        const char *n = arena_printf(&s->memory, "%zu", held_back);
        if (!n) {
            TRY(fail_nomem(err, "the split"));
        }
        TRY(session_set(s, "data.split.validation", n, err));
    }
done:
    text_release(&quoted);
    return st;
}

/* The user said --file, and did not set data.test_file. */
static status name_option(error *err)
{
    static const char key[] = "test_file: ";
    const char *what =
        strncmp(err->text, "command line: ", 14) == 0 ? strstr(err->text, key) : NULL;
    if (!what) {
        return err->code;
    }
    const error found = *err;
    return fail(err, found.code, "eval: --file: %s", found.text + (what - err->text) + strlen(key));
}

static status open_run(eval_job *j, error *err)
{
    char hash[33];
    size_t held_back = 0, n_samples = 0;
    status st = OK;
    session *s = &j->session;
    const trainer_options o = { .sink = { 0 } };
    const char *file = option_get(j->args, "file");
    if (!file_is_dir(j->args->word[0])) {
        TRY(fail(err, E_USAGE, "%s: not the folder of a run", j->args->word[0]));
    }
    TRY(choose_part(j, err));
    if (file && !file_exists(file)) {
        TRY(fail(err, E_USAGE, "%s: no such file", file));
    }
    if (file) {
        TRY(original_split(j, hash, &held_back, &n_samples, err));
    }
    TRY(session_open(s, j->cli, j->args->word[0], j->args->word + 1, j->args->n - 1, err));
    TRY(run_weights_choose(s, option_get(j->args, "weights"), &j->weights, err));
    (void)value_remove(value_find(config_root(s->config), "train"), "init_from");
    if (file) {
        TRY(set_file(j, file, held_back, err));
    }
    st = session_train(s, &o, err);
    if (st != OK) {
        return file ? name_option(err) : st;
    }
    if (file && strcmp(hash, dataset_split_hash(trainer_data(s->trainer), PART_TRAIN)) != 0) {
        TRY(fail(err, E_UNSUPPORTED,
            "eval: with this run's split (folds, groups or strata), its training part cannot be "
            "kept beside "
            "a new file; give the run a test_file of its own"));
    }
    j->first_row = file ? n_samples : 0;
done:
    return st;
}

static status evaluate(eval_job *j, error *err)
{
    status st = OK;
    session *s = &j->session;
    trainer *t = s->trainer;
    const char *out = option_get(j->args, "predictions");
    evaluator_options eo = { 0 };
    if (dataset_size(trainer_data(t), j->of) == 0) {
        TRY(fail(err, E_MISSING, "the %s part is empty; set data.split, or give --file",
            part_name(j->of)));
    }
    j->unjudged = result_rows(trainer_data(t), j->of) <= 0;
    if (j->unjudged && !out) {
        TRY(fail(err, E_MISSING,
            "eval: no row has a target that counts, so there is nothing to judge by; --predictions "
            "FILE writes what the model says"));
    }
    TRY(weights_load(trainer_model(t), j->weights.path, err));
    TRY(model_prepare(trainer_model(t), false, err));
    if (out) {
        TRY(predictions_init(&j->predictions, trainer_data(t), j->of,
            model_n_outputs(trainer_model(t)),
            block_type(value_find(config_root(s->config), "loss")), err));
        j->predictions.first_row = j->first_row;
        j->predictions.unlabelled = j->unjudged;
        TRY(evaluator_collect_outputs(trainer_evaluator(t), err));
        eo = (evaluator_options){ .each = predictions_take, .self = &j->predictions };
    }
    TRY(trainer_evaluate(t, j->of, &eo, &j->values, err));
    if (out) {
        TRY(predictions_write(&j->predictions, out, err));
    }
done:
    return st;
}

static void matrix_json(json *w, const record_value *v)
{
    json_key(w, v->name);
    json_begin_array(w);
    for (size_t r = 0; r < v->rows; r++) {
        json_begin_array(w);
        for (size_t k = 0; k < v->cols; k++) {
            json_real(w, v->matrix[r * v->cols + k]);
        }
        json_end_array(w);
    }
    json_end_array(w);
}

static void add_json(const eval_job *j, text *t)
{
    json w;
    trainer *tr = j->session.trainer;
    json_init(&w, t);
    json_begin_object(&w);
    json_key_int(&w, "schema", 1);
    json_key_string(&w, "run", j->args->word[0]);
    json_key_string(&w, "weights", j->weights.path);
    json_key_string(&w, "split", part_name(j->of));
    json_key_int(&w, "samples", (int64_t)dataset_size(trainer_data(tr), j->of));
    json_key(&w, "values");
    json_begin_object(&w);
    for (size_t i = 0; !j->unjudged && i < evaluator_n_values(trainer_evaluator(tr)); i++) {
        if (j->values[i].matrix) {
            matrix_json(&w, &j->values[i]);
        } else {
            json_key_real(&w, j->values[i].name, j->values[i].value);
        }
    }
    json_end_object(&w);
    json_end_object(&w);
    text_add(t, "\n");
}

static void add_table(const eval_job *j, text *t)
{
    trainer *tr = j->session.trainer;
    part_values values = { 0 };
    const size_t n = evaluator_n_values(trainer_evaluator(tr));
    for (size_t i = 0; i < n && values.n < PROGRESS_VALUES; i++) {
        if (!j->values[i].matrix) {
            snprintf(values.name[values.n], PROGRESS_NAME, "%s", j->values[i].name);
            values.value[values.n++] = j->values[i].value;
        }
    }
    const result_column column = { option_has(j->args, "file") ? "file" : part_name(j->of), &values,
        result_rows(trainer_data(tr), j->of) };
    result_table(&column, 1, &j->cli->out, t);
    for (size_t i = 0; i < n; i++) {
        if (j->values[i].matrix) {
            result_matrix(j->values[i].name, &j->values[i], dataset_view(trainer_data(tr)), t);
        }
    }
}

static void say_what_is_judged(const eval_job *j)
{
    const dataset *d = trainer_data(j->session.trainer);
    const size_t n = dataset_size(d, j->of);
    const char *file = option_get(j->args, "file"), *samples = dataset_sample_word(d, n != 1);
    const char *why =
        j->unjudged ? "; no loss and no metrics, as no row has a target that counts" : "";
    if (file) {
        cli_say(j->cli, "  %zu %s of %s, %s%s%s", n, samples, file, j->weights.which,
            j->weights.path, why);
    } else {
        cli_say(j->cli, "  %zu %s %s, %s%s%s", n, part_name(j->of), samples, j->weights.which,
            j->weights.path, why);
    }
}

static int run_eval(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    eval_job j = { .cli = c, .args = a };
    status st = open_run(&j, &err);
    if (st == OK) st = evaluate(&j, &err);
    int code;
    if (st != OK) {
        code = cli_error(c, &err);
    } else {
        say_what_is_judged(&j);
        if (option_has(a, "json")) {
            add_json(&j, &t);
        } else if (!j.unjudged) {
            add_table(&j, &t);
        }
        code = cli_put(c, &t);
        if (option_has(a, "predictions"))
            cli_say(c, "  predictions in %s", option_get(a, "predictions"));
    }
    predictions_release(&j.predictions);
    session_close(&j.session);
    return code;
}

static const option_row options[] = {
    { "split", 's', "PART", "training|validation|test", COMPLETE_CHOICES,
        "which part (default test)" },
    { "weights", 'w', "WHICH", NULL, COMPLETE_FILE,
        "best, last or a file (default: those that the run itself judged)" },
    { "file", 'f', "FILE", NULL, COMPLETE_FILE, "judge on the rows of this table instead" },
    { "predictions", 'p', "FILE", NULL, COMPLETE_FILE,
        "write predictions: a .csv table, or raw outputs as .npy" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_eval = { .name = "eval",
    .arguments = "RUN_DIR [KEY=VALUE...]",
    .summary = "judge a run's weights on a part of its data or on a new file",
    .doc =
        "Prints loss and metrics of a run's weights; a metric's standard error stands beside it. "
        "KEY=VALUE changes the run's config first, as in metrics=confusion.\n\n"
        "The weights are those that the run itself judged at its end: the best ones where early "
        "stopping restored them, else the last ones.\n\n"
        "Predictions as CSV have the row (from 0), the step where each step of a sequence has a "
        "target, "
        "the target and the prediction, for classes also the "
        "probability of each. A FILE without the target column is predicted and not judged: there "
        "are no metrics, and the target's column stays empty.",
    .examples = "assay eval runs/digits-1\n"
                "assay eval runs/digits-1 --split validation --json\n"
                "assay eval runs/digits-1 'metrics=(\"accuracy\", \"confusion\")'\n"
                "assay eval runs/digits-1 --file new.csv --predictions new-predicted.csv",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1024,
    .completes = COMPLETE_FOLDER,
    .run = run_eval };
