/* What comes into a recurrent layer: the product of the whole input with W before the steps,
 * tokens, the mask of what is fed back; and the gradients of x and W after the steps.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_INPUT_H
#define ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_INPUT_H

#include "recurrent_call.h"

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
ASSAY_MULTIVERSION static inline int recurrent_gather(const recurrent_call *c, const float *bias)
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
ASSAY_MULTIVERSION static inline void recurrent_scatter(const recurrent_call *c, uint64_t p)
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

#endif
