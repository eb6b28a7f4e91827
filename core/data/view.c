/* Whether the views that a dataset plugin handed out follow the contract: everything later relies on it, so every label,
 * target, weight and feature is looked at once. */
#include "data/internal.h"

#include <math.h>
#include <stdio.h>

static status check_shape(const assay_data *d, error *err)
{
    if (d->n_samples == 0) return fail(err, E_PLUGIN, "the dataset has no samples");
    if (d->n_samples > UINT32_MAX) {
        return fail(err, E_UNSUPPORTED, "%llu samples are more than this version can number",
            (unsigned long long)d->n_samples);
    }
    if (d->first_step != NULL || d->target_per_step != 0) {
        return fail(err, E_UNSUPPORTED,
            "the dataset has sequences, and this version takes plain samples only");
    }
    if (d->x_shape.n_dims < 1 || d->x_shape.n_dims > ASSAY_MAX_DIMS ||
        assay_shape_size(&d->x_shape) == 0 || d->x == NULL) {
        return fail(err, E_PLUGIN, "the dataset has no features");
    }
    const size_t each = d->x_dtype == ASSAY_U8 ? 1 : 4;
    if (d->x_dtype < ASSAY_F32 || d->x_dtype > ASSAY_U8) {
        return fail(err, E_PLUGIN, "the features are of an unknown type %u", d->x_dtype);
    }
    if (d->x_stride < assay_shape_size(&d->x_shape) * each || d->x_stride % each != 0) {
        return fail(err, E_PLUGIN, "x_stride %llu does not fit the shape of a sample",
            (unsigned long long)d->x_stride);
    }
    return OK;
}

static status check_reals(const assay_data *d, error *err)
{
    const size_t n = assay_shape_size(&d->x_shape);
    for (size_t i = 0; i < d->n_samples; i++) {
        const float *x =
            (const float *)(const void *)((const unsigned char *)d->x + i * d->x_stride);
        for (size_t k = 0; k < n; k++) {
            if (isfinite(x[k]) || (isnan(x[k]) && d->missing != 0)) continue;
            return fail(err, E_RANGE, "sample %zu: feature %zu is %g", i, k, (double)x[k]);
        }
    }
    return OK;
}

static status check_tokens(const assay_data *d, error *err)
{
    const size_t n = assay_shape_size(&d->x_shape);
    for (size_t i = 0; i < d->n_samples; i++) {
        const int32_t *x =
            (const int32_t *)(const void *)((const unsigned char *)d->x + i * d->x_stride);
        for (size_t k = 0; k < n; k++) {
            if (x[k] >= 0 && (uint64_t)x[k] < d->vocabulary) continue;
            return fail(err, E_RANGE, "sample %zu: token %d is outside the vocabulary of %llu", i,
                x[k], (unsigned long long)d->vocabulary);
        }
    }
    return OK;
}

static status check_labels(const assay_data *d, error *err)
{
    if (d->label == NULL || d->n_classes == 0) {
        return fail(err, E_PLUGIN, "the targets are classes, but there are no labels");
    }
    for (size_t i = 0; i < d->n_samples; i++) {
        if (d->label[i] >= 0 && (uint64_t)d->label[i] < d->n_classes) continue;
        return fail(err, E_RANGE, "sample %zu: label %d is outside 0 to %llu", i, d->label[i],
            (unsigned long long)d->n_classes - 1);
    }
    return OK;
}

static status check_targets(const assay_data *d, error *err)
{
    if (d->targets == NULL || d->n_targets == 0) {
        return fail(err, E_PLUGIN, "the targets are numbers, but there are none");
    }
    for (size_t i = 0; i < d->n_samples * d->n_targets; i++) {
        const float v = d->targets[i];
        const bool fits = d->target == ASSAY_TARGET_BINARY ? v == 0 || v == 1 : isfinite(v);
        if (fits) continue;
        return fail(err, E_RANGE, "sample %zu: target %zu is %g", (size_t)(i / d->n_targets),
            (size_t)(i % d->n_targets), (double)v);
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

status view_check(const assay_data *d, error *err)
{
    status st = OK;
    TRY(check_shape(d, err));
    if (d->x_dtype == ASSAY_F32) TRY(check_reals(d, err));
    if (d->x_dtype == ASSAY_I32) TRY(check_tokens(d, err));
    if (d->target == ASSAY_TARGET_CLASS) {
        TRY(check_labels(d, err));
    } else if (d->target == ASSAY_TARGET_REAL || d->target == ASSAY_TARGET_BINARY) {
        TRY(check_targets(d, err));
    } else if (d->target != ASSAY_TARGET_NONE) {
        TRY(fail(err, E_PLUGIN, "the targets are of an unknown kind %llu",
            (unsigned long long)d->target));
    }
    TRY(check_weights(d, err));
done:
    return st;
}
