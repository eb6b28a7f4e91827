/* A dataset: a plugin's views with a split, weights and standardisation.
 *
 * Memory that the plugin calls writable is standardised in place, once, so that batches of consecutive rows are views of
 * it; everything else is converted row by row when a batch is gathered. */
#include "data/internal.h"

#include "base/file.h"

#include <stdlib.h>
#include <string.h>

static status split_data(dataset *d, const data_plan *plan, error *err)
{
    const status st = split_make(&d->view, &plan->split, &d->parts, err);
    if (st != OK) return st;
    if (d->parts.n[PART_TRAIN] == 0) {
        return fail_at(err, E_RANGE, &plan->split.at, "the training part has no samples");
    }
    for (int p = 0; p < N_PARTS; p++) {
        hash_hex(d->hash[p], d->parts.rows[p], d->parts.n[p] * sizeof(uint32_t));
    }
    return OK;
}

static status check_window(const dataset *d, const data_plan *plan, error *err)
{
    const unsigned long long window = (unsigned long long)d->options.window;
    if (window == 0) return OK;
    if (d->view.first_step != NULL) {
        return fail_at(err, E_CONFLICT, &plan->window_at,
            "data.window = %llu: the data has sequences of its own, and streams are made of plain "
            "samples: remove window",
            window);
    }
    if (d->options.batch_size == 0) {
        return fail_at(err, E_CONFLICT, &plan->batch_size_at,
            "data.batch_size = \"all\" with data.window = %llu: batch_size is the number of "
            "streams, "
            "expected a whole number from 1",
            window);
    }
    if (d->view.group != NULL && plan->split.method != SPLIT_RANDOM) {
        return fail_at(err, E_CONFLICT, &plan->window_at,
            "data.window = %llu: the data has groups, which only a random split keeps together, "
            "and streams need samples in file order: remove the groups or window",
            window);
    }
    return OK;
}

static status check_runs(const dataset *d, const data_plan *plan, error *err)
{
    for (int p = 0; p < N_PARTS && d->options.window > 0; p++) {
        const uint32_t *rows = d->parts.rows[p];
        const size_t n = d->parts.n[p];
        if (n == 0 || rows[n - 1] - rows[0] == n - 1) continue;
        return fail_at(err, E_CONFLICT, &plan->split.method_at,
            "data.window = %llu needs consecutive samples, and those of the %s part are not: use "
            "data.split.method = \"time\"%s",
            (unsigned long long)d->options.window, part_name((part)p),
            plan->split.folds > 0 ? " without folds" : "");
    }
    return OK;
}

/* Streams are plain samples in file order, and each part is a run of them. */
status dataset_check_streams(const dataset *d, const data_plan *plan, error *err)
{
    const status st = check_window(d, plan, err);
    return st == OK ? check_runs(d, plan, err) : st;
}

/* What a part has where all data are: a pack may have less of it. */
static void measure_parts(dataset *d)
{
    for (int p = 0; p < N_PARTS; p++) {
        size_t least = 0;
        d->whole[p] = d->parts.n[p];
        d->longest[p] = 0;
        if (d->parts.n[p] == 0) continue;
        sample_range(&d->view, d->parts.rows[p], d->parts.n[p], &least, &d->longest[p]);
    }
}

static status fit_features(dataset *d, const data_plan *plan, error *err)
{
    const assay_data *v = &d->view;
    if (plan->standardize && v->x_dtype == ASSAY_I32) {
        return fail_at(err, E_UNSUPPORTED, &plan->standardize_at,
            "data.standardize: the features are tokens, which have no mean");
    }
    if (!transform_is_needed(v, plan->standardize)) return OK;
    step_set steps;
    status st =
        step_set_of_steps(v, d->parts.rows[PART_TRAIN], d->parts.n[PART_TRAIN], &steps, err);
    if (st == OK) st = transform_fit(v, plan->standardize, &steps, &d->features, err);
    step_set_release(&steps);
    if (st != OK || !v->x_writable || v->x_dtype != ASSAY_F32) return st;
    transform_apply(&d->features, v);
    transform_release(&d->features);
    d->view.missing = 0;
    return OK;
}

static status fit_targets(dataset *d, const data_plan *plan, error *err)
{
    const assay_data *v = &d->view;
    const size_t n = v->n_targets, numbers = data_n_target_rows(v) * n;
    if (!plan->standardize_target) return OK;
    if (v->target != ASSAY_TARGET_REAL) {
        return fail_at(err, E_UNSUPPORTED, &plan->standardize_target_at,
            "data.standardize_target: the targets are not real numbers");
    }
    d->targets = calloc(numbers, sizeof(float));
    d->target_mean = calloc(n, sizeof(double));
    d->target_deviation = calloc(n, sizeof(double));
    if (d->targets == NULL || d->target_mean == NULL || d->target_deviation == NULL) {
        return fail_nomem(err, "standardised targets");
    }
    step_set rows;
    const status st =
        step_set_of_targets(v, d->parts.rows[PART_TRAIN], d->parts.n[PART_TRAIN], &rows, err);
    if (st != OK) return st;
    target_moments(v, &rows, d->target_mean, d->target_deviation);
    step_set_release(&rows);
    for (size_t i = 0; i < numbers; i++) {
        const size_t k = i % n;
        d->targets[i] = (float)((v->targets[i] - d->target_mean[k]) / d->target_deviation[k]);
    }
    return OK;
}

/* The target rows of a sample: `n` from `first` on. */
static size_t sample_targets(const assay_data *v, size_t row, size_t *out_first)
{
    const bool per_step = has_step_targets(v);
    *out_first = per_step ? sample_first(v, row) : row;
    return per_step ? sample_steps(v, row) : 1;
}

/* w[c] = n / (classes * n_c) over the labels of the training samples, so that every class counts the same in sum. A step that
 * several samples have is a label of each. */
static status balance(const dataset *d, const data_plan *plan, double *w, error *err)
{
    const assay_data *v = &d->view;
    double n = 0;
    for (size_t i = 0; i < d->parts.n[PART_TRAIN]; i++) {
        size_t first = 0;
        const size_t n_labels = sample_targets(v, d->parts.rows[PART_TRAIN][i], &first);
        for (size_t k = 0; k < n_labels; k++)
            w[v->label[first + k]] += 1;
        n += (double)n_labels;
    }
    for (size_t c = 0; c < v->n_classes; c++) {
        if (w[c] == 0) {
            return fail_at(err, E_RANGE, &plan->class_weights_at,
                "data.class_weights: class %zu%s%s has no sample in the training part", c,
                v->class_names != NULL ? " " : "", v->class_names != NULL ? v->class_names[c] : "");
        }
        w[c] = n / ((double)v->n_classes * w[c]);
    }
    return OK;
}

static status check_class_weights(const dataset *d, const data_plan *plan, error *err)
{
    if (d->view.target != ASSAY_TARGET_CLASS) {
        return fail_at(err, E_UNSUPPORTED, &plan->class_weights_at,
            "data.class_weights: the targets are not classes");
    }
    if (plan->weighting == CLASS_WEIGHTS_GIVEN && plan->n_class_weights != d->view.n_classes) {
        return fail_at(err, E_SHAPE, &plan->class_weights_at,
            "data.class_weights: %zu weights for %llu classes", plan->n_class_weights,
            (unsigned long long)d->view.n_classes);
    }
    return OK;
}

/* d->class_weight = sample weight times w[class], where a sample is a row of targets */
static status fill_weights(dataset *d, error *err)
{
    const assay_data *v = &d->view;
    if (dataset_has_target_per_step(d)) return OK;
    d->class_weight = calloc(v->n_samples, sizeof(float));
    if (d->class_weight == NULL) return fail_nomem(err, "weights");
    for (size_t i = 0; i < v->n_samples; i++) {
        const double sample = v->weight != NULL ? v->weight[i] : 1;
        d->class_weight[i] = (float)(sample * d->label_weight[v->label[i]]);
    }
    return OK;
}

/* Something of the training part must count. */
static status check_weights(const dataset *d, const data_plan *plan, error *err)
{
    const assay_data *v = &d->view;
    const double *w = d->label_weight;
    double sum = 0;
    if (v->weight == NULL && w == NULL) return OK;
    for (size_t i = 0; i < d->parts.n[PART_TRAIN]; i++) {
        const uint32_t row = d->parts.rows[PART_TRAIN][i];
        const double sample = v->weight != NULL ? v->weight[row] : 1;
        size_t first = 0;
        const size_t n = sample_targets(v, row, &first);
        for (size_t k = 0; k < n; k++)
            sum += (float)(sample * (w != NULL ? w[v->label[first + k]] : 1));
    }
    if (sum > 0) return OK;
    return fail_at(err, E_RANGE, &plan->at, "data: all weights of the training part are 0");
}

status dataset_weigh(dataset *d, const data_plan *plan, error *err)
{
    status st = OK;
    if (plan->weighting == CLASS_WEIGHTS_NONE) return check_weights(d, plan, err);
    TRY(check_class_weights(d, plan, err));
    d->label_weight = calloc(d->view.n_classes, sizeof(double));
    if (d->label_weight == NULL) return fail_nomem(err, "class weights");
    if (plan->weighting == CLASS_WEIGHTS_BALANCED) {
        TRY(balance(d, plan, d->label_weight, err));
    } else {
        memcpy(d->label_weight, plan->class_weights, d->view.n_classes * sizeof(double));
    }
    TRY(fill_weights(d, err));
    TRY(check_weights(d, plan, err));
done:
    return st;
}

/* The longest time that a batch of any part can have. */
size_t dataset_longest_time(const dataset *d)
{
    const bool is_stream = dataset_is_stream(d);
    size_t most = is_stream ? 0 : 1;
    for (int p = 0; p < N_PARTS; p++) {
        const size_t n = is_stream ? d->whole[p] : d->longest[p];
        most = n > most ? n : most;
    }
    return is_stream && d->options.window < most ? d->options.window : most;
}

/* Splits, weighs and fits; d->view is filled in. */
static status prepare(dataset *d, const data_plan *plan, error *err)
{
    status st = OK;
    d->options = plan->batches;
    d->use = N_PACKS;
    st = view_check(&d->view, err);
    if (st != OK) {
        return plan->at.file != NULL ? error_where(err, "%s:%d: data", plan->at.file, plan->at.line)
                                     : st;
    }
    TRY(check_window(d, plan, err));
    TRY(split_data(d, plan, err));
    TRY(check_runs(d, plan, err));
    measure_parts(d);
    d->max_time = dataset_longest_time(d);
    TRY(dataset_weigh(d, plan, err));
    TRY(fit_targets(d, plan, err));
    TRY(fit_features(d, plan, err));
done:
    return st;
}

status dataset_make(const assay_data *view, const data_plan *plan, dataset **out, error *err)
{
    dataset *d = calloc(1, sizeof(*d));
    if (d == NULL) return fail_nomem(err, "a dataset");
    d->view = *view;
    const status st = prepare(d, plan, err);
    if (st != OK) {
        dataset_free(d);
        return st;
    }
    *out = d;
    return OK;
}

static const assay_dataset *ops_of(const instance *i)
{
    return i->component->ops;
}

status dataset_open(registry *r, config *c, value *block, dataset **out, error *err)
{
    status st = OK;
    data_plan plan;
    dataset *d = calloc(1, sizeof(*d));
    instance *source = NULL;
    assay_data view = { .struct_size = sizeof(view) };
    if (d == NULL) return fail_nomem(err, "a dataset");
    TRY(instance_new(r, c, ASSAY_KIND_DATASET, block, data_keys, 0, "data", &source, err));
    TRY(data_plan_read(c, block, &source->component->hypers, &plan, err));
    const int code = ops_of(source)->open(&source->ctx, source->hyper, &view);
    TRY(instance_status(source, code, "open", err));
    d->source = source;
    source = NULL;
    d->view = view;
    TRY(prepare(d, &plan, err));
    *out = d;
    d = NULL;
done:
    instance_free(source);
    dataset_free(d);
    return st;
}

void dataset_free(dataset *d)
{
    if (d == NULL) return;
    if (d->use == N_PACKS) { /* of a pack these lie in its bytes */
        split_release(&d->parts);
        free(d->targets);
        free(d->target_mean);
        free(d->target_deviation);
        transform_release(&d->features);
    }
    free(d->names);
    free(d->label_weight);
    free(d->class_weight);
    if (d->source != NULL) {
        if (ops_of(d->source)->close != NULL) ops_of(d->source)->close(&d->source->ctx);
        instance_free(d->source);
    }
    free(d);
}

const assay_data *dataset_view(const dataset *d)
{
    return &d->view;
}

const data_options *dataset_options(const dataset *d)
{
    return &d->options;
}

const char *part_name(part p)
{
    static const char *const names[N_PARTS] = { "training", "validation", "test" };
    return names[p];
}

size_t dataset_size(const dataset *d, part p)
{
    return d->parts.n[p];
}

size_t dataset_whole_size(const dataset *d, part p)
{
    return d->whole[p];
}

size_t dataset_output_rows(const dataset *d, part p)
{
    size_t n = 0;
    if (!has_step_targets(&d->view)) return d->parts.n[p];
    for (size_t i = 0; i < d->parts.n[p]; i++)
        n += sample_steps(&d->view, d->parts.rows[p][i]);
    return n;
}

pack_use dataset_pack_use(const dataset *d)
{
    return d->use;
}

const uint32_t *dataset_rows(const dataset *d, part p)
{
    return d->parts.rows[p];
}

const char *dataset_split_hash(const dataset *d, part p)
{
    return d->hash[p];
}

size_t dataset_features(const dataset *d)
{
    return assay_shape_size(&d->view.x_shape);
}

bool dataset_has_time(const dataset *d)
{
    return d->view.first_step != NULL || d->options.window > 0;
}

bool dataset_is_stream(const dataset *d)
{
    return d->options.window > 0;
}

size_t dataset_max_time(const dataset *d)
{
    return d->max_time;
}

bool dataset_has_target_per_step(const dataset *d)
{
    return d->view.target_per_step != 0 || dataset_is_stream(d);
}

void dataset_task(const dataset *d, size_t n_outputs, assay_task *out)
{
    const assay_data *v = &d->view;
    *out = (assay_task){ .struct_size = sizeof(*out),
        .target = v->target,
        .n_classes = v->n_classes,
        .n_outputs = n_outputs,
        .n_targets = v->target == ASSAY_TARGET_CLASS ? 1 : v->n_targets,
        .class_names = v->class_names,
        .target_names = v->target_names };
}

bool dataset_scales_targets(const dataset *d)
{
    return d->targets != NULL;
}

void dataset_unscale_targets(const dataset *d, float *y, size_t n)
{
    if (d->targets == NULL) return;
    for (size_t i = 0; i < n * d->view.n_targets; i++) {
        const size_t k = i % d->view.n_targets;
        y[i] = (float)(y[i] * d->target_deviation[k] + d->target_mean[k]);
    }
}

static void describe_count(text *t, size_t n, const char *what, const char *plural)
{
    text_printf(t, ", %zu %s%s", n, what, n == 1 ? "" : plural);
}

const char *dataset_sample_word(const dataset *d, bool plural)
{
    if (dataset_is_stream(d)) return plural ? "time steps" : "time step";
    if (d->view.first_step != NULL) return plural ? "sequences" : "sequence";
    return plural ? "samples" : "sample";
}

/* "1797 samples", "229 sequences of 25 to 160 steps", "5000 steps as streams of windows of 50" */
static void describe_samples(const dataset *d, text *t)
{
    const assay_data *v = &d->view;
    const size_t n = v->n_samples;
    if (dataset_is_stream(d)) {
        text_printf(
            t, "%zu steps as streams of windows of %llu", n, (unsigned long long)d->options.window);
        return;
    }
    text_printf(t, "%zu %s", n, v->first_step != NULL ? "sequences" : "samples");
    if (v->first_step == NULL) return;
    size_t least = v->n_steps[0], most = least;
    for (size_t i = 1; i < n; i++) {
        least = v->n_steps[i] < least ? v->n_steps[i] : least;
        most = v->n_steps[i] > most ? v->n_steps[i] : most;
    }
    if (least < most) {
        text_printf(t, " of %zu to %zu steps", least, most);
    } else {
        text_printf(t, " of %zu step%s", most, most == 1 ? "" : "s");
    }
}

void dataset_describe(const dataset *d, text *t)
{
    const assay_data *v = &d->view;
    const size_t features = dataset_features(d);
    describe_samples(d, t);
    text_add(t, " (");
    for (int p = 0, n = 0; p < N_PARTS; p++) {
        if (d->parts.n[p] == 0) continue;
        text_printf(t, "%s%zu %s", n++ > 0 ? ", " : "", d->parts.n[p], part_name((part)p));
    }
    text_add(t, ")");
    if (v->x_dtype != ASSAY_I32 || features > 1) describe_count(t, features, "feature", "s");
    if (v->x_dtype == ASSAY_I32) describe_count(t, v->vocabulary, "token", "s");
    if (v->target == ASSAY_TARGET_CLASS) describe_count(t, v->n_classes, "class", "es");
    if (v->target == ASSAY_TARGET_REAL) describe_count(t, v->n_targets, "real target", "s");
    if (v->target == ASSAY_TARGET_BINARY) describe_count(t, v->n_targets, "binary target", "s");
}
