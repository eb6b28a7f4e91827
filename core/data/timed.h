/* Batches of several steps: sequences padded to the longest, and windows of streams, gathered shard after shard. */
#ifndef ASSAY_CORE_DATA_TIMED_H
#define ASSAY_CORE_DATA_TIMED_H

#include "data/batcher.h"

/* What one sample, or one stream, is in a batch. */
typedef struct column {
    size_t row; /* of the dataset; of a stream without a step here its last */
    size_t step; /* its first step here */
    size_t length; /* real steps here */
} column;

/* A part's rows cut into streams: the first n_longer have one row more than the others. */
typedef struct streams {
    size_t n, window;
    size_t first_row;
    size_t rows_each, n_longer;
    size_t n_windows; /* of the longest stream */
} streams;

streams streams_cut(size_t first_row, size_t n_rows, size_t batch_size, size_t window);

/* The i-th window of stream j. */
column streams_column(const streams *s, size_t i, size_t j);

typedef struct timed {
    const dataset *data;
    const streams *streams; /* NULL: sequences */
    size_t features, n_targets, n_shards;
    size_t max_batch, max_time;
    bool target_per_step;
    const float *targets; /* where target rows come from, or NULL */
    const float *weights; /* [n_samples] what samples count, or NULL: all 1 */
    const double *label_weight; /* [n_classes] times what steps' labels count, or NULL: all 1 */
    void *x; /* [max_time, max_batch, features] of float or int32_t */
    int32_t *label; /* [target time, max_batch] */
    float *target; /* [target time, max_batch, n_targets] */
    float *weight; /* [target time, max_batch], where it is not step_weight */
    float *step_weight; /* [max_time, max_batch] */
    uint32_t *length, *rows; /* [max_batch] */
} timed;

/* Lays out the buffers. `data`, `streams`, `n_shards`, `max_batch` and `max_time` are set, the rest is zero; `pads` where a
 * batch may have unequal lengths. */
status timed_init(timed *t, bool class_weights, bool pads, error *err) MUST_CHECK;
void timed_release(timed *t);

/* The i-th batch, of these n rows (of n streams, where rows is NULL); `is_there` when the buffers hold it already. */
void timed_get(timed *t, const uint32_t *rows, size_t n, size_t i_batch, bool is_there, batch *out);

/* Its weight_sum alone; touches no buffer. */
double timed_weight_sum(const timed *t, const uint32_t *rows, size_t n, size_t i_batch);

#endif
