/* Gradients of U and b of a recurrent layer, each over all rows at once.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_GRADIENT_H
#define ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_GRADIENT_H

#include "recurrent_call.h"

/* Columns summed side by side: as many doubles as stay in registers. */
enum { RECURRENT_SUMS = 32 };

/* sum[n] += the sum of rows [rows, n] */
ASSAY_MULTIVERSION static inline void recurrent_add_rows(
    recurrent_rows from, uint64_t rows, uint64_t n, double *restrict sum)
{
    for (uint64_t j = 0; j < n; j += RECURRENT_SUMS) {
        const uint64_t width = n - j < RECURRENT_SUMS ? n - j : RECURRENT_SUMS;
        double s[RECURRENT_SUMS];
        memset(s, 0, sizeof s);
        if (width == RECURRENT_SUMS) {
            for (uint64_t row = 0; row < rows; row++) {
                const float *restrict v = from.at + row * from.ld + j;
                for (uint64_t k = 0; k < RECURRENT_SUMS; k++) {
                    s[k] += (double)v[k];
                }
            }
        } else {
            for (uint64_t row = 0; row < rows; row++) {
                for (uint64_t k = 0; k < width; k++) {
                    s[k] += (double)from.at[row * from.ld + j + k];
                }
            }
        }
        for (uint64_t k = 0; k < width; k++) {
            sum[j + k] += s[k];
        }
    }
}

/* dparam[i, from `at` on] (+)= sum */
static inline void recurrent_store(
    const assay_io *io, uint64_t i_param, uint64_t at, const double *sum, uint64_t n)
{
    float *d = io->dparam[i_param];
    for (uint64_t j = 0; d && j < n; j++) {
        d[at + j] = (float)(io->accumulate[i_param] ? (double)d[at + j] + sum[j] : sum[j]);
    }
}

/* dU[units, width] from a column on (+)= a^T b, or at `adds` onto what is there already */
static inline void recurrent_gradient(const recurrent_call *c, uint64_t column, uint64_t width,
    uint64_t rows, recurrent_rows a, recurrent_rows b, int adds)
{
    const uint64_t p = recurrent_param(c->r, c->direction, RECURRENT_U);
    const assay_gemm g = { .struct_size = sizeof g,
        .trans_a = 1,
        .m = c->units,
        .n = width,
        .k = rows,
        .alpha = 1,
        .beta = adds || c->io->accumulate[p] ? 1 : 0,
        .a = a.at,
        .lda = a.ld,
        .b = b.at,
        .ldb = b.ld,
        .c = c->io->dparam[p] + column,
        .ldc = c->columns };
    c->ctx->host->gemm_f32(c->ctx, &g);
}

/* The state before each row, masked, in the order of rows: [time, batch, units]. */
static inline recurrent_rows recurrent_all_masked(const recurrent_call *c)
{
    float *out = c->io->scratch[1];
    for (uint64_t i = 0; i < c->time; i++) {
        recurrent_mask(c, recurrent_h_before(c, i), out + recurrent_row(c, i) * c->units);
    }
    return (recurrent_rows){ out, c->units };
}

/* dU from a column on: the state before each row, times dz[time, batch, width]. */
static inline int recurrent_u_gradient(
    const recurrent_call *c, uint64_t column, uint64_t width, recurrent_rows dz)
{
    const uint64_t p = recurrent_param(c->r, c->direction, RECURRENT_U);
    const uint64_t rows = c->time * c->batch, later = rows - c->batch;
    const recurrent_rows first = { dz.at + recurrent_row(c, 0) * dz.ld, dz.ld };
    if (!c->io->dparam[p]) return ASSAY_OK;
    if (c->keep) {
        recurrent_gradient(c, column, width, rows, recurrent_all_masked(c), dz, 0);
        return ASSAY_OK;
    }
    if (later > 0) {
        /* Rows of z one step after those of h, in the order of the steps. */
        const recurrent_rows a = { c->h + (c->direction ? c->batch * c->ld_h : 0), c->ld_h };
        const recurrent_rows b = { dz.at + (c->direction ? 0 : c->batch * dz.ld), dz.ld };
        if (!c->h0 && width == c->columns) {
            return c->io->grad_gemm(c->io, p, later, a.at, a.ld, b.at, b.ld);
        }
        recurrent_gradient(c, column, width, later, a, b, 0);
    }
    if (c->h0 || later == 0) {
        recurrent_gradient(c, column, width, c->h0 ? c->batch : 0,
            (recurrent_rows){ c->h0 ? c->h0 : c->zeros, c->units }, first, later > 0);
    }
    return ASSAY_OK;
}

/* Both biases have the gradient of the sums where they are added alike. */
static inline void recurrent_bias_gradient(const recurrent_call *c)
{
    const uint64_t p = recurrent_param(c->r, c->direction, c->r->param_bias);
    if (c->hyper->bias == RECURRENT_NONE) return;
    recurrent_store(c->io, p, 0, c->sum, c->columns);
    if (c->hyper->bias != RECURRENT_TWO) return;
    recurrent_store(c->io, p + 1, 0, c->sum, c->r->cell.summed_gates * c->units);
}

#endif
