/* Batches of a part.
 *
 * The order of an epoch is a shuffle of the part's rows by (seed, epoch) alone; it is made when a batch of another epoch is
 * asked for, so any batch can be had at once. A batch of consecutive rows that needs no conversion is a view; all others are
 * gathered into buffers laid out beforehand. The batch of "all" never changes and is gathered once. */
#include "data/batcher.h"

#include "data/internal.h"

#include "base/arena.h"
#include "base/rng.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct batcher {
    const dataset *data;
    const uint32_t *part_rows; /* ascending */
    size_t n; /* rows of the part */
    size_t batch_size, n_batches;
    size_t features, n_targets;
    bool shuffle;
    bool is_view_of_x; /* rows as the plugin holds them are what a batch wants */
    bool is_gathered; /* the only batch is in the buffers */
    rng random;
    uint64_t epoch; /* whose order is in `order` */
    bool has_order;
    uint32_t *order; /* [n], where shuffled */
    void *x; /* [batch_size, features] of float or int32_t */
    int32_t *label; /* [batch_size] */
    float *target; /* [batch_size, n_targets] */
    float *weight; /* [batch_size] */
    const float *weights; /* [n_samples] what rows count, or NULL: all 1 */
    const float *targets; /* where target rows come from */
};

static status count_batches(batcher *b, part p, const batcher_options *o, error *err)
{
    const bool is_all = o->batch_size == 0 || o->batch_size >= b->n;
    if (b->n == 0 && !o->drop_last) {
        return fail(err, E_MISSING, "the %s part has no samples", part_name(p));
    }
    b->batch_size = is_all ? b->n : o->batch_size;
    if (b->n > 0) {
        const size_t full = b->n / b->batch_size;
        b->n_batches = full + (!o->drop_last && full * b->batch_size < b->n);
    }
    b->shuffle = o->shuffle && !is_all;
    return OK;
}

/* Whether every batch is a view of the plugin's memory. */
static bool is_all_views(const batcher *b)
{
    const bool is_run = b->n > 0 && b->part_rows[b->n - 1] - b->part_rows[0] == b->n - 1;
    return is_run && !b->shuffle && transform_is_view(&b->data->features, &b->data->view);
}

/* n * each bytes unless not wanted; false when memory is out. */
static bool buffer(bool wanted, size_t n, size_t each, void *out)
{
    if (!wanted) return true;
    void *p = mem_aligned(n > 0 ? n : 1, each);
    memcpy(out, &p, sizeof(p));
    return p != NULL;
}

static status lay_out(batcher *b, error *err)
{
    const assay_data *v = &b->data->view;
    const size_t n = b->batch_size;
    size_t numbers = 0, targets = 0;
    const bool fits =
        size_product(n, b->features, &numbers) && size_product(n, b->n_targets, &targets);
    if (!fits || !buffer(!is_all_views(b), numbers, sizeof(float), &b->x) ||
        !buffer(b->shuffle, b->n, sizeof(uint32_t), &b->order) ||
        !buffer(v->target == ASSAY_TARGET_CLASS, n, sizeof(int32_t), &b->label) ||
        !buffer(b->targets != NULL, targets, sizeof(float), &b->target) ||
        !buffer(b->weights != NULL, n, sizeof(float), &b->weight)) {
        return fail_nomem(err, "batches");
    }
    return OK;
}

status batcher_new(const dataset *d, part p, const batcher_options *o, batcher **out, error *err)
{
    const assay_data *v = &d->view;
    status st = OK;
    batcher *b = calloc(1, sizeof(*b));
    if (b == NULL) return fail_nomem(err, "a batcher");
    b->data = d;
    b->part_rows = dataset_rows(d, p);
    b->n = dataset_size(d, p);
    b->features = dataset_features(d);
    b->is_view_of_x = transform_is_view(&d->features, v);
    b->random = rng_make(o->seed, "shuffle");
    b->weights = o->class_weights && d->class_weight != NULL ? d->class_weight : v->weight;
    if (v->target == ASSAY_TARGET_REAL || v->target == ASSAY_TARGET_BINARY) {
        b->targets = d->targets != NULL ? d->targets : v->targets;
        b->n_targets = v->n_targets;
    }
    TRY(count_batches(b, p, o, err));
    TRY(lay_out(b, err));
    *out = b;
    b = NULL;
done:
    batcher_free(b);
    return st;
}

void batcher_free(batcher *b)
{
    if (b == NULL) return;
    free(b->order);
    free(b->x);
    free(b->label);
    free(b->target);
    free(b->weight);
    free(b);
}

size_t batcher_n_batches(const batcher *b)
{
    return b->n_batches;
}

size_t batcher_n_samples(const batcher *b)
{
    const size_t full = b->n_batches * b->batch_size;
    return full < b->n ? full : b->n;
}

size_t batcher_max_batch(const batcher *b)
{
    return b->batch_size;
}

size_t batcher_max_time(const batcher *b)
{
    (void)b;
    return 1;
}

/* The rows of an epoch in its order. */
static const uint32_t *epoch_rows(batcher *b, uint64_t epoch)
{
    if (!b->shuffle) return b->part_rows;
    if (!b->has_order || b->epoch != epoch) {
        memcpy(b->order, b->part_rows, b->n * sizeof(uint32_t));
        rng_shuffle(b->random, epoch, b->order, b->n);
        b->epoch = epoch;
        b->has_order = true;
    }
    return b->order;
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
    const dataset *d = b->data;
    for (size_t i = 0; b->label != NULL && i < n; i++)
        b->label[i] = d->view.label[rows[i]];
    for (size_t i = 0; b->target != NULL && i < n; i++) {
        memcpy(b->target + i * b->n_targets, b->targets + rows[i] * b->n_targets,
            b->n_targets * sizeof(float));
    }
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

/* Where a batch begins in its epoch's rows, and how many it has. */
static const uint32_t *batch_rows(batcher *b, uint64_t epoch, size_t i_batch, size_t *out_n)
{
    assert(i_batch < b->n_batches);
    const size_t begin = i_batch * b->batch_size, left = b->n - begin;
    *out_n = left < b->batch_size ? left : b->batch_size;
    return epoch_rows(b, epoch) + begin;
}

double batcher_weight_sum(batcher *b, uint64_t epoch, size_t i_batch)
{
    const float *weight = b->weights;
    size_t n = 0;
    const uint32_t *rows = batch_rows(b, epoch, i_batch, &n);
    if (weight == NULL) return (double)n;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += weight[rows[i]];
    return sum;
}

void batcher_get(batcher *b, uint64_t epoch, size_t i_batch, batch *out)
{
    const assay_data *v = &b->data->view;
    size_t n = 0;
    const uint32_t *rows = batch_rows(b, epoch, i_batch, &n);
    const bool is_run = !b->shuffle && rows[n - 1] - rows[0] == n - 1;
    const bool is_once = b->n_batches == 1 && !b->shuffle;
    const void *x = b->x;
    *out = (batch){ .n = n, .time = 1, .target_time = 1, .n_samples = n, .rows = rows };
    if (is_run && b->is_view_of_x) {
        x = (const unsigned char *)v->x + rows[0] * v->x_stride;
    } else if (!(is_once && b->is_gathered)) {
        gather_x(b, rows, n);
    }
    if (is_run) {
        view_rest(b, rows[0], out);
    } else {
        if (!(is_once && b->is_gathered)) gather_rest(b, rows, n);
        out->label = b->label;
        out->target = b->target;
        out->weight = b->weight;
    }
    b->is_gathered = true;
    out->x = v->x_dtype == ASSAY_I32 ? NULL : x;
    out->tokens = v->x_dtype == ASSAY_I32 ? x : NULL;
    out->step_weight = out->weight;
    out->weight_sum = batcher_weight_sum(b, epoch, i_batch);
}
