/* What optimizers of matrices share: the blocks of a tensor (the gates of a recurrent layer are matrices side by side), and
 * products of them.
 *
 * A block is [rows, cols] inside rows of `ld` floats. Arrays of an optimizer's own are contiguous. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_BLOCKS_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_BLOCKS_H

#include <assay/plugin.h>

#include <math.h>

typedef struct block {
    uint64_t rows, cols, ld;
    float *w; /* [rows, cols] in rows of ld, as is g */
    const float *g;
    uint64_t offset; /* of the first element in the tensor: where SAME slots have it, too */
} block;

static inline block block_at(const assay_span *s, uint64_t i)
{
    const assay_tensor *t = s->tensor;
    const uint64_t cols = t->cols / t->blocks;
    return (block){ .rows = t->rows,
        .cols = cols,
        .ld = t->cols,
        .w = s->w + i * cols,
        .g = s->g + i * cols,
        .offset = i * cols };
}

/* Room of this thread alone for n floats. */
static inline float *block_scratch(assay_ctx *ctx, uint64_t n)
{
    return ctx->host->scratch(ctx, n * sizeof(float));
}

/* c[m, n] = alpha a b + beta c; a is [m, k], or [k, m] where trans_a, b [k, n], or [n, k] where trans_b. Strides of 0 are what
 * a contiguous array has. */
typedef struct product {
    const float *a, *b;
    float *c;
    uint64_t m, n, k, lda, ldb, ldc;
    uint32_t trans_a, trans_b;
    double alpha, beta; /* alpha 0 counts as 1 */
} product;

static inline void multiply(assay_ctx *ctx, const product *p)
{
    const uint64_t lda = p->trans_a ? p->m : p->k, ldb = p->trans_b ? p->k : p->n;
    const assay_gemm g = { .struct_size = sizeof g,
        .trans_a = p->trans_a,
        .trans_b = p->trans_b,
        .m = p->m,
        .n = p->n,
        .k = p->k,
        .alpha = p->alpha == 0 ? 1 : p->alpha,
        .beta = p->beta,
        .a = p->a,
        .lda = p->lda ? p->lda : lda,
        .b = p->b,
        .ldb = p->ldb ? p->ldb : ldb,
        .c = p->c,
        .ldc = p->ldc ? p->ldc : p->n };
    ctx->host->gemm_f32(ctx, &g);
}

/* The norm of a[rows, cols] in rows of ld. */
static inline double block_norm(const float *a, uint64_t rows, uint64_t cols, uint64_t ld)
{
    double sum = 0;
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            sum += (double)a[i * ld + j] * a[i * ld + j];
        }
    }
    return sqrt(sum);
}

#endif
