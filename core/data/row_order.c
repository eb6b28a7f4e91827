/* The order of an epoch.
 *
 * A shuffle of the part's rows by (seed, epoch), made when a batch of another epoch is asked for, so any batch can be had at
 * once. Rows of unequal length are sorted within pools of some batches each, so that a batch holds rows of much the same
 * length; which rows meet in a pool stays random, and so does the order of the batches, which is shuffled on its own. Rows
 * that drop_last leaves out are left out before sorting: else they would always be long ones. */
#include "data/row_order.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

status row_order_init(row_order *o, uint64_t seed, error *err)
{
    o->random = rng_make(seed, "shuffle");
    o->random_batches = rng_make(seed, "shuffle/batches");
    if (!o->shuffle) return OK;
    o->pool = o->pool < o->n ? o->pool : o->n;
    o->rows = mem_aligned(o->n > 0 ? o->n : 1, sizeof(uint32_t));
    if (o->rows == NULL) return fail_nomem(err, "an order");
    if (o->length == NULL) return OK;
    o->scratch = mem_aligned(o->pool, sizeof(uint32_t));
    o->batches = mem_aligned(o->n_batches > 0 ? o->n_batches : 1, sizeof(uint32_t));
    return o->scratch != NULL && o->batches != NULL ? OK : fail_nomem(err, "an order");
}

void row_order_release(row_order *o)
{
    free(o->rows);
    free(o->scratch);
    free(o->batches);
}

/* to = a and then b in one, by length; of equal ones a's come first. */
static void merge(const uint32_t *a, size_t n_a, size_t n_b, const uint64_t *length, uint32_t *to)
{
    const uint32_t *b = a + n_a;
    size_t i = 0, k = 0;
    while (i < n_a || k < n_b) {
        const bool takes_a = k == n_b || (i < n_a && length[a[i]] <= length[b[k]]);
        *to++ = takes_a ? a[i++] : b[k++];
    }
}

/* A merge sort from the bottom up: stable, and without memory of its own. */
static void sort_by_length(uint32_t *rows, size_t n, const uint64_t *length, uint32_t *scratch)
{
    uint32_t *from = rows, *to = scratch;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t i = 0; i < n; i += 2 * run) {
            const size_t left = n - i, n_a = run < left ? run : left;
            merge(from + i, n_a, run < left - n_a ? run : left - n_a, length, to + i);
        }
        uint32_t *t = from;
        from = to;
        to = t;
    }
    if (from != rows) memcpy(rows, from, n * sizeof(uint32_t));
}

void row_order_make(row_order *o, uint64_t epoch)
{
    memcpy(o->rows, o->part_rows, o->n * sizeof(uint32_t));
    rng_shuffle(o->random, epoch, o->rows, o->n);
    o->epoch = epoch;
    o->is_made = true;
    if (o->length == NULL) return;
    const size_t in_batches = o->n_batches * o->batch_size;
    const size_t n = in_batches < o->n ? in_batches : o->n;
    for (size_t i = 0; i < n; i += o->pool) {
        sort_by_length(o->rows + i, o->pool < n - i ? o->pool : n - i, o->length, o->scratch);
    }
    for (size_t i = 0; i < o->n_batches; i++)
        o->batches[i] = (uint32_t)i;
    rng_shuffle(o->random_batches, epoch, o->batches, o->n_batches);
}
