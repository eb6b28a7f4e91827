/* What the files of gru share: its hyperparameters and the arrays of a row. */
#ifndef ASSAY_PLUGINS_LAYER_GRU_GRU_H
#define ASSAY_PLUGINS_LAYER_GRU_GRU_H

#include "../shared/recurrent_run.h"

enum { RESET_BEFORE, RESET_AFTER };

struct gru {
    struct recurrent common;
    int64_t reset;
};

enum { GATE_R, GATE_Z, GATE_N, GATES };

/* The arrays of one row, and how far the next row's are. */
typedef struct gru_row {
    float *r, *z, *n, *q, *h;
    const float *h_before; /* for the mix */
    const float *fed_back; /* as U sees it */
    uint64_t units, next_gate, next_h, next_before, next_fed_back;
} gru_row;

/* That of the first sample. */
static inline gru_row first_row(const recurrent_call *c, uint64_t i, recurrent_rows fed_back)
{
    const uint64_t row = recurrent_row(c, i);
    const recurrent_rows before = recurrent_h_before(c, i);
    float *z = c->z + row * c->ld_z;
    return (gru_row){ .r = z,
        .z = z + c->units,
        .n = z + 2 * c->units,
        .q = c->state + row * c->units,
        .h = c->h + row * c->ld_h,
        .h_before = before.at,
        .fed_back = fed_back.at,
        .units = c->units,
        .next_gate = c->ld_z,
        .next_h = c->ld_h,
        .next_before = before.ld,
        .next_fed_back = fed_back.ld };
}

RECURRENT_ROW void next_row(gru_row *r)
{
    r->r += r->next_gate;
    r->z += r->next_gate;
    r->n += r->next_gate;
    r->q += r->units;
    r->h += r->next_h;
    r->h_before += r->next_before;
    r->fed_back += r->next_fed_back;
}

/* A row of padding keeps the state and must hold nothing that could spoil a product with 0. */
static inline void keep_row(const recurrent_call *c, const gru_row *r)
{
    memcpy(r->h, r->h_before, c->units * sizeof(float));
    memset(r->q, 0, c->units * sizeof(float));
}

static inline recurrent_rows step_rows(const recurrent_call *c, uint64_t i, int gate)
{
    return (recurrent_rows){ c->z + recurrent_row(c, i) * c->ld_z + (uint64_t)gate * c->units,
        c->ld_z };
}

/* A row of padding has no gradient of its own. */
static inline void skip_row(const recurrent_call *c, const gru_row *r)
{
    memset(r->r, 0, c->columns * sizeof(float));
}

/* r acts on the product: reset_after.c. */
extern const recurrent_ops gru_after;

/* r acts on the state: reset_before.c. */
extern const recurrent_ops gru_before;

#endif
