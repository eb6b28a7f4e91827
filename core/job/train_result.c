/* Where in a training's result what lies, and how the host reads it: with suspicion. */
#include "job/train_job.h"

#include "job/layout.h"
#include "job/train_result.h"

#include <string.h>

status train_layout_of(uint64_t n_w, uint64_t n_b, uint64_t checkpoint_room, uint64_t most_rows,
    train_layout *out, error *err)
{
    const uint64_t most = UINT64_C(1) << 40;
    if (n_w > most || n_b > most || most_rows > most || checkpoint_room > most) {
        return fail(err, E_RANGE,
            "a result of %llu weights, %llu buffers, %llu bytes of checkpoint and %llu rows",
            (unsigned long long)n_w, (unsigned long long)n_b, (unsigned long long)checkpoint_room,
            (unsigned long long)most_rows);
    }
    train_layout l = { .floats_at = layout_up(sizeof(train_head)) + layout_up(sizeof(train_live)),
        .n_floats = (size_t)(2 * (n_w + n_b)),
        .checkpoint_room = (size_t)checkpoint_room,
        .most_rows = (size_t)most_rows };
    l.last_w = l.floats_at;
    l.last_b = l.last_w + (size_t)n_w * sizeof(float);
    l.best_w = l.last_b + (size_t)n_b * sizeof(float);
    l.best_b = l.best_w + (size_t)n_w * sizeof(float);
    l.checkpoint_at = layout_up(l.floats_at + l.n_floats * sizeof(float));
    l.rows_at = layout_up(l.checkpoint_at + l.checkpoint_room);
    l.bytes = l.rows_at + l.most_rows * sizeof(train_row);
    *out = l;
    return OK;
}

size_t train_live_at(void)
{
    return layout_up(sizeof(train_head));
}

static bool is_row(const train_row *r)
{
    return layout_text_ends(r->name, sizeof r->name) &&
        layout_text_ends(r->split, sizeof r->split) && r->kind <= RECORD_PROBE;
}

status train_result_read(const void *result, size_t n, const train_layout *l, train_head *out_head,
    const train_row **out_rows, error *err)
{
    train_head h;
    const unsigned char *at = result;
    if (n < l->bytes)
        return fail(err, E_CORRUPT, "a run's result has %zu bytes of %zu", n, l->bytes);
    memcpy(&h, at, sizeof h);
    const train_row *rows = (const void *)(at + l->rows_at);
    if (h.n_w != (l->last_b - l->last_w) / sizeof(float) ||
        h.n_b != (l->best_w - l->last_b) / sizeof(float) || h.n_rows > l->most_rows ||
        h.stop < STOP_EPOCHS || h.stop > STOP_INTERRUPTED || h.has_best > 1 ||
        h.checkpoint_bytes > l->checkpoint_room) {
        return fail(err, E_CORRUPT, "the head of a run's result contradicts its layout");
    }
    for (size_t i = 0; i < h.n_rows; i++) {
        if (!is_row(&rows[i])) return fail(err, E_CORRUPT, "row %zu of a run's result is none", i);
    }
    *out_head = h;
    *out_rows = rows;
    return OK;
}

uint64_t train_samples_peek(const void *result, size_t n, const train_layout *l)
{
    const unsigned char *at = result;
    if (n < l->bytes) return 0;
    const train_live *live = (const void *)(at + train_live_at());
    const uint64_t n_samples = atomic_load(&live->n_samples);
    return n_samples == UINT64_MAX ? 0 : n_samples;
}

void train_rows_peek(const void *result, size_t n, const train_layout *l, size_t first,
    train_row *out, size_t room, size_t *out_n)
{
    const unsigned char *at = result;
    *out_n = 0;
    if (n < l->bytes) return;
    const train_live *live = (const void *)(at + train_live_at());
    const uint64_t there = atomic_load_explicit(&live->n_rows, memory_order_acquire);
    if (there > l->most_rows) return; /* none yet */
    for (size_t i = first; i < there && *out_n < room; i++) {
        train_row *row = &out[*out_n];
        memcpy(row, at + l->rows_at + i * sizeof *row, sizeof *row);
        if (!is_row(row)) return;
        ++*out_n;
    }
}
