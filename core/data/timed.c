/* Batches of several steps.
 *
 * A batch is a table of columns: one for each sample, or stream, with its steps from the first on and padding below. Columns
 * are copied one by one into the array of their shard, [time, columns of the shard, ...], so that a replica finds its part
 * contiguous. Sums go by column and step, and so do not depend on the shards. */
#include "data/timed.h"

#include "data/internal.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

/* Streams ---------------------------------------------------------------------------------------------------------- */

streams streams_cut(size_t first_row, size_t n_rows, size_t batch_size, size_t window)
{
    const size_t most = n_rows / window > 0 ? n_rows / window : 1;
    const size_t n = batch_size < most ? batch_size : most;
    streams s = { .n = n,
        .window = window,
        .first_row = first_row,
        .rows_each = n_rows / n,
        .n_longer = n_rows % n };
    s.n_windows = (s.rows_each + (s.n_longer > 0) + window - 1) / window;
    return s;
}

column streams_column(const streams *s, size_t i, size_t j)
{
    const size_t begin = j * s->rows_each + (j < s->n_longer ? j : s->n_longer);
    const size_t n = s->rows_each + (j < s->n_longer), from = i * s->window;
    const size_t left = n > from ? n - from : 0;
    const size_t row = s->first_row + begin + (left > 0 ? from : n - 1);
    return (column){ row, row, left < s->window ? left : s->window };
}

static column column_at(const timed *t, const uint32_t *rows, size_t i_batch, size_t j)
{
    const assay_data *v = &t->data->view;
    if (t->streams != NULL) return streams_column(t->streams, i_batch, j);
    return (column){ rows[j], sample_first(v, rows[j]), sample_steps(v, rows[j]) };
}

/* Layout ----------------------------------------------------------------------------------------------------------- */

static bool lay_out(timed *t, bool weighs, bool pads)
{
    const assay_data *v = &t->data->view;
    const size_t n = t->max_batch;
    size_t steps = 0, numbers = 0, targets = 0;
    if (!size_product(n, t->max_time, &steps)) return false;
    const size_t target_rows = t->target_per_step ? steps : n;
    const bool own_weight = t->target_per_step ? t->label_weight != NULL : t->weights != NULL;
    return size_product(steps, t->features, &numbers) &&
        size_product(target_rows, t->n_targets, &targets) &&
        buffer_new(true, numbers, sizeof(float), &t->x) &&
        buffer_new(v->target == ASSAY_TARGET_CLASS, target_rows, sizeof(int32_t), &t->label) &&
        buffer_new(t->n_targets > 0, targets, sizeof(float), &t->target) &&
        buffer_new(own_weight, target_rows, sizeof(float), &t->weight) &&
        buffer_new(weighs || pads, steps, sizeof(float), &t->step_weight) &&
        buffer_new(pads, n, sizeof(uint32_t), &t->length) &&
        buffer_new(t->streams != NULL, n, sizeof(uint32_t), &t->rows);
}

status timed_init(timed *t, bool class_weights, bool pads, error *err)
{
    const dataset *d = t->data;
    t->features = dataset_features(d);
    t->target_per_step = dataset_has_target_per_step(d);
    t->weights = d->view.weight;
    if (class_weights && t->target_per_step) {
        t->label_weight = d->label_weight;
    } else if (class_weights && d->class_weight != NULL) {
        t->weights = d->class_weight;
    }
    if (d->view.target == ASSAY_TARGET_REAL || d->view.target == ASSAY_TARGET_BINARY) {
        t->targets = d->targets != NULL ? d->targets : d->view.targets;
        t->n_targets = d->view.n_targets;
    }
    if (lay_out(t, t->weights != NULL, pads)) return OK;
    return fail(err, E_NOMEM,
        "out of memory for batches of %zu %s of %zu steps: make data.batch_size smaller",
        t->max_batch, t->streams != NULL ? "streams" : "sequences", t->max_time);
}

void timed_release(timed *t)
{
    free(t->x);
    free(t->label);
    free(t->target);
    free(t->weight);
    free(t->step_weight);
    free(t->length);
    free(t->rows);
}

/* Gathering -------------------------------------------------------------------------------------------------------- */

/* Where the steps of a column go: the k-th to row `begin + k * stride` of an array. */
typedef struct place {
    size_t begin, stride;
} place;

/* Column j of n, which lies in the shard from `first` to `end`. */
static place place_of(size_t j, size_t first, size_t end, size_t time)
{
    return (place){ first * time + (j - first), end - first };
}

/* The k-th step's sample; a stream's steps are samples. */
static size_t row_of(const timed *t, const column *c, size_t k)
{
    return t->streams != NULL ? c->row + k : c->row;
}

static size_t target_row_of(const timed *t, const column *c, size_t k)
{
    return t->target_per_step ? c->step + k : c->row;
}

static float step_weight_of(const timed *t, const column *c, size_t k)
{
    return t->weights != NULL ? t->weights[row_of(t, c, k)] : 1;
}

/* What the k-th target row counts. */
static float weight_of(const timed *t, const column *c, size_t k)
{
    const float sample = step_weight_of(t, c, k);
    if (t->label_weight == NULL) return sample;
    const int32_t label = t->data->view.label[target_row_of(t, c, k)];
    return (float)((double)sample * t->label_weight[label]);
}

static void gather_x(timed *t, const column *c, size_t time, place p)
{
    const assay_data *v = &t->data->view;
    const size_t n = t->features;
    for (size_t k = 0; k < time; k++) {
        const size_t at = (p.begin + k * p.stride) * n;
        if (v->x_dtype == ASSAY_I32) {
            int32_t *to = (int32_t *)t->x + at;
            if (k < c->length) {
                memcpy(to, (const unsigned char *)v->x + (c->step + k) * v->x_stride,
                    n * sizeof(int32_t));
            } else {
                memset(to, 0, n * sizeof(int32_t));
            }
        } else if (k < c->length) {
            transform_row(&t->data->features, v, c->step + k, (float *)t->x + at);
        } else {
            memset((float *)t->x + at, 0, n * sizeof(float));
        }
    }
}

static void gather_targets(timed *t, const column *c, size_t target_time, place p)
{
    const assay_data *v = &t->data->view;
    const size_t n = t->n_targets, length = t->target_per_step ? c->length : 1;
    for (size_t k = 0; t->label != NULL && k < target_time; k++) {
        t->label[p.begin + k * p.stride] = k < length ? v->label[target_row_of(t, c, k)] : 0;
    }
    for (size_t k = 0; t->target != NULL && k < target_time; k++) {
        float *to = t->target + (p.begin + k * p.stride) * n;
        if (k < length) {
            targets_row(v, t->targets, target_row_of(t, c, k), to);
        } else {
            memset(to, 0, n * sizeof(float));
        }
    }
}

static void gather_step_weights(timed *t, const column *c, size_t time, place p)
{
    for (size_t k = 0; k < time; k++) {
        t->step_weight[p.begin + k * p.stride] = k < c->length ? step_weight_of(t, c, k) : 0;
    }
}

static void gather_weights(timed *t, const column *c, size_t target_time, place p)
{
    const size_t length = t->target_per_step ? c->length : 1;
    for (size_t k = 0; k < target_time; k++) {
        t->weight[p.begin + k * p.stride] = k < length ? weight_of(t, c, k) : 0;
    }
}

/* Lengths and rows of the batch, its time, and whether columns are unequal. */
static bool look_at_columns(timed *t, const uint32_t *rows, size_t i_batch, batch *out)
{
    size_t least = SIZE_MAX, most = 0;
    out->n_samples = t->streams != NULL ? 0 : out->n;
    for (size_t j = 0; j < out->n; j++) {
        const column c = column_at(t, rows, i_batch, j);
        if (t->length != NULL) t->length[j] = (uint32_t)c.length;
        if (t->rows != NULL) t->rows[j] = (uint32_t)c.row;
        out->n_samples += t->streams != NULL ? c.length : 0;
        least = c.length < least ? c.length : least;
        most = c.length > most ? c.length : most;
    }
    out->time = most;
    out->target_time = t->target_per_step ? most : 1;
    return least < most;
}

static void gather_columns(timed *t, const uint32_t *rows, size_t i_batch, const batch *out)
{
    for (size_t i = 0; i < t->n_shards; i++) {
        const size_t first = batch_shard_begin(out->n, i, t->n_shards);
        const size_t end = batch_shard_begin(out->n, i + 1, t->n_shards);
        for (size_t j = first; j < end; j++) {
            const column c = column_at(t, rows, i_batch, j);
            const place p = place_of(j, first, end, out->time);
            const place of_target = place_of(j, first, end, out->target_time);
            gather_x(t, &c, out->time, p);
            gather_targets(t, &c, out->target_time, of_target);
            if (out->step_weight != NULL) gather_step_weights(t, &c, out->time, p);
            if (t->weight != NULL) gather_weights(t, &c, out->target_time, of_target);
        }
    }
}

void timed_get(timed *t, const uint32_t *rows, size_t n, size_t i_batch, bool is_there, batch *out)
{
    const bool is_tokens = t->data->view.x_dtype == ASSAY_I32;
    *out = (batch){ .n = n, .n_shards = t->n_shards, .rows = t->rows != NULL ? t->rows : rows };
    const bool is_padded = look_at_columns(t, rows, i_batch, out);
    out->x = is_tokens ? NULL : t->x;
    out->tokens = is_tokens ? t->x : NULL;
    out->label = t->label;
    out->target = t->target;
    out->length = is_padded ? t->length : NULL;
    out->step_weight = is_padded || t->weights != NULL ? t->step_weight : NULL;
    out->weight = t->weight != NULL ? t->weight : t->target_per_step ? out->step_weight : NULL;
    out->starts = t->streams != NULL && i_batch == 0;
    out->carries = t->streams != NULL;
    out->weight_sum = timed_weight_sum(t, rows, n, i_batch);
    if (!is_there) gather_columns(t, rows, i_batch, out);
}

double timed_weight_sum(const timed *t, const uint32_t *rows, size_t n, size_t i_batch)
{
    const bool is_all_1 = t->weights == NULL && t->label_weight == NULL;
    double sum = 0;
    for (size_t j = 0; j < n; j++) {
        const column c = column_at(t, rows, i_batch, j);
        const size_t length = t->target_per_step ? c.length : 1;
        if (is_all_1) sum += (double)length;
        for (size_t k = 0; !is_all_1 && k < length; k++)
            sum += weight_of(t, &c, k);
    }
    return sum;
}
