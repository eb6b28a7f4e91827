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

static status fit_features(dataset *d, const data_plan *plan, error *err)
{
    const assay_data *v = &d->view;
    if (plan->standardize && v->x_dtype == ASSAY_I32) {
        return fail_at(err, E_UNSUPPORTED, &plan->standardize_at,
            "data.standardize: the features are tokens, which have no mean");
    }
    const status st = transform_fit(
        v, plan->standardize, d->parts.rows[PART_TRAIN], d->parts.n[PART_TRAIN], &d->features, err);
    if (st != OK || !v->x_writable || v->x_dtype != ASSAY_F32) return st;
    transform_apply(&d->features, v);
    transform_release(&d->features);
    d->view.missing = 0;
    return OK;
}

static status fit_targets(dataset *d, const data_plan *plan, error *err)
{
    const assay_data *v = &d->view;
    const size_t n = v->n_targets;
    if (!plan->standardize_target) return OK;
    if (v->target != ASSAY_TARGET_REAL) {
        return fail_at(err, E_UNSUPPORTED, &plan->standardize_target_at,
            "data.standardize_target: the targets are not real numbers");
    }
    d->targets = calloc(v->n_samples * n, sizeof(float));
    d->target_mean = calloc(n, sizeof(double));
    d->target_deviation = calloc(n, sizeof(double));
    if (d->targets == NULL || d->target_mean == NULL || d->target_deviation == NULL) {
        return fail_nomem(err, "standardised targets");
    }
    target_moments(
        v, d->parts.rows[PART_TRAIN], d->parts.n[PART_TRAIN], d->target_mean, d->target_deviation);
    for (size_t i = 0; i < v->n_samples * n; i++) {
        const size_t k = i % n;
        d->targets[i] = (float)((v->targets[i] - d->target_mean[k]) / d->target_deviation[k]);
    }
    return OK;
}

/* w[c] = n / (classes * n_c) over the training part, so that every class counts the same in sum. */
static status balance(const dataset *d, const data_plan *plan, double *w, error *err)
{
    const assay_data *v = &d->view;
    const uint32_t *rows = d->parts.rows[PART_TRAIN];
    const size_t n = d->parts.n[PART_TRAIN];
    for (size_t i = 0; i < n; i++)
        w[v->label[rows[i]]] += 1;
    for (size_t c = 0; c < v->n_classes; c++) {
        if (w[c] == 0) {
            return fail_at(err, E_RANGE, &plan->class_weights_at,
                "data.class_weights: class %zu%s%s has no sample in the training part", c,
                v->class_names != NULL ? " " : "", v->class_names != NULL ? v->class_names[c] : "");
        }
        w[c] = (double)n / ((double)v->n_classes * w[c]);
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

/* d->class_weight = sample weight times w[class] */
static status fill_weights(dataset *d, const double *w, error *err)
{
    const assay_data *v = &d->view;
    d->class_weight = calloc(v->n_samples, sizeof(float));
    if (d->class_weight == NULL) return fail_nomem(err, "weights");
    for (size_t i = 0; i < v->n_samples; i++) {
        const double sample = v->weight != NULL ? v->weight[i] : 1;
        d->class_weight[i] = (float)(sample * w[v->label[i]]);
    }
    return OK;
}

/* Something of the training part must count. */
static status check_weights(
    const dataset *d, const float *weight, const data_plan *plan, error *err)
{
    double sum = 0;
    for (size_t i = 0; i < d->parts.n[PART_TRAIN]; i++)
        sum += weight[d->parts.rows[PART_TRAIN][i]];
    if (sum > 0) return OK;
    return fail_at(err, E_RANGE, &plan->at, "data: all weights of the training part are 0");
}

static status weigh(dataset *d, const data_plan *plan, error *err)
{
    status st = OK;
    double *w = NULL;
    if (plan->weighting == CLASS_WEIGHTS_NONE) {
        return d->view.weight != NULL ? check_weights(d, d->view.weight, plan, err) : OK;
    }
    TRY(check_class_weights(d, plan, err));
    w = calloc(d->view.n_classes, sizeof(double));
    if (w == NULL) {
        st = fail_nomem(err, "class weights");
        goto done;
    }
    if (plan->weighting == CLASS_WEIGHTS_BALANCED) {
        TRY(balance(d, plan, w, err));
    } else {
        memcpy(w, plan->class_weights, d->view.n_classes * sizeof(double));
    }
    TRY(fill_weights(d, w, err));
    TRY(check_weights(d, d->class_weight, plan, err));
done:
    free(w);
    return st;
}

/* Splits, weighs and fits; d->view is filled in. */
static status prepare(dataset *d, const data_plan *plan, error *err)
{
    status st = OK;
    d->options = plan->batches;
    st = view_check(&d->view, err);
    if (st != OK) {
        return plan->at.file != NULL ? error_where(err, "%s:%d: data", plan->at.file, plan->at.line)
                                     : st;
    }
    TRY(split_data(d, plan, err));
    TRY(weigh(d, plan, err));
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
    TRY(instance_new(r, c, ASSAY_KIND_DATASET, block, data_plan_keys(), 0, "data", &source, err));
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
    split_release(&d->parts);
    transform_release(&d->features);
    free(d->targets);
    free(d->target_mean);
    free(d->target_deviation);
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
    (void)d;
    return 1;
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

void dataset_describe(const dataset *d, text *t)
{
    const assay_data *v = &d->view;
    text_printf(t, "%zu samples (", (size_t)v->n_samples);
    for (int p = 0, n = 0; p < N_PARTS; p++) {
        if (d->parts.n[p] == 0) continue;
        text_printf(t, "%s%zu %s", n++ > 0 ? ", " : "", d->parts.n[p], part_name((part)p));
    }
    text_add(t, ")");
    describe_count(t, dataset_features(d), "feature", "s");
    if (v->target == ASSAY_TARGET_CLASS) describe_count(t, v->n_classes, "class", "es");
    if (v->target == ASSAY_TARGET_REAL) describe_count(t, v->n_targets, "real target", "s");
    if (v->target == ASSAY_TARGET_BINARY) describe_count(t, v->n_targets, "binary target", "s");
}
