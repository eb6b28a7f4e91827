/* What a call of forward or backward of the recurrent layers shares: one direction after the other, the
 * product of the whole input with W before the steps, those with U step by step, and the gradients of W, U
 * and b after the steps, each over all rows at once. The cells bring what happens in between.
 *
 * Direction 1 goes through the same rows from the last to the first. A row behind its sample's length keeps
 * the state of the step before it, so that the last step holds the last real state in direction 0, and
 * direction 1 meets the first real step with a state of zero. Its gates' gradient is 0 and the state's
 * gradient passes through. What stands in x there never reaches a real row.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_RUN_H
#define ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_RUN_H

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
ASSAY_MULTIVERSION static void recurrent_mask(
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
ASSAY_MULTIVERSION static void recurrent_add_masked(
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

/* -- the mask, the input, tokens -- */

/* Draws are named by direction, the sample's place in the whole batch, and unit. */
static inline void recurrent_draw(const recurrent_call *c, double rate)
{
    const float limit = (float)rate, gain = (float)(1 / (1 - rate));
    const uint64_t sample = c->direction * c->io->batch_total + c->io->batch_begin;
    const uint64_t n = c->batch * c->units;
    c->ctx->host->uniform_f32(c->ctx, c->io->draw, sample * c->units, c->keep, n);
    for (uint64_t k = 0; k < n; k++) {
        c->keep[k] = c->keep[k] < limit ? 0 : gain;
    }
}

/* b as it is added before a step, [columns], or NULL. */
static inline const float *recurrent_bias(const recurrent_call *c)
{
    if (c->hyper->bias == RECURRENT_NONE) return NULL;
    if (c->hyper->bias == RECURRENT_ONE) {
        return c->io->param[recurrent_param(c->r, c->direction, c->r->param_bias)];
    }
    const char *prepared = c->io->prepared[0];
    return (const float *)(const void *)(prepared + c->r->bias_sum[c->direction]);
}

/* z = W's row of each token + bias */
ASSAY_MULTIVERSION static int recurrent_gather(const recurrent_call *c, const float *bias)
{
    const int32_t *token = c->io->x[0];
    const float *W = c->io->param[recurrent_param(c->r, c->direction, RECURRENT_W)];
    for (uint64_t row = 0; row < c->time * c->batch; row++) {
        float *restrict z = c->z + row * c->ld_z;
        const int is_padding = c->io->length && row / c->batch >= c->io->length[row % c->batch];
        const uint64_t k = is_padding ? 0 : (uint64_t)token[row];
        if (k >= c->r->vocabulary) return ASSAY_E_DATA;
        const float *restrict w = W + k * c->columns, *restrict b = bias;
        if (!b) memcpy(z, w, c->columns * sizeof *z);
        for (uint64_t j = 0; b && j < c->columns; j++) {
            z[j] = w[j] + b[j];
        }
    }
    return ASSAY_OK;
}

/* dW's row of each token += dz */
ASSAY_MULTIVERSION static void recurrent_scatter(const recurrent_call *c, uint64_t p)
{
    const int32_t *token = c->io->x[0];
    float *dW = c->io->dparam[p];
    if (!c->io->accumulate[p]) memset(dW, 0, c->r->vocabulary * c->columns * sizeof *dW);
    for (uint64_t row = 0; row < c->time * c->batch; row++) {
        if (c->io->length && row / c->batch >= c->io->length[row % c->batch]) continue;
        const float *restrict dz = c->z + row * c->ld_z;
        float *restrict dw = dW + (uint64_t)token[row] * c->columns;
        for (uint64_t j = 0; j < c->columns; j++) {
            dw[j] += dz[j];
        }
    }
}

/* z = x W + b for all rows */
static inline int recurrent_project(const recurrent_call *c)
{
    const float *b = recurrent_bias(c);
    if (c->io->token_inputs && c->r->vocabulary) {
        if (recurrent_gather(c, b) == ASSAY_OK) return ASSAY_OK;
        return c->ctx->host->fail(
            c->ctx, ASSAY_E_DATA, NULL, "a token of the input is outside the vocabulary");
    }
    const uint64_t rows = c->time * c->batch;
    for (uint64_t row = 0; b && row < rows; row++) {
        memcpy(c->z + row * c->ld_z, b, c->columns * sizeof *b);
    }
    const assay_gemm g = { .struct_size = sizeof g,
        .m = rows,
        .n = c->columns,
        .k = c->r->in,
        .alpha = 1,
        .beta = b ? 1 : 0,
        .a = c->io->x[0],
        .lda = c->r->in,
        .b = c->io->param[recurrent_param(c->r, c->direction, RECURRENT_W)],
        .ldb = c->columns,
        .c = c->z,
        .ldc = c->ld_z };
    c->ctx->host->gemm_f32(c->ctx, &g);
    return ASSAY_OK;
}

/* dx (+)= dz W^T */
static inline void recurrent_input_gradient(const recurrent_call *c)
{
    const assay_gemm g = { .struct_size = sizeof g,
        .trans_b = 1,
        .m = c->time * c->batch,
        .n = c->r->in,
        .k = c->columns,
        .alpha = 1,
        .beta = c->direction ? 1 : 0,
        .a = c->z,
        .lda = c->ld_z,
        .b = c->io->param[recurrent_param(c->r, c->direction, RECURRENT_W)],
        .ldb = c->columns,
        .c = c->io->dx[0],
        .ldc = c->r->in };
    c->ctx->host->gemm_f32(c->ctx, &g);
}

/* -- gradients of parameters -- */

/* Columns summed side by side: as many doubles as stay in registers. */
enum { RECURRENT_SUMS = 32 };

/* sum[n] += the sum of rows [rows, n] */
ASSAY_MULTIVERSION static void recurrent_add_rows(
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

static inline int recurrent_w_gradient(const recurrent_call *c)
{
    const uint64_t p = recurrent_param(c->r, c->direction, RECURRENT_W);
    if (!c->io->dparam[p]) return ASSAY_OK;
    if (c->io->token_inputs && c->r->vocabulary) {
        recurrent_scatter(c, p);
        return ASSAY_OK;
    }
    return c->io->grad_gemm(c->io, p, c->time * c->batch, c->io->x[0], c->r->in, c->z, c->ld_z);
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

/* -- a call -- */

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
