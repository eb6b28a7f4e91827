/* Standardisation and missing values, fitted on the training part alone.
 *
 * Means and variances are taken in double in two passes. A constant feature is only centred; a feature that marks a category
 * keeps its 0 and 1. Bytes are scaled first, so shift and factor are in the units that the model sees. The change of one
 * number is the same in place and while gathering, so both give the same bits.
 */
#include "data/transform.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sums per feature over the steps. */
struct moments {
    double *mean, *square, *count;
    float *low, *high;
};

static const void *step_at(const assay_data *d, size_t step)
{
    return (const unsigned char *)d->x + step * d->x_stride;
}

/* A step as the plugin means it: bytes scaled. */
static void raw_row(const assay_data *d, size_t step, float *to, size_t n)
{
    if (d->x_dtype == ASSAY_F32) {
        memcpy(to, step_at(d, step), n * sizeof(float));
        return;
    }
    const unsigned char *from = step_at(d, step);
    const float scale = (float)(d->x_scale != 0 ? d->x_scale : 1);
    for (size_t k = 0; k < n; k++)
        to[k] = scale * (float)from[k];
}

static void moments_release(struct moments *m)
{
    free(m->mean);
    free(m->square);
    free(m->count);
    free(m->low);
    free(m->high);
}

static bool moments_init(struct moments *m, size_t n)
{
    m->mean = calloc(n, sizeof(double));
    m->square = calloc(n, sizeof(double));
    m->count = calloc(n, sizeof(double));
    m->low = calloc(n, sizeof(float));
    m->high = calloc(n, sizeof(float));
    return m->mean != NULL && m->square != NULL && m->count != NULL && m->low != NULL &&
        m->high != NULL;
}

static void moments_add(struct moments *m, const float *x, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (isnan(x[k])) continue;
        if (m->count[k] == 0 || x[k] < m->low[k]) m->low[k] = x[k];
        if (m->count[k] == 0 || x[k] > m->high[k]) m->high[k] = x[k];
        m->mean[k] += x[k];
        m->count[k] += 1;
    }
}

static void moments_fit(
    struct moments *m, const assay_data *d, const step_set *steps, float *x, size_t n)
{
    for (size_t i = 0; i < steps->n; i++) {
        if (!step_set_has(steps, i)) continue;
        raw_row(d, i, x, n);
        moments_add(m, x, n);
    }
    for (size_t k = 0; k < n; k++) {
        if (m->count[k] > 0) m->mean[k] /= m->count[k];
    }
    for (size_t i = 0; i < steps->n; i++) {
        if (!step_set_has(steps, i)) continue;
        raw_row(d, i, x, n);
        for (size_t k = 0; k < n; k++) {
            const double e = x[k] - m->mean[k];
            if (!isnan(x[k])) m->square[k] += e * e;
        }
    }
}

static bool is_category(const assay_data *d, size_t k)
{
    return d->feature_flags != NULL && (d->feature_flags[k] & ASSAY_FEATURE_CATEGORY) != 0;
}

/* From moments to shift, factor and fill. */
static void transform_set(
    transform *t, const struct moments *m, const assay_data *d, bool standardize)
{
    for (size_t k = 0; k < t->n; k++) {
        t->factor[k] = 1;
        t->fill[k] = (float)m->mean[k];
        if (!standardize || is_category(d, k) || m->count[k] == 0) continue;
        const double variance = m->square[k] / m->count[k];
        const bool is_constant = m->low[k] == m->high[k];
        t->shift[k] = is_constant ? m->low[k] : (float)m->mean[k];
        t->factor[k] = is_constant ? 1 : (float)(1 / sqrt(variance));
        t->fill[k] = 0;
    }
}

/* A feature with NaN somewhere needs a value in the training part. */
static status check_fillable(
    const struct moments *m, const assay_data *d, float *x, size_t n, error *err)
{
    const size_t n_steps = data_n_steps(d);
    for (size_t i = 0; i < n_steps; i++) {
        raw_row(d, i, x, n);
        for (size_t k = 0; k < n; k++) {
            if (!isnan(x[k]) || m->count[k] > 0) continue;
            char number[32];
            snprintf(number, sizeof(number), "%zu", k);
            return fail(err, E_RANGE,
                "feature \"%s\" has missing values, and no value in the training part to take the "
                "mean of",
                d->feature_names != NULL ? d->feature_names[k] : number);
        }
    }
    return OK;
}

void transform_release(transform *t)
{
    free(t->shift);
    free(t->factor);
    free(t->fill);
    *t = (transform){ 0 };
}

static bool may_miss(const assay_data *d)
{
    return d->missing != 0 && d->x_dtype == ASSAY_F32;
}

bool transform_is_needed(const assay_data *d, bool standardize)
{
    return standardize || may_miss(d);
}

status transform_fit(
    const assay_data *d, bool standardize, const step_set *steps, transform *out, error *err)
{
    const size_t n = assay_shape_size(&d->x_shape);
    const bool has_missing = may_miss(d);
    status st = OK;
    struct moments m = { 0 };
    transform t = { .n = n, .has_missing = has_missing };
    float *x = NULL;
    *out = (transform){ 0 };
    if (!transform_is_needed(d, standardize)) return OK;
    x = calloc(n, sizeof(float));
    t.shift = calloc(n, sizeof(float));
    t.factor = calloc(n, sizeof(float));
    t.fill = calloc(n, sizeof(float));
    if (x == NULL || t.shift == NULL || t.factor == NULL || t.fill == NULL ||
        !moments_init(&m, n)) {
        st = fail_nomem(err, "standardisation");
        goto done;
    }
    moments_fit(&m, d, steps, x, n);
    if (has_missing) TRY(check_fillable(&m, d, x, n, err));
    transform_set(&t, &m, d, standardize);
    *out = t;
    t = (transform){ 0 };
done:
    free(x);
    moments_release(&m);
    transform_release(&t);
    return st;
}

static void change(const transform *t, float *x)
{
    for (size_t k = 0; k < t->n; k++)
        x[k] = (x[k] - t->shift[k]) * t->factor[k];
    if (!t->has_missing) return;
    for (size_t k = 0; k < t->n; k++) {
        if (isnan(x[k])) x[k] = t->fill[k];
    }
}

void transform_apply(const transform *t, const assay_data *d)
{
    const size_t n_steps = data_n_steps(d);
    if (t->n == 0) return;
    for (size_t i = 0; i < n_steps; i++) {
        float *x = (float *)((unsigned char *)(uintptr_t)d->x + i * d->x_stride);
        change(t, x);
    }
}

bool transform_is_view(const transform *t, const assay_data *d)
{
    return t->n == 0 && d->x_dtype != ASSAY_U8 &&
        d->x_stride == assay_shape_size(&d->x_shape) * sizeof(float);
}

void transform_row(const transform *t, const assay_data *d, size_t step, float *to)
{
    raw_row(d, step, to, assay_shape_size(&d->x_shape));
    if (t->n > 0) change(t, to);
}

void target_moments(const assay_data *d, const step_set *rows, double *mean, double *deviation)
{
    const size_t n = d->n_targets;
    const double n_rows = (double)rows->n_marked;
    for (size_t k = 0; k < n; k++) {
        double sum = 0, square = 0;
        float first = 0;
        bool is_constant = true, is_first = true;
        for (size_t i = 0; i < rows->n; i++) {
            if (step_set_has(rows, i)) sum += d->targets[i * n + k];
        }
        mean[k] = sum / n_rows;
        for (size_t i = 0; i < rows->n; i++) {
            if (!step_set_has(rows, i)) continue;
            const float y = d->targets[i * n + k];
            const double e = y - mean[k];
            square += e * e;
            first = is_first ? y : first;
            is_first = false;
            is_constant = is_constant && y == first;
        }
        deviation[k] = is_constant ? 1 : sqrt(square / n_rows);
    }
}
