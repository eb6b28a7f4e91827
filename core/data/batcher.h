/* Batches: a seeded shuffle per epoch, gathered into buffers laid out beforehand. Any batch of any epoch can be had at
 * once, so a position in the data is two numbers. Getting a batch allocates nothing. */
#ifndef ASSAY_CORE_DATA_BATCHER_H
#define ASSAY_CORE_DATA_BATCHER_H

#include "data/dataset.h"

/* Views; valid until the next batcher_get of the same batcher. */
typedef struct batch {
    size_t n; /* samples */
    size_t time; /* steps; 1 for plain samples */
    const float *x; /* [time, n, features]; NULL for tokens */
    const int32_t *tokens; /* [time, n, features]; NULL for reals */
    const int32_t *label; /* [n] of CLASS */
    const float *target; /* [n, n_targets] of REAL and BINARY, standardised if the config says so */
    const float
        *weight; /* [time, n] sample weight, times class weight where asked for; NULL: all 1 */
    double weight_sum; /* the loss's denominator: what counts in this batch */
    const uint32_t *rows; /* [n] rows of the dataset */
} batch;

typedef struct batcher batcher;

typedef struct batcher_options {
    size_t batch_size; /* 0: all; more than there is: all */
    bool shuffle; /* a new order every epoch; "all" is never shuffled */
    bool drop_last; /* leave out a last batch that is not full */
    bool class_weights; /* data.class_weights count, too: for training, never for evaluation */
    uint64_t seed;
} batcher_options;

/* An empty part is an error, except that it has 0 batches with drop_last. */
status batcher_new(
    const dataset *d, part p, const batcher_options *o, batcher **out, error *err) MUST_CHECK;
void batcher_free(batcher *b);

size_t batcher_n_batches(const batcher *b); /* per epoch */
size_t batcher_n_samples(const batcher *b); /* per epoch, dropped ones not counted */
size_t batcher_max_batch(const batcher *b);

/* The i-th batch of an epoch; epochs count from 0. Where no shuffle and no conversion is wanted x is a view of the dataset. */
void batcher_get(batcher *b, uint64_t epoch, size_t i_batch, batch *out);

/* The weight_sum that batcher_get would give, without gathering the batch. */
double batcher_weight_sum(batcher *b, uint64_t epoch, size_t i_batch);

#endif
