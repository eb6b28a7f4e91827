/* The `train` block: every key with its type, range, default and doc, read by the same binder as a plugin's. */
#include "train/options.h"

#include <math.h>
#include <string.h>

static const char *const units[] = { "epoch", "step" };
static const char *const checkpoint_units[] = { "second", "step", "epoch" };
static const char *const modes[] = { "auto", "min", "max" };
static const char *const rules[] = { "patience", "gl", "pq", "up" };

static const assay_hyper train_rows[] = {
    ASSAY_INT(train_options, epochs, 100, 0, 1e12, "passes over the training part"),
    ASSAY_INT(train_options, steps, 0, 0, 1e15, "updates at most; 0: as many as the epochs have"),
    ASSAY_REAL(train_options, time_limit, 0, 0, ASSAY_INF, "wall-clock budget; 0: none",
        .unit = "seconds"),
    ASSAY_REAL(train_options, clip_norm, 0, 0, ASSAY_INF,
        "largest norm of the gradient over all tensors; 0: no clipping"),
    ASSAY_REAL(train_options, clip_value, 0, 0, ASSAY_INF,
        "largest absolute gradient element, before clip_norm; 0: no clipping"),
    ASSAY_REAL(train_options, l2, 0, 0, ASSAY_INF,
        "l2/2 |w|^2 over weights (not biases, gains, embeddings) is added to the objective",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 1e-7, .tune_max = 1e-2),
    ASSAY_REAL(train_options, weight_noise, 0, 0, ASSAY_INF,
        "deviation of Gaussian noise on all trained weights while a gradient is taken, new for "
        "each update; 0: none",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 1e-3, .tune_max = 0.3),
    ASSAY_INT(train_options, accumulate, 1, 1, 65535, "batches whose gradients make one update"),
    ASSAY_INT(train_options, replicas, 0, 0, 4096,
        "shards that a batch is cut into; 0 or \"auto\": from the size of a step and the cores"),
    ASSAY_INT(train_options, threads, 0, 0, 4096,
        "threads that run the replicas; 0 or \"auto\": as many as replicas and cores permit, or "
        "one where that is faster, as is tried now and then; never changes the result"),
    ASSAY_INT(
        train_options, validate_every, 1, 1, 1e12, "how often the validation part is evaluated"),
    ASSAY_ENUM(train_options, validate_unit, UNIT_EPOCH, units, "what validate_every counts"),
    ASSAY_INT(train_options, train_eval, 0, 0, 1e12,
        "training samples also evaluated in evaluation mode at every validation; 0: none"),
    ASSAY_INT(train_options, recalibrate, 50, 0, 1e12,
        "batches over which running statistics are taken anew before an evaluation, where the "
        "optimizer evaluates elsewhere than it trains; 0: they stay those of training"),
    ASSAY_INT(train_options, log_every, 0, 0, 1e12,
        "steps from one record of the running loss to the next; 0: only per epoch"),
    ASSAY_BOOL(train_options, tensorboard, 0,
        "the numbers of metrics.csv also go to a TensorBoard event file in the run folder"),
    ASSAY_BOOL(train_options, flush_denormals, 1, "denormal floats count as 0 (faster)"),
    ASSAY_STRING(
        train_options, init_from, NULL, "weights to start from (safetensors)", .flags = ASSAY_PATH),
};

static const assay_hyper early_stop_rows[] = {
    ASSAY_STRING(early_stop_options, monitor, "validation.loss",
        "<part>.<metric> to watch: training, validation; loss or any metric"),
    ASSAY_ENUM(early_stop_options, mode, MODE_AUTO, modes,
        "whether smaller or larger is better; auto: as the metric says"),
    ASSAY_ENUM(early_stop_options, rule, RULE_PATIENCE, rules,
        "patience, or one of Prechelt's (1998): generalisation loss, progress quotient, strips"),
    ASSAY_INT(early_stop_options, every, 1, 1, 1e9, "check at every so many validations"),
    ASSAY_INT(early_stop_options, patience, 10, 1, 1e9,
        "checks without improvement before stopping", .unit = "checks"),
    ASSAY_REAL(early_stop_options, min_delta, 0, 0, ASSAY_INF,
        "an improvement must be strictly more than this"),
    ASSAY_BOOL(early_stop_options, relative, 0, "min_delta is a share of the best value"),
    ASSAY_BOOL(early_stop_options, restore_best, 1, "end with the weights of the best check"),
    ASSAY_BOOL(early_stop_options, stop_on_nan, 1,
        "a monitored NaN ends the run; else it counts as no improvement"),
    ASSAY_REAL(early_stop_options, target, -ASSAY_INF, -ASSAY_INF, ASSAY_INF,
        "stop as soon as the monitored value is this good; -inf: no target"),
    ASSAY_REAL(early_stop_options, alpha, 2, 0, ASSAY_INF, "threshold of gl (percent) and pq"),
    ASSAY_INT(
        early_stop_options, strip, 5, 1, 1e6, "length of a strip in pq and up", .unit = "checks"),
    ASSAY_INT(early_stop_options, strips, 2, 1, 1e6, "strips in a row that must rise in up"),
};

static const assay_hyper checkpoint_rows[] = {
    ASSAY_INT(checkpoint_options, every, 10, 0, 1e12, "how often; 0: only at the end"),
    ASSAY_ENUM(
        checkpoint_options, unit, CHECKPOINT_SECOND, checkpoint_units, "what `every` counts"),
    ASSAY_INT(checkpoint_options, keep, 2, 1, 1e6, "how many of the last ones stay"),
};

static const assay_hyper probe_rows[] = {
    ASSAY_INT(probe_settings, every, 50, 0, 1e12, "steps from one look inside to the next; 0: none",
        .unit = "steps"),
    ASSAY_REAL(probe_settings, share, 0, 0, 1,
        "share of each tensor that is looked at, of which sums and histograms are estimates; 0 or "
        "\"auto\": all where a probe stays cheap beside `every` steps"),
};

const hyper_table train_table = { train_rows, sizeof train_rows / sizeof train_rows[0],
    sizeof(assay_hyper), sizeof(struct train_options) };
const hyper_table early_stop_table = { early_stop_rows,
    sizeof early_stop_rows / sizeof early_stop_rows[0], sizeof(assay_hyper),
    sizeof(struct early_stop_options) };
const hyper_table checkpoint_table = { checkpoint_rows,
    sizeof checkpoint_rows / sizeof checkpoint_rows[0], sizeof(assay_hyper),
    sizeof(struct checkpoint_options) };
const hyper_table probe_table = { probe_rows, sizeof probe_rows / sizeof probe_rows[0],
    sizeof(assay_hyper), sizeof(struct probe_settings) };

static value *group_of(config *c, value *parent, const char *name, error *err)
{
    value *v = value_find(parent, name);
    if (!v) {
        v = value_add(c, parent, name);
        if (!v) {
            (void)fail_nomem(err, name);
            return NULL;
        }
        v->kind = VALUE_GROUP;
    }
    if (v->kind != VALUE_GROUP) {
        text found = { 0 };
        value_describe(v, &found);
        (void)fail_at(err, E_TYPE, &v->at, "%s: expected a group { ... }, found %s", name,
            found.s ? found.s : "something else");
        text_release(&found);
        return NULL;
    }
    return v;
}

/* "auto" is another spelling of 0. */
static void read_auto(value *train, const char *key)
{
    value *v = value_find(train, key);
    if (v && v->kind == VALUE_STRING && strcmp(v->as.string, "auto") == 0) {
        v->kind = VALUE_INT;
        v->as.integer = 0;
    }
}

static status check_early(const train_config *t, const value *early, error *err)
{
    const char *dot = strchr(t->early.monitor, '.');
    if (!dot || !dot[1] ||
        (strncmp(t->early.monitor, "training.", 9) != 0 &&
            strncmp(t->early.monitor, "validation.", 11) != 0)) {
        const value *v = value_find(early, "monitor");
        return fail_at(err, E_RANGE, &v->at,
            "early_stopping: monitor: expected \"validation.<metric>\" or \"training.<metric>\", "
            "found \"%s\"%s",
            t->early.monitor,
            strncmp(t->early.monitor, "test.", 5) == 0 ? "; the test part must not steer training"
                                                       : "");
    }
    return OK;
}

static status read_probe(config *c, value *train, struct probe_settings *out, error *err)
{
    const hyper_bind_options bind = { .what = "probe", .noun = "setting" };
    value *block = group_of(c, train, "probe", err);
    if (!block) {
        return err ? err->code : E_TYPE;
    }
    read_auto(block, "share");
    return hyper_bind(c, block, &probe_table, &bind, out, NULL, err);
}

status train_config_read(config *c, train_config *out, error *err)
{
    static const char *const reserved[] = { "early_stopping", "checkpoint", "probe", NULL };
    const hyper_bind_options train_bind = {
        .what = "train", .noun = "setting", .reserved = reserved
    };
    const hyper_bind_options early_bind = { .what = "early_stopping", .noun = "setting" };
    const hyper_bind_options checkpoint_bind = { .what = "checkpoint", .noun = "setting" };
    status st = OK;
    memset(out, 0, sizeof *out);
    value *train = group_of(c, config_root(c), "train", err);
    if (!train) {
        return err ? err->code : E_TYPE;
    }
    read_auto(train, "replicas");
    read_auto(train, "threads");
    TRY(hyper_bind(c, train, &train_table, &train_bind, &out->train, NULL, err));
    value *checkpoint = group_of(c, train, "checkpoint", err);
    if (!checkpoint) {
        return err ? err->code : E_TYPE;
    }
    TRY(hyper_bind(
        c, checkpoint, &checkpoint_table, &checkpoint_bind, &out->checkpoint, NULL, err));
    if (value_find(train, "probe")) {
        TRY(read_probe(c, train, &out->probe, err));
    }
    out->stops_early = value_find(train, "early_stopping") != NULL;
    if (out->stops_early) {
        value *early = group_of(c, train, "early_stopping", err);
        if (!early) {
            return err ? err->code : E_TYPE;
        }
        TRY(hyper_bind(c, early, &early_stop_table, &early_bind, &out->early, NULL, err));
        TRY(check_early(out, early, err));
    }
done:
    return st;
}

const char *const config_keys[] = { "plugins", "name", "seed", "data", "model", "loss", "metrics",
    "optimizer", "schedule", "train", "study", NULL };

static status fail_key(const value *v, size_t n, error *err)
{
    text all = { 0 };
    const char *near = text_nearest(v->name, config_keys, n);
    if (near) {
        return fail_at(
            err, E_UNKNOWN, &v->at, "unknown block \"%s\": did you mean \"%s\"?", v->name, near);
    }
    for (size_t i = 0; i < n; i++) {
        text_printf(&all, "%s%s", i ? ", " : "", config_keys[i]);
    }
    const status st = fail_at(err, E_UNKNOWN, &v->at, "unknown block \"%s\": there are %s", v->name,
        all.s ? all.s : "others");
    text_release(&all);
    return st;
}

/* A study may stand beside a run, which passes it over, or alone. */
static status check_is_run(const value *root, error *err)
{
    const value *study = value_find(root, "study");
    if (!study || value_find(root, "data") || value_find(root, "model")) return OK;
    return fail_at(err, E_MISSING, &study->at,
        "this file describes a study: run it with assay study run %s",
        study->at.file ? study->at.file : "FILE");
}

status config_check_keys(const config *c, error *err)
{
    const size_t n = sizeof config_keys / sizeof config_keys[0] - 1;
    const value *root = config_root(c);
    for (size_t i = 0; i < root->n; i++) {
        bool known = false;
        for (size_t k = 0; k < n; k++) {
            known |= strcmp(root->item[i]->name, config_keys[k]) == 0;
        }
        if (!known) {
            return fail_key(root->item[i], n, err);
        }
    }
    return check_is_run(root, err);
}
