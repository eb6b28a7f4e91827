/* One direction of one call of a recurrent layer: where its arrays lie, the order of its steps,
 * and the products with U that a step needs.
 *
 * Direction 1 goes through the same rows from the last to the first. A row behind its sample's
 * length keeps the state of the step before it, so that the last step holds the last real state in
 * direction 0, and direction 1 meets the first real step with a state of zero. Its gates' gradient
 * is 0 and the state's gradient passes through. What stands in x there never reaches a real row.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_CALL_H
#define ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_CALL_H

#include "recurrent.h"

/* A loop over the units of one row belongs into each version of the function around it. */
#if defined(__GNUC__)
#define RECURRENT_ROW static inline __attribute__((always_inline))
#else
#define RECURRENT_ROW static inline
#endif

/* Rows of numbers: row i begins at at + i * ld. */
typedef struct recurrent_rows {
    const float *at;
    uint64_t ld;
} recurrent_rows;

/* One direction of one call. */
typedef struct recurrent_call {
    assay_ctx *ctx;
    const assay_io *io;
    const struct recurrent *hyper;
    const recurrent_self *r;
    uint64_t direction, time, batch, units, columns;
    uint64_t shortest; /* no step before this one has padding */
    float *z; /* [time, batch, columns] forward: sums, then gates; backward: their gradient */
    uint64_t ld_z;
    float *h; /* [time, batch, units] */
    uint64_t ld_h;
    float *state; /* [time, batch, units * saved_state] */
    const float *h0, *c0; /* [batch, units]; NULL: 0 */
    float *keep; /* [batch, units] mask; NULL: all 1 */
    const float *peephole; /* [peepholes, units] or NULL */
    float *zeros, *dh, *dc, *masked, *product; /* [batch, units] */
    float *wide; /* [batch, columns] */
    float *rows; /* [gates, units] */
    double *sum; /* [columns], then the cell's own */
} recurrent_call;

/* What a cell does at the i-th step of its direction. */
typedef struct recurrent_ops {
    void (*forward)(const recurrent_call *c, uint64_t i);
    void (*backward)(const recurrent_call *c, uint64_t i);
    int (*gradients)(const recurrent_call *c); /* of U, and what else is the cell's own */
} recurrent_ops;

/* The time step of the i-th step. */
static inline uint64_t recurrent_time(const recurrent_call *c, uint64_t i)
{
    return c->direction ? c->time - 1 - i : i;
}

/* The first row of the i-th step. */
static inline uint64_t recurrent_row(const recurrent_call *c, uint64_t i)
{
    return recurrent_time(c, i) * c->batch;
}

static inline int recurrent_has_padding(const recurrent_call *c, uint64_t i)
{
    return recurrent_time(c, i) >= c->shortest;
}

static inline int recurrent_is_padding(const recurrent_call *c, uint64_t i, uint64_t sample)
{
    return recurrent_has_padding(c, i) && recurrent_time(c, i) >= c->io->length[sample];
}

/* h of the step before, [batch, units]. */
static inline recurrent_rows recurrent_h_before(const recurrent_call *c, uint64_t i)
{
    if (i == 0) return (recurrent_rows){ c->h0 ? c->h0 : c->zeros, c->units };
    return (recurrent_rows){ c->h + recurrent_row(c, i - 1) * c->ld_h, c->ld_h };
}

/* c of the step before, where the state is one. */
static inline const float *recurrent_c_before(const recurrent_call *c, uint64_t i)
{
    if (i == 0) return c->c0 ? c->c0 : c->zeros;
    return c->state + recurrent_row(c, i - 1) * c->units;
}

/* Whether the state before a step is not known to be 0. */
static inline int recurrent_has_before(const recurrent_call *c, uint64_t i)
{
    return i > 0 || c->h0 != NULL;
}

/* Whether anybody wants its gradient. */
static inline int recurrent_wants_before(const recurrent_call *c, uint64_t i)
{
    return i > 0 || (!c->direction && c->r->directions == 1 && c->io->dcarry_in[0] != NULL);
}

/* out[n, units] = h * keep, row by row from a sample on. */
ASSAY_MULTIVERSION static inline void recurrent_mask(
    const recurrent_call *c, recurrent_rows h, float *restrict out)
{
    for (uint64_t b = 0; b < c->batch; b++) {
        const float *restrict from = h.at + b * h.ld, *restrict keep = c->keep + b * c->units;
        for (uint64_t j = 0; j < c->units; j++) {
            out[b * c->units + j] = from[j] * keep[j];
        }
    }
}

/* h of the step before as U sees it. */
static inline recurrent_rows recurrent_fed_back(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows h = recurrent_h_before(c, i);
    if (!c->keep) return h;
    recurrent_mask(c, h, c->masked);
    return (recurrent_rows){ c->masked, c->units };
}

/* out[batch, ...] = a U (of one product) + beta out */
static inline void recurrent_product(const recurrent_call *c, uint64_t product, recurrent_rows a,
    float *out, uint64_t ld, double beta)
{
    const uint64_t p = recurrent_param(c->r, c->direction, RECURRENT_U);
    assay_gemm g = recurrent_gemm(c->r, product, 0, c->io->param[p]);
    g.m = c->batch;
    g.a = a.at;
    g.lda = a.ld;
    g.c = out;
    g.ldc = ld;
    g.beta = beta;
    g.packed_b = (const char *)c->io->prepared[0] + c->r->packed[c->direction][product];
    c->ctx->host->gemm_f32(c->ctx, &g);
}

/* out[batch, units] = dz U^T (of one product) + beta out */
static inline void recurrent_product_back(
    const recurrent_call *c, uint64_t product, recurrent_rows dz, float *out, double beta)
{
    const uint64_t p = recurrent_param(c->r, c->direction, RECURRENT_U);
    assay_gemm g = recurrent_gemm(c->r, product, 1, c->io->param[p]);
    g.m = c->batch;
    g.a = dz.at;
    g.lda = dz.ld;
    g.c = out;
    g.ldc = c->units;
    g.beta = beta;
    g.packed_b = (const char *)c->io->prepared[0] + c->r->packed_back[c->direction][product];
    c->ctx->host->gemm_f32(c->ctx, &g);
}

/* dh += more * keep */
ASSAY_MULTIVERSION static inline void recurrent_add_masked(
    const recurrent_call *c, const float *restrict more, float *restrict dh)
{
    const float *restrict keep = c->keep;
    for (uint64_t k = 0; k < c->batch * c->units; k++) {
        dh[k] += more[k] * keep[k];
    }
}

/* dh = dz U^T, through the mask, onto what is there where `adds` says so. */
static inline void recurrent_feed_back(
    const recurrent_call *c, uint64_t product, recurrent_rows dz, int adds)
{
    if (!c->keep) {
        recurrent_product_back(c, product, dz, c->dh, adds ? 1 : 0);
        return;
    }
    recurrent_product_back(c, product, dz, c->product, 0);
    if (!adds) memset(c->dh, 0, c->batch * c->units * sizeof(float));
    recurrent_add_masked(c, c->product, c->dh);
}

/* dy of the i-th step, [batch, units]: zeros where only the last state is put out. */
static inline recurrent_rows recurrent_dy(const recurrent_call *c, uint64_t i)
{
    const uint64_t ld = c->r->directions * c->units;
    if (c->hyper->last) return (recurrent_rows){ c->zeros, c->units };
    return (recurrent_rows){ c->io->dy + recurrent_row(c, i) * ld + c->direction * c->units, ld };
}

#endif
