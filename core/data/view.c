/* Whether the views that a dataset plugin handed out follow the contract: everything later relies on it, so every label,
 * target, weight and feature is looked at once. Sequences may share steps; the steps in memory are those up to the last that a
 * sample has. */
#include "data/internal.h"

#include <math.h>
#include <stdio.h>

/* What the checks of values know: how much memory the view declares. */
struct extent {
    size_t features, n_steps, n_target_rows;
};

/* A step's name in messages: "sample 3", "sample 3, step 7" or, where no sample has it, "step 12 in memory". */
static const char *name_step(const assay_data *d, size_t step, char *to, size_t bytes)
{
    if (d->first_step == NULL) {
        snprintf(to, bytes, "sample %zu", step);
        return to;
    }
    for (size_t i = 0; i < d->n_samples; i++) {
        const uint64_t first = d->first_step[i];
        if (step < first || step - first >= d->n_steps[i]) continue;
        snprintf(to, bytes, "sample %zu, step %zu", i, (size_t)(step - first));
        return to;
    }
    snprintf(to, bytes, "step %zu in memory", step);
    return to;
}

static const char *name_target(const assay_data *d, size_t row, char *to, size_t bytes)
{
    if (has_step_targets(d)) return name_step(d, row, to, bytes);
    snprintf(to, bytes, "sample %zu", row);
    return to;
}

enum { NAME_BYTES = 80 };

static status check_shape(const assay_data *d, size_t *out_features, error *err)
{
    if (d->n_samples == 0) return fail(err, E_PLUGIN, "the dataset has no samples");
    if (d->n_samples > UINT32_MAX) {
        return fail(err, E_UNSUPPORTED, "%llu samples are more than this version can number",
            (unsigned long long)d->n_samples);
    }
    size_t features = 1;
    bool fits = d->x_shape.n_dims >= 1 && d->x_shape.n_dims <= ASSAY_MAX_DIMS && d->x != NULL;
    for (uint64_t i = 0; fits && i < d->x_shape.n_dims; i++)
        fits = size_product(features, d->x_shape.dim[i], &features);
    if (!fits || features == 0) return fail(err, E_PLUGIN, "the dataset has no features");
    const size_t each = d->x_dtype == ASSAY_U8 ? 1 : 4;
    if (d->x_dtype < ASSAY_F32 || d->x_dtype > ASSAY_U8) {
        return fail(err, E_PLUGIN, "the features are of an unknown type %u", d->x_dtype);
    }
    if (d->x_stride / each < features || d->x_stride % each != 0) {
        return fail(err, E_PLUGIN, "x_stride %llu does not fit the shape of a sample",
            (unsigned long long)d->x_stride);
    }
    *out_features = features;
    return OK;
}

static status check_sequences(const assay_data *d, error *err)
{
    if ((d->first_step == NULL) != (d->n_steps == NULL)) {
        return fail(err, E_PLUGIN,
            "sequences need both first_step and n_steps, and there is only %s",
            d->first_step != NULL ? "first_step" : "n_steps");
    }
    for (size_t i = 0; d->first_step != NULL && i < d->n_samples; i++) {
        const uint64_t n = d->n_steps[i];
        size_t end = 0;
        if (n == 0) return fail(err, E_PLUGIN, "sample %zu has no steps", i);
        if (n > UINT32_MAX) {
            return fail(err, E_UNSUPPORTED,
                "sample %zu: %llu steps are more than this version can count", i,
                (unsigned long long)n);
        }
        if (!size_sum(d->first_step[i], n, &end)) {
            return fail(err, E_PLUGIN, "sample %zu: %llu steps from step %llu on cannot be", i,
                (unsigned long long)n, (unsigned long long)d->first_step[i]);
        }
    }
    return OK;
}

/* All sizes in bytes can be counted. */
static status measure(const assay_data *d, struct extent *e, error *err)
{
    size_t bytes = 0, numbers = 0;
    e->n_steps = data_n_steps(d);
    e->n_target_rows = data_n_target_rows(d);
    const size_t n_targets = d->target == ASSAY_TARGET_CLASS ? 1 : d->n_targets;
    if (!size_product(e->n_steps, d->x_stride, &bytes) ||
        !size_product(e->n_target_rows, n_targets, &numbers) ||
        !size_product(numbers, sizeof(float), &bytes)) {
        return fail(err, E_PLUGIN, "%zu steps of %llu bytes with %llu targets are more than can be",
            e->n_steps, (unsigned long long)d->x_stride, (unsigned long long)d->n_targets);
    }
    return OK;
}

static status check_kinds(const assay_data *d, error *err)
{
    if (d->target_per_step > 1) {
        return fail(err, E_PLUGIN, "target_per_step is %llu: expected 0 or 1",
            (unsigned long long)d->target_per_step);
    }
    if (d->targets_u8 != NULL && d->target != ASSAY_TARGET_BINARY) {
        return fail(err, E_PLUGIN, "there are targets of bytes, but the targets are not binary");
    }
    if (d->targets_u8 != NULL && d->targets != NULL) {
        return fail(
            err, E_PLUGIN, "there are targets of bytes and of floats: expected one of them");
    }
    if (d->token_names != NULL && d->x_dtype != ASSAY_I32) {
        return fail(err, E_PLUGIN, "there are names of tokens, but the features are not tokens");
    }
    for (uint64_t i = 0; d->token_names != NULL && i < d->vocabulary; i++) {
        if (d->token_names[i] != NULL) continue;
        return fail(err, E_PLUGIN, "token %llu of %llu has no name", (unsigned long long)i,
            (unsigned long long)d->vocabulary);
    }
    return OK;
}

static status check_reals(const assay_data *d, const struct extent *e, error *err)
{
    char name[NAME_BYTES];
    for (size_t i = 0; i < e->n_steps; i++) {
        const float *x =
            (const float *)(const void *)((const unsigned char *)d->x + i * d->x_stride);
        for (size_t k = 0; k < e->features; k++) {
            if (isfinite(x[k]) || (isnan(x[k]) && d->missing != 0)) continue;
            return fail(err, E_RANGE, "%s: feature %zu is %g", name_step(d, i, name, sizeof(name)),
                k, (double)x[k]);
        }
    }
    return OK;
}

static status check_tokens(const assay_data *d, const struct extent *e, error *err)
{
    char name[NAME_BYTES];
    if (d->vocabulary > INT32_MAX) {
        return fail(err, E_PLUGIN, "a vocabulary of %llu tokens: expected at most %d",
            (unsigned long long)d->vocabulary, INT32_MAX);
    }
    for (size_t i = 0; i < e->n_steps; i++) {
        const int32_t *x =
            (const int32_t *)(const void *)((const unsigned char *)d->x + i * d->x_stride);
        for (size_t k = 0; k < e->features; k++) {
            if (x[k] >= 0 && (uint64_t)x[k] < d->vocabulary) continue;
            return fail(err, E_RANGE, "%s: token %d is outside the vocabulary of %llu",
                name_step(d, i, name, sizeof(name)), x[k], (unsigned long long)d->vocabulary);
        }
    }
    return OK;
}

static status check_labels(const assay_data *d, const struct extent *e, error *err)
{
    char name[NAME_BYTES];
    if (d->label == NULL || d->n_classes == 0) {
        return fail(err, E_PLUGIN, "the targets are classes, but there are no labels");
    }
    if (d->n_classes > INT32_MAX) {
        return fail(err, E_PLUGIN, "%llu classes: expected at most %d",
            (unsigned long long)d->n_classes, INT32_MAX);
    }
    for (size_t i = 0; i < e->n_target_rows; i++) {
        if (d->label[i] >= 0 && (uint64_t)d->label[i] < d->n_classes) continue;
        return fail(err, E_RANGE, "%s: label %d is outside 0 to %llu",
            name_target(d, i, name, sizeof(name)), d->label[i],
            (unsigned long long)d->n_classes - 1);
    }
    return OK;
}

static bool is_target(const assay_data *d, size_t i)
{
    if (d->targets_u8 != NULL) return d->targets_u8[i] <= 1;
    const float y = d->targets[i];
    return d->target == ASSAY_TARGET_BINARY ? y == 0 || y == 1 : isfinite(y);
}

static status check_targets(const assay_data *d, const struct extent *e, error *err)
{
    char name[NAME_BYTES];
    if ((d->targets == NULL && d->targets_u8 == NULL) || d->n_targets == 0) {
        return fail(err, E_PLUGIN, "the targets are numbers, but there are none");
    }
    for (size_t i = 0; i < e->n_target_rows * d->n_targets; i++) {
        if (is_target(d, i)) continue;
        return fail(err, E_RANGE, "%s: target %zu is %g",
            name_target(d, i / d->n_targets, name, sizeof(name)), (size_t)(i % d->n_targets),
            d->targets_u8 != NULL ? (double)d->targets_u8[i] : (double)d->targets[i]);
    }
    return OK;
}

static status check_weights(const assay_data *d, error *err)
{
    for (size_t i = 0; d->weight != NULL && i < d->n_samples; i++) {
        if (d->weight[i] >= 0 && isfinite(d->weight[i])) continue;
        return fail(err, E_RANGE, "sample %zu: weight %g", i, (double)d->weight[i]);
    }
    return OK;
}

static status check_content(const assay_data *d, const struct extent *e, error *err)
{
    status st = OK;
    if (d->x_dtype == ASSAY_I32) TRY(check_tokens(d, e, err));
    if (d->target == ASSAY_TARGET_CLASS) {
        TRY(check_labels(d, e, err));
    } else if (d->target == ASSAY_TARGET_REAL || d->target == ASSAY_TARGET_BINARY) {
        TRY(check_targets(d, e, err));
    } else if (d->target != ASSAY_TARGET_NONE) {
        TRY(fail(err, E_PLUGIN, "the targets are of an unknown kind %llu",
            (unsigned long long)d->target));
    }
    TRY(check_weights(d, err));
done:
    return st;
}

status view_check(const assay_data *d, error *err)
{
    status st = OK;
    struct extent e = { 0 };
    TRY(check_shape(d, &e.features, err));
    TRY(check_sequences(d, err));
    TRY(check_kinds(d, err));
    TRY(measure(d, &e, err));
    if (d->x_dtype == ASSAY_F32) TRY(check_reals(d, &e, err));
    TRY(check_content(d, &e, err));
done:
    return st;
}

status view_check_content(const assay_data *d, error *err)
{
    status st = OK;
    struct extent e = { .features = assay_shape_size(&d->x_shape) };
    TRY(check_sequences(d, err));
    TRY(check_kinds(d, err));
    TRY(measure(d, &e, err));
    TRY(check_content(d, &e, err));
done:
    return st;
}
