/* The order in which an epoch goes through the rows of a part, and how it is cut into batches: a function of seed and epoch
 * alone. */
#ifndef ASSAY_CORE_DATA_ROW_ORDER_H
#define ASSAY_CORE_DATA_ROW_ORDER_H

#include "base/error.h"
#include "base/rng.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct row_order {
    const uint32_t *part_rows; /* [n] ascending; borrowed */
    size_t n, batch_size, n_batches;
    bool shuffle;
    const uint64_t
        *length; /* of each row, where rows are sorted by it; borrowed; NULL: they are not */
    size_t pool; /* rows that are sorted together */
    rng random, random_batches;
    uint64_t epoch; /* whose order is made */
    bool is_made;
    uint32_t *rows; /* [n] where shuffled */
    uint32_t *scratch; /* [pool] of the sort */
    uint32_t
        *batches; /* [n_batches] which run of batch_size rows the i-th batch is, where sorted */
} row_order;

/* Allocates what row_order_batch needs; part_rows, n, batch_size, n_batches, shuffle, length and pool are set, the rest is
 * zero. */
status row_order_init(row_order *o, uint64_t seed, error *err) MUST_CHECK;
void row_order_release(row_order *o);

/* Makes the order of a shuffled epoch. */
void row_order_make(row_order *o, uint64_t epoch);

/* The rows of the i-th batch of an epoch; valid until another epoch is asked for. */
static inline const uint32_t *row_order_batch(
    row_order *o, uint64_t epoch, size_t i_batch, size_t *out_n)
{
    assert(i_batch < o->n_batches);
    if (o->shuffle && (!o->is_made || o->epoch != epoch)) row_order_make(o, epoch);
    const size_t i = o->batches != NULL ? o->batches[i_batch] : i_batch;
    const size_t begin = i * o->batch_size, left = o->n - begin;
    *out_n = left < o->batch_size ? left : o->batch_size;
    return (o->shuffle ? o->rows : o->part_rows) + begin;
}

#endif
