/* Batches: a seeded shuffle per epoch, gathered into buffers laid out beforehand. Any batch of any epoch can be had at
 * once, so a position in the data is two numbers. Getting a batch allocates nothing. */
#ifndef ASSAY_CORE_DATA_BATCHER_H
#define ASSAY_CORE_DATA_BATCHER_H

#include "data/dataset.h"

/* Views; valid until the next batcher_get of the same batcher.
 *
 * Plain samples have one step. Sequences are padded to the longest of the batch. A stream is a run of consecutive samples, of
 * which a batch holds the next `window` steps for each of n streams; the state that layers carry goes on from one batch to the
 * next.
 *
 * Arrays lie shard after shard: those of shard i are [time, n_i, ...] for the n_i samples from batch_shard_begin(n, i) on. With
 * one shard, or one step, that is just [time, n, ...]. */
typedef struct batch {
    size_t n; /* samples, or streams */
    size_t time; /* steps of the longest; 1 for plain samples */
    size_t target_time; /* `time` where every step has a target, else 1 */
    size_t n_shards; /* that the arrays are laid out for */
    size_t n_samples; /* rows of the dataset: n, or all real steps of streams */
    const float *x; /* [time, n, features], 0 in padding; NULL for tokens */
    const int32_t *tokens; /* [time, n, features], 0 in padding; NULL for reals */
    const int32_t *label; /* [target_time, n] of CLASS, 0 in padding */
    const float *
        target; /* [target_time, n, n_targets] of REAL and BINARY, standardised if the config says so; 0 in padding */
    const float *
        weight; /* [target_time, n] sample weight, times class weight where asked for; 0 in padding; NULL: all 1 */
    const float *
        step_weight; /* [time, n] the sample's weight, also times its class weight where its target is one for all steps; 0 in padding; NULL: all 1 */
    const uint32_t
        *length; /* [n] real steps, 0 of a stream that has come to its end; NULL: all `time` */
    double weight_sum; /* the loss's denominator: what counts in this batch */
    const uint32_t *
        rows; /* [n] rows of the dataset; of a stream the row of its first step here, or its last row where it has none here */
    bool starts; /* streams begin here: nothing is carried in */
    bool carries; /* streams: what is carried out belongs to the next batch */
} batch;

/* Of n samples in n_shards shards shard i has those from this one to the next shard's. */
static inline size_t batch_shard_begin(size_t n, size_t i, size_t n_shards)
{
    return n * i / n_shards;
}

/* Where the target of step t of sample j stands among the batch's target rows. */
static inline size_t batch_target_row(const batch *b, size_t j, size_t t)
{
    const size_t n_shards = b->n_shards > 0 ? b->n_shards : 1;
    size_t i = j * n_shards / b->n; /* the shard or one before it */
    while (batch_shard_begin(b->n, i + 1, n_shards) <= j)
        i++;
    const size_t begin = batch_shard_begin(b->n, i, n_shards);
    const size_t n = batch_shard_begin(b->n, i + 1, n_shards) - begin;
    return begin * b->target_time + t * n + (j - begin);
}

typedef struct batcher batcher;

typedef struct batcher_options {
    size_t batch_size; /* 0: all; more than there is: all */
    bool shuffle; /* a new order every epoch; "all" is never shuffled */
    bool drop_last; /* leave out a last batch that is not full */
    bool class_weights; /* data.class_weights count, too: for training, never for evaluation */
    size_t
        bucket; /* sequences: so many batches' samples are sorted by length together; 0 or 1: none are */
    size_t n_shards; /* 0: 1 */
    uint64_t seed;
} batcher_options;

/* Whether the data is streams is the dataset's to say (data.window). Streams are never shuffled; there are at most as many as
 * full windows in the part, so that each fills the first. They have the same number of steps, the first ones one more where
 * that does not come out even; drop_last leaves out windows that not all streams fill. Which samples of an epoch drop_last
 * leaves out does not depend on their length. Buffers are for the largest batch of the part's longest sample (or the window).
 * Errors: E_MISSING (an empty part, except that it has 0 batches with drop_last), E_UNSUPPORTED (streams of batch_size 0),
 * E_NOMEM. */
status batcher_new(
    const dataset *d, part p, const batcher_options *o, batcher **out, error *err) MUST_CHECK;
void batcher_free(batcher *b);

/* From now on batches are laid out for that many shards (0: 1), instead of options.n_shards. Views are no longer valid. */
void batcher_set_shards(batcher *b, size_t n_shards);

size_t batcher_n_batches(const batcher *b); /* per epoch */
size_t batcher_n_samples(const batcher *b); /* per epoch, dropped ones not counted */
size_t batcher_max_batch(const batcher *b); /* samples or streams */
/* What that is of a batcher of the part as it is where all data are, with the dataset's own batch size. */
size_t batcher_whole_batch(const dataset *d, part p);
size_t batcher_max_time(const batcher *b); /* of this part; dataset_max_time is of all */

/* The i-th batch of an epoch; epochs count from 0. Where no shuffle and no conversion of plain samples is wanted x is a view of
 * the dataset. */
void batcher_get(batcher *b, uint64_t epoch, size_t i_batch, batch *out);

/* The weight_sum that batcher_get would give, without gathering the batch; views of the same epoch stay valid. */
double batcher_weight_sum(batcher *b, uint64_t epoch, size_t i_batch);

#endif
