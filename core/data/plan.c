/* What the host reads from a `data` block: how to split, how to batch, what to standardise. Bound by tables like a plugin's
 * hyperparameters, except for the two keys that take a word as well as numbers. */
#include "data/internal.h"

#include "config/config.h"

#include <math.h>
#include <string.h>

struct host_keys {
    int64_t shuffle, drop_last, window, bucket, standardize, standardize_target;
};

static const assay_hyper host_rows[] = {
    ASSAY_BOOL(host_keys, shuffle, 1, "a new order of the training part every epoch"),
    ASSAY_BOOL(host_keys, drop_last, 0, "leave out a last batch that is not full"),
    ASSAY_INT(host_keys, window, 0, 0, 4294967295.0,
        "from 1 on: the samples in file order are batch_size streams, of which a batch holds so "
        "many steps, and layers carry their state on",
        .unit = "steps"),
    ASSAY_INT(host_keys, bucket, 4, 0, 4294967295.0,
        "sequences of unequal length: the samples of so many batches are sorted by length "
        "together; "
        "0 or 1: none are",
        .unit = "batches"),
    ASSAY_BOOL(host_keys, standardize, 0,
        "features to mean 0 and deviation 1, fitted on the training part"),
    ASSAY_BOOL(host_keys, standardize_target, 0,
        "real targets to mean 0 and deviation 1, fitted on the training part"),
};

struct split_keys {
    int64_t seed, method;
    double validation, test;
    int64_t folds, fold;
};

static const char *const methods[] = { "random", "stratified", "time" };

static const assay_hyper split_rows[] = {
    ASSAY_INT(
        split_keys, seed, 0, 0, 9007199254740992.0, "seed of the split, apart from the run's seed"),
    ASSAY_ENUM(split_keys, method, SPLIT_RANDOM, methods,
        "rows at random, at random with equal shares of each class, or in file order"),
    ASSAY_REAL(split_keys, validation, 0, 0, 4294967295.0,
        "of the validation part: a fraction below 1, or a number of samples", .unit = "samples"),
    ASSAY_REAL(split_keys, test, 0, 0, 4294967295.0,
        "of the test part: a fraction below 1, or a number of samples", .unit = "samples"),
    ASSAY_INT(split_keys, folds, 0, 0, 1000000, "cross-validation: how many equal parts; 0: none"),
    ASSAY_INT(split_keys, fold, 0, 0, 1000000, "which of the folds validates, from 0"),
};

/* What a table cannot say in full: a number or a word, a word or a list. Read one by one below. */
static const assay_hyper written_rows[] = {
    { .name = "batch_size",
        .type = ASSAY_TYPE_INT,
        .def = 32,
        .min = 1,
        .max = 4294967295.0,
        .doc = "rows of a batch, or \"all\"" },
    { .name = "class_weights",
        .type = ASSAY_TYPE_STRING,
        .def_string = "none",
        .doc =
            "\"none\", \"balanced\" or a list with a weight for each class; counts in the training "
            "loss alone" },
};

const hyper_table data_table = { host_rows, sizeof(host_rows) / sizeof(host_rows[0]),
    sizeof(assay_hyper), sizeof(struct host_keys) };
const hyper_table data_written_table = HYPER_DOCS(written_rows);
const hyper_table data_split_table = { split_rows, sizeof(split_rows) / sizeof(split_rows[0]),
    sizeof(assay_hyper), sizeof(struct split_keys) };

const char *const data_keys[] = { "split", "batch_size", "shuffle", "drop_last", "window", "bucket",
    "standardize", "standardize_target", "class_weights", NULL };

/* The keys of the block that are not in host_rows: the plugin's, and those read one by one. */
static const char *const *foreign_keys(config *c, const hyper_table *source)
{
    static const char *const singles[] = { "type", "split", "batch_size", "class_weights" };
    const size_t n_singles = sizeof(singles) / sizeof(singles[0]);
    const char **keys =
        arena_alloc_array(config_arena(c), source->n + n_singles + 1, sizeof(char *));
    if (keys == NULL) return NULL;
    for (size_t i = 0; i < source->n; i++)
        keys[i] = hyper_row(source, i)->name;
    for (size_t i = 0; i < n_singles; i++)
        keys[source->n + i] = singles[i];
    return keys;
}

static status fail_expected(error *err, const value *v, const char *expected)
{
    text found;
    text_init(&found);
    value_describe(v, &found);
    const status st = fail_at(err, v->kind == VALUE_INT ? E_RANGE : E_TYPE, &v->at,
        "data.%s: expected %s, found %s", v->name, expected, found.s != NULL ? found.s : "?");
    text_release(&found);
    return st;
}

/* The block's value of that key, or a default one to be filled in. */
static value *find_or_add(config *c, value *block, const char *key, bool *out_is_new)
{
    value *v = value_find(block, key);
    *out_is_new = v == NULL;
    return v != NULL ? v : value_add(c, block, key);
}

static status read_batch_size(config *c, value *block, uint64_t *out, error *err)
{
    bool is_new = false;
    value *v = find_or_add(c, block, "batch_size", &is_new);
    if (v == NULL) return fail_nomem(err, "a config value");
    if (is_new) {
        v->kind = VALUE_INT;
        v->as.integer = 32;
    }
    if (v->kind == VALUE_STRING && strcmp(v->as.string, "all") == 0) {
        *out = 0;
        return OK;
    }
    if (v->kind != VALUE_INT || v->as.integer < 1) {
        return fail_expected(err, v, "a whole number from 1, or \"all\"");
    }
    *out = (uint64_t)v->as.integer;
    return OK;
}

static status read_weight_list(config *c, const value *v, data_plan *out, error *err)
{
    double *w = arena_alloc_array(config_arena(c), v->n + 1, sizeof(double));
    if (w == NULL) return fail_nomem(err, "class weights");
    for (size_t i = 0; i < v->n; i++) {
        const status st = value_to_real(v->item[i], &w[i], err);
        if (st != OK) return st;
        if (!(w[i] >= 0 && isfinite(w[i]))) {
            return fail_at(err, E_RANGE, &v->item[i]->at,
                "data.class_weights[%zu] = %g: expected a number from 0", i, w[i]);
        }
    }
    out->weighting = CLASS_WEIGHTS_GIVEN;
    out->class_weights = w;
    out->n_class_weights = v->n;
    return OK;
}

static status read_class_weights(config *c, value *block, data_plan *out, error *err)
{
    bool is_new = false;
    value *v = find_or_add(c, block, "class_weights", &is_new);
    if (v == NULL) return fail_nomem(err, "a config value");
    if (is_new) {
        v->kind = VALUE_STRING;
        v->as.string = "none";
    }
    out->class_weights_at = v->at;
    if (v->kind == VALUE_LIST) return read_weight_list(c, v, out, err);
    const char *word = v->kind == VALUE_STRING ? v->as.string : "";
    if (strcmp(word, "none") == 0) {
        out->weighting = CLASS_WEIGHTS_NONE;
    } else if (strcmp(word, "balanced") == 0) {
        out->weighting = CLASS_WEIGHTS_BALANCED;
    } else {
        return fail_expected(
            err, v, "\"none\", \"balanced\" or a list with a weight for each class");
    }
    return OK;
}

static origin at_of(const value *group, const char *key)
{
    const value *v = value_find(group, key);
    return v != NULL && !v->is_default ? v->at : group->at;
}

/* Streams keep file order: a split that says nothing of its method is cut by time. */
static status add_stream_method(config *c, const value *block, value *group, error *err)
{
    const value *window = value_find(block, "window");
    const bool is_stream = window != NULL && window->kind == VALUE_INT && window->as.integer > 0;
    if (!is_stream || value_find(group, "method") != NULL) return OK;
    value *method = value_add(c, group, "method");
    if (method == NULL) return fail_nomem(err, "a config value");
    method->kind = VALUE_STRING;
    method->as.string = "time";
    return OK;
}

static status read_split(config *c, value *block, split_options *out, error *err)
{
    const hyper_bind_options o = { .what = "data.split" };
    struct split_keys k;
    bool is_new = false;
    value *group = find_or_add(c, block, "split", &is_new);
    if (group == NULL) return fail_nomem(err, "a config value");
    if (is_new) group->kind = VALUE_GROUP;
    if (group->kind != VALUE_GROUP) return fail_expected(err, group, "a group");
    status st = add_stream_method(c, block, group, err);
    if (st == OK) st = hyper_bind(c, group, &data_split_table, &o, &k, NULL, err);
    if (st != OK) return st;
    *out = (split_options){ .seed = (uint64_t)k.seed,
        .method = (split_method)k.method,
        .validation = k.validation,
        .test = k.test,
        .folds = (uint64_t)k.folds,
        .fold = (uint64_t)k.fold,
        .at = is_new ? block->at : group->at,
        .validation_at = at_of(group, "validation"),
        .test_at = at_of(group, "test"),
        .folds_at = at_of(group, "folds"),
        .fold_at = at_of(group, "fold"),
        .method_at = at_of(group, "method") };
    return OK;
}

status data_plan_read(
    config *c, value *block, const hyper_table *source, data_plan *out, error *err)
{
    hyper_bind_options o = { .what = "data", .reserved = foreign_keys(c, source) };
    struct host_keys k;
    data_plan plan = { .at = block->at };
    status st = OK;
    if (o.reserved == NULL) return fail_nomem(err, "the data block");
    TRY(read_split(c, block, &plan.split, err));
    TRY(read_batch_size(c, block, &plan.batches.batch_size, err));
    TRY(hyper_bind(c, block, &data_table, &o, &k, NULL, err));
    TRY(read_class_weights(c, block, &plan, err));
    plan.batches.shuffle = k.shuffle != 0;
    plan.batches.drop_last = k.drop_last != 0;
    plan.batches.window = (uint64_t)k.window;
    plan.batches.bucket = (uint64_t)k.bucket;
    plan.batch_size_at = at_of(block, "batch_size");
    plan.window_at = at_of(block, "window");
    plan.standardize = k.standardize != 0;
    plan.standardize_target = k.standardize_target != 0;
    plan.standardize_at = at_of(block, "standardize");
    plan.standardize_target_at = at_of(block, "standardize_target");
    *out = plan;
done:
    return st;
}
