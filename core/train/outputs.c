/* A batch lies shard after shard and time before samples; outputs lie sample after sample. */
#include "train/outputs.h"

#include <string.h>

/* Calls `copy` for each row of a batch that is one of the outputs'. */
static void each_row(outputs *o, const batch *b,
    void (*copy)(const outputs *o, size_t row, float *to, const float *from, size_t in_batch),
    float *to, const float *from)
{
    const bool per_step = dataset_has_target_per_step(o->data);
    const bool is_stream = dataset_is_stream(o->data);
    for (size_t j = 0; j < b->n; j++) {
        const size_t length = !per_step ? 1 : b->length ? b->length[j] : b->target_time;
        const size_t first = is_stream ? b->rows[j] - dataset_rows(o->data, o->part)[0] : o->next;
        for (size_t t = 0; t < length; t++)
            copy(o, first + t, to, from, batch_target_row(b, j, t));
        o->next += length;
    }
}

static void read_row(const outputs *o, size_t row, float *to, const float *from, size_t in_batch)
{
    (void)from;
    memcpy(to + in_batch * o->n, o->y + row * o->n, o->n * sizeof *to);
}

static void write_row(const outputs *o, size_t row, float *to, const float *from, size_t in_batch)
{
    (void)to;
    memcpy(o->to + row * o->n, from + in_batch * o->n, o->n * sizeof *from);
}

void outputs_to_batch(outputs *o, const batch *b, float *to)
{
    memset(to, 0, b->n * b->target_time * o->n * sizeof *to);
    each_row(o, b, read_row, to, NULL);
}

void outputs_of_batch(outputs *o, const batch *b, const float *from)
{
    each_row(o, b, write_row, NULL, from);
}
