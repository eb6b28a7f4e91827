/* The whole of forward and backward of the recurrent layers, but for what a cell does at a step:
 * one direction after the other, the whole input before the steps, the gradients of the weights
 * after them.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_RUN_H
#define ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_RUN_H

#include "recurrent_gradient.h"
#include "recurrent_input.h"
#include "recurrent_plan.h"

static inline void recurrent_carve(recurrent_call *c)
{
    const recurrent_self *r = c->r;
    const uint64_t piece = recurrent_aligned(r->max_batch * r->units * sizeof(float)) / 4;
    const uint64_t wide = recurrent_aligned(r->max_batch * r->columns * sizeof(float)) / 4;
    float *at = c->io->scratch[0];
    float **const pieces[RECURRENT_PIECES] = { &c->zeros, &c->dh, &c->dc, &c->masked, &c->product };
    for (uint64_t i = 0; i < RECURRENT_PIECES; i++) {
        *pieces[i] = at + i * piece;
    }
    c->wide = at + RECURRENT_PIECES * piece;
    c->rows = c->wide + wide;
    c->sum = (double *)(void *)(at + r->scratch_floats);
    memset(c->zeros, 0, c->batch * c->units * sizeof(float));
}

static inline uint64_t recurrent_shortest(const assay_io *io)
{
    uint64_t shortest = io->time;
    for (uint64_t b = 0; io->length && b < io->batch; b++) {
        if (io->length[b] < shortest) shortest = io->length[b];
    }
    return shortest;
}

static inline recurrent_call recurrent_begin(
    assay_ctx *ctx, const struct recurrent *h, const assay_io *io, uint64_t d)
{
    const recurrent_self *r = ctx->self;
    const int is_carried = !h->bidirectional;
    recurrent_call c = { .ctx = ctx,
        .io = io,
        .hyper = h,
        .r = r,
        .direction = d,
        .time = io->time,
        .batch = io->batch,
        .units = r->units,
        .columns = r->columns,
        .shortest = recurrent_shortest(io),
        .z = io->saved[r->saved_gates[d]],
        .ld_z = r->columns,
        .h = h->last ? io->saved[r->saved_h[d]] : io->y + d * r->units,
        .ld_h = h->last ? r->units : r->directions * r->units,
        .state = r->cell.saved_state ? io->saved[r->saved_state[d]] : NULL,
        .h0 = is_carried ? io->carry_in[0] : NULL,
        .c0 = is_carried && r->cell.has_cell ? io->carry_in[1] : NULL,
        .keep = io->training && h->dropout > 0 ? io->saved[r->saved_keep[d]] : NULL };
    if (r->cell.peepholes) c.peephole = io->param[recurrent_param(r, d, r->param_peephole)];
    recurrent_carve(&c);
    return c;
}

/* The state after the last step: what the output is of it, and what is carried on. */
static inline void recurrent_end(const recurrent_call *c)
{
    const uint64_t row = recurrent_row(c, c->time - 1), bytes = c->units * sizeof(float);
    const uint64_t ld = c->r->directions * c->units;
    float *const *carry = c->hyper->bidirectional ? NULL : c->io->carry_out;
    for (uint64_t b = 0; b < c->batch; b++) {
        const float *last = c->h + (row + b) * c->ld_h;
        if (c->hyper->last) memcpy(c->io->y + b * ld + c->direction * c->units, last, bytes);
        if (carry && carry[0]) memcpy(carry[0] + b * c->units, last, bytes);
        if (carry && c->r->cell.has_cell && carry[1]) {
            memcpy(carry[1] + b * c->units, c->state + (row + b) * c->units, bytes);
        }
    }
}

/* The whole of `forward`. */
static inline int recurrent_forward(
    assay_ctx *ctx, const void *hyper, const assay_io *io, const recurrent_ops *ops)
{
    const recurrent_self *r = ctx->self;
    for (uint64_t d = 0; d < r->directions; d++) {
        recurrent_call c = recurrent_begin(ctx, hyper, io, d);
        if (r->cell.is_in_place) c.z = c.h, c.ld_z = c.ld_h;
        if (c.keep) recurrent_draw(&c, c.hyper->dropout);
        const int code = recurrent_project(&c);
        if (code != ASSAY_OK) return code;
        for (uint64_t i = 0; i < c.time; i++) {
            ops->forward(&c, i);
        }
        recurrent_end(&c);
    }
    return ASSAY_OK;
}

/* The gradient of the state after the last step, but for what dy of that step adds. */
static inline void recurrent_begin_back(const recurrent_call *c)
{
    const uint64_t n = c->batch * c->units, ld = c->r->directions * c->units;
    const float *const *carried = c->hyper->bidirectional ? NULL : c->io->dcarry_out;
    const float *dh = carried ? carried[0] : NULL;
    const float *dc = carried && c->r->cell.has_cell ? carried[1] : NULL;
    memcpy(c->dh, dh ? dh : c->zeros, n * sizeof(float));
    memcpy(c->dc, dc ? dc : c->zeros, n * sizeof(float));
    memset(c->sum, 0, c->r->sums * sizeof(double));
    for (uint64_t k = 0; c->hyper->last && k < n; k++) {
        c->dh[k] += c->io->dy[k / c->units * ld + c->direction * c->units + k % c->units];
    }
}

/* The gradient of the state before the first step. */
static inline void recurrent_end_back(const recurrent_call *c)
{
    const uint64_t bytes = c->batch * c->units * sizeof(float);
    float *const *wanted = c->hyper->bidirectional ? NULL : c->io->dcarry_in;
    if (wanted && wanted[0]) memcpy(wanted[0], c->dh, bytes);
    if (wanted && c->r->cell.has_cell && wanted[1]) memcpy(wanted[1], c->dc, bytes);
}

/* The whole of `backward`. */
static inline int recurrent_backward(
    assay_ctx *ctx, const void *hyper, const assay_io *io, const recurrent_ops *ops)
{
    const recurrent_self *r = ctx->self;
    for (uint64_t d = 0; d < r->directions; d++) {
        const recurrent_call c = recurrent_begin(ctx, hyper, io, d);
        recurrent_begin_back(&c);
        for (uint64_t i = c.time; i-- > 0;) {
            ops->backward(&c, i);
            if (c.hyper->bias == RECURRENT_NONE) continue;
            recurrent_add_rows((recurrent_rows){ c.z + recurrent_row(&c, i) * c.ld_z, c.ld_z },
                c.batch, c.columns, c.sum);
        }
        recurrent_end_back(&c);
        recurrent_bias_gradient(&c);
        if (io->dx[0] && !r->vocabulary) recurrent_input_gradient(&c);
        int code = ops->gradients(&c);
        if (code == ASSAY_OK) code = recurrent_w_gradient(&c);
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

#endif
