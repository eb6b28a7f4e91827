/* Batches of a part.
 *
 * Plain samples: a batch of consecutive rows that needs no conversion is a view; all others are gathered into buffers laid out
 * beforehand. Sequences and streams are always gathered (timed.c). The only batch of an epoch that is not shuffled never
 * changes and is gathered once. */
#include "data/batcher.h"

#include "data/internal.h"
#include "data/row_order.h"
#include "data/timed.h"

#include "base/arena.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct batcher {
    const dataset *data;
    row_order order;
    size_t features, n_targets, n_shards;
    bool is_view_of_x; /* rows as the plugin holds them are what a batch wants */
    bool is_gathered; /* the only batch is in the buffers */
    bool is_stream;
    bool has_time; /* batches are `timed`; else what follows it */
    streams streams;
    timed timed;
    void *x; /* [batch_size, features] of float or int32_t */
    int32_t *label; /* [batch_size] */
    float *target; /* [batch_size, n_targets] */
    float *weight; /* [batch_size] */
    const float *weights; /* [n_samples] what rows count, or NULL: all 1 */
    const float *targets; /* where target rows come from, or NULL: from bytes */
};

static status count_batches(batcher *b, part p, const batcher_options *o, error *err)
{
    row_order *order = &b->order;
    const size_t n = order->n;
    const bool is_all = o->batch_size == 0 || o->batch_size >= n;
    if (n == 0 && !o->drop_last) {
        return fail(err, E_MISSING, "the %s part has no samples", part_name(p));
    }
    order->batch_size = is_all ? n : o->batch_size;
    if (n > 0) {
        const size_t full = n / order->batch_size;
        order->n_batches = full + (!o->drop_last && full * order->batch_size < n);
    }
    order->shuffle = o->shuffle && !is_all;
    return OK;
}

/* A batch is a window of every stream. */
static status count_windows(batcher *b, const batcher_options *o, error *err)
{
    row_order *order = &b->order;
    if (o->batch_size == 0) {
        return fail(err, E_UNSUPPORTED,
            "data.batch_size is how many streams a batch holds where data.window is set: expected "
            "a number, found \"all\"");
    }
    order->shuffle = false;
    if (order->n == 0) return OK;
    const size_t window = b->data->options.window;
    b->streams = streams_cut(order->part_rows[0], order->n, o->batch_size, window);
    order->batch_size = b->streams.n;
    order->n_batches = o->drop_last ? b->streams.rows_each / window : b->streams.n_windows;
    return OK;
}

/* Sequences of unequal length, shuffled, are sorted in pools. */
static void plan_buckets(batcher *b, const batcher_options *o, bool pads)
{
    row_order *order = &b->order;
    if (!order->shuffle || !pads || o->bucket < 2) return;
    order->length = b->data->view.n_steps;
    if (!size_product(o->bucket, order->batch_size, &order->pool)) order->pool = order->n;
}

static status plan_time(batcher *b, const batcher_options *o, error *err)
{
    const assay_data *v = &b->data->view;
    size_t least = 1, most = 1;
    if (b->is_stream) {
        const size_t window = b->data->options.window;
        most = window < b->order.n ? window : b->order.n;
        least = b->streams.n_longer > 0 ? 0 : most;
    } else if (b->order.n > 0) {
        sample_range(v, b->order.part_rows, b->order.n, &least, &most);
    }
    plan_buckets(b, o, least < most);
    b->timed = (timed){ .data = b->data,
        .streams = b->is_stream ? &b->streams : NULL,
        .n_shards = b->n_shards,
        .max_batch = b->order.batch_size,
        .max_time = most };
    return timed_init(&b->timed, o->class_weights, least < most, err);
}

/* Whether every batch is a view of the plugin's memory. */
static bool is_all_views(const batcher *b)
{
    const row_order *o = &b->order;
    const bool is_run = o->n > 0 && o->part_rows[o->n - 1] - o->part_rows[0] == o->n - 1;
    return is_run && !o->shuffle && b->is_view_of_x;
}

static status plan_plain(batcher *b, const batcher_options *o, error *err)
{
    const assay_data *v = &b->data->view;
    const size_t n = b->order.batch_size;
    size_t numbers = 0, targets = 0;
    b->is_view_of_x = transform_is_view(&b->data->features, v);
    b->weights =
        o->class_weights && b->data->class_weight != NULL ? b->data->class_weight : v->weight;
    if (v->target == ASSAY_TARGET_REAL || v->target == ASSAY_TARGET_BINARY) {
        b->targets = b->data->targets != NULL ? b->data->targets : v->targets;
        b->n_targets = v->n_targets;
    }
    const bool fits =
        size_product(n, b->features, &numbers) && size_product(n, b->n_targets, &targets);
    if (!fits || !buffer_new(!is_all_views(b), numbers, sizeof(float), &b->x) ||
        !buffer_new(v->target == ASSAY_TARGET_CLASS, n, sizeof(int32_t), &b->label) ||
        !buffer_new(b->n_targets > 0, targets, sizeof(float), &b->target) ||
        !buffer_new(b->weights != NULL, n, sizeof(float), &b->weight)) {
        return fail_nomem(err, "batches");
    }
    return OK;
}

status batcher_new(const dataset *d, part p, const batcher_options *o, batcher **out, error *err)
{
    status st = OK;
    batcher *b = calloc(1, sizeof(*b));
    if (b == NULL) return fail_nomem(err, "a batcher");
    b->data = d;
    b->order = (row_order){ .part_rows = dataset_rows(d, p), .n = dataset_size(d, p) };
    b->features = dataset_features(d);
    b->n_shards = o->n_shards > 0 ? o->n_shards : 1;
    b->is_stream = dataset_is_stream(d);
    b->has_time = dataset_has_time(d);
    if (b->is_stream && (b->order.n > 0 || o->drop_last)) {
        TRY(count_windows(b, o, err));
    } else {
        TRY(count_batches(b, p, o, err));
    }
    TRY(b->has_time ? plan_time(b, o, err) : plan_plain(b, o, err));
    TRY(row_order_init(&b->order, o->seed, err));
    *out = b;
    b = NULL;
done:
    batcher_free(b);
    return st;
}

void batcher_free(batcher *b)
{
    if (b == NULL) return;
    row_order_release(&b->order);
    timed_release(&b->timed);
    free(b->x);
    free(b->label);
    free(b->target);
    free(b->weight);
    free(b);
}

void batcher_set_shards(batcher *b, size_t n_shards)
{
    b->n_shards = b->timed.n_shards = n_shards > 0 ? n_shards : 1;
    b->is_gathered = false;
}

size_t batcher_n_batches(const batcher *b)
{
    return b->order.n_batches;
}

size_t batcher_n_samples(const batcher *b)
{
    const size_t window = b->is_stream ? b->data->options.window : 1;
    const size_t full = b->order.n_batches * b->order.batch_size * window;
    return full < b->order.n ? full : b->order.n;
}

size_t batcher_max_batch(const batcher *b)
{
    return b->order.batch_size;
}

size_t batcher_whole_batch(const dataset *d, part p)
{
    const data_options *o = &d->options;
    const size_t n = dataset_whole_size(d, p);
    if (dataset_is_stream(d) && n > 0) return streams_cut(0, n, o->batch_size, o->window).n;
    return o->batch_size == 0 || o->batch_size >= n ? n : o->batch_size;
}

size_t batcher_max_time(const batcher *b)
{
    return b->has_time ? b->timed.max_time : 1;
}

/* The i-th batch's rows; of streams their number. */
static const uint32_t *batch_rows(batcher *b, uint64_t epoch, size_t i_batch, size_t *out_n)
{
    if (!b->is_stream) return row_order_batch(&b->order, epoch, i_batch, out_n);
    assert(i_batch < b->order.n_batches);
    *out_n = b->streams.n;
    return NULL;
}

static void gather_x(batcher *b, const uint32_t *rows, size_t n)
{
    const assay_data *v = &b->data->view;
    if (v->x_dtype == ASSAY_I32) {
        int32_t *x = b->x;
        for (size_t i = 0; i < n; i++) {
            const unsigned char *from = (const unsigned char *)v->x + rows[i] * v->x_stride;
            memcpy(x + i * b->features, from, b->features * sizeof(int32_t));
        }
        return;
    }
    float *x = b->x;
    for (size_t i = 0; i < n; i++) {
        transform_row(&b->data->features, v, rows[i], x + i * b->features);
    }
}

static void gather_rest(batcher *b, const uint32_t *rows, size_t n)
{
    const assay_data *v = &b->data->view;
    for (size_t i = 0; b->label != NULL && i < n; i++)
        b->label[i] = v->label[rows[i]];
    for (size_t i = 0; b->target != NULL && i < n; i++)
        targets_row(v, b->targets, rows[i], b->target + i * b->n_targets);
    for (size_t i = 0; b->weight != NULL && i < n; i++)
        b->weight[i] = b->weights[rows[i]];
}

/* Views of consecutive rows. */
static void view_rest(const batcher *b, size_t first, batch *out)
{
    out->label = b->label != NULL ? b->data->view.label + first : NULL;
    out->target = b->target != NULL ? b->targets + first * b->n_targets : NULL;
    out->weight = b->weight != NULL ? b->weights + first : NULL;
}

static double plain_weight_sum(const batcher *b, const uint32_t *rows, size_t n)
{
    if (b->weights == NULL) return (double)n;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += b->weights[rows[i]];
    return sum;
}

double batcher_weight_sum(batcher *b, uint64_t epoch, size_t i_batch)
{
    size_t n = 0;
    const uint32_t *rows = batch_rows(b, epoch, i_batch, &n);
    return b->has_time ? timed_weight_sum(&b->timed, rows, n, i_batch)
                       : plain_weight_sum(b, rows, n);
}

static void plain_get(batcher *b, const uint32_t *rows, size_t n, bool is_there, batch *out)
{
    const assay_data *v = &b->data->view;
    const bool is_run = !b->order.shuffle && rows[n - 1] - rows[0] == n - 1;
    const bool is_bytes = b->target != NULL && b->targets == NULL;
    const void *x = b->x;
    *out = (batch){
        .n = n, .time = 1, .target_time = 1, .n_shards = b->n_shards, .n_samples = n, .rows = rows
    };
    if (is_run && b->is_view_of_x) {
        x = (const unsigned char *)v->x + rows[0] * v->x_stride;
    } else if (!is_there) {
        gather_x(b, rows, n);
    }
    if (is_run && !is_bytes) {
        view_rest(b, rows[0], out);
    } else {
        if (!is_there) gather_rest(b, rows, n);
        out->label = b->label;
        out->target = b->target;
        out->weight = b->weight;
    }
    out->x = v->x_dtype == ASSAY_I32 ? NULL : x;
    out->tokens = v->x_dtype == ASSAY_I32 ? x : NULL;
    out->step_weight = out->weight;
    out->weight_sum = plain_weight_sum(b, rows, n);
}

void batcher_get(batcher *b, uint64_t epoch, size_t i_batch, batch *out)
{
    size_t n = 0;
    const uint32_t *rows = batch_rows(b, epoch, i_batch, &n);
    const bool is_there = b->is_gathered && b->order.n_batches == 1 && !b->order.shuffle;
    if (b->has_time) {
        timed_get(&b->timed, rows, n, i_batch, is_there, out);
    } else {
        plain_get(b, rows, n, is_there, out);
    }
    b->is_gathered = true;
}
