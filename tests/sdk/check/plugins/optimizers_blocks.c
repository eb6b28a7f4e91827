/* Optimizers of matrices that lie side by side in a tensor: each divides by the size of its block's
 * gradient, rightly or not. */
#include "optimizers.h"

static const assay_slot by_block[] = { { .name = "v" },
    { .name = "norm", .shape = ASSAY_SLOT_SCALAR, .flags = ASSAY_SLOT_PER_BLOCK } };

/* Columns [begin, begin + cols) of the tensor, with the norm kept in *norm. */
static void move_columns(const struct plain *h, const assay_span *s, uint64_t begin, uint64_t cols,
    uint64_t read_from, float *norm)
{
    const uint64_t all = s->tensor->cols;
    double sum = 0;
    for (uint64_t i = 0; i < s->tensor->rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            const double g = (double)s->g[i * all + read_from + j];
            sum += g * g;
        }
    }
    *norm = 0.5f * *norm + (float)sqrt(sum);
    for (uint64_t i = 0; i < s->tensor->rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            const uint64_t from = i * all + read_from + j;
            move(h, s, i * all + begin + j, s->g[from] / (*norm + 1e-3f));
        }
    }
}

/* `own`: which block's norm; `from`: which block's gradient. */
#define BY_BLOCK(name, own, from) \
    UPDATE(name, const uint64_t n = s->tensor->blocks; const uint64_t cols = s->tensor->cols / n; \
           for (uint64_t b = 0; b < n; b++) \
               move_columns(h, s, b * cols, cols, (from)*cols, &s->slot[1][own]);)

BY_BLOCK(each, b, b);
OPTIMIZER(right_blocks, "nothing is wrong with it", .tensor = each, ASSAY_SLOTS(by_block));

BY_BLOCK(first, 0, b);
OPTIMIZER(one_block_slot, "one norm for all blocks", .tensor = first, ASSAY_SLOTS(by_block));

BY_BLOCK(crossed, b, b ^ (n > 1));
OPTIMIZER(crosses_blocks, "the neighbour's gradient", .tensor = crossed, ASSAY_SLOTS(by_block));

/* Every norm is written, and the first one is used. */
UPDATE(
    mixed, const uint64_t n = s->tensor->blocks; const uint64_t cols = s->tensor->cols / n;
    const double before = (double)s->slot[1][0]; for (uint64_t b = 0; b < n; b++) {
        struct plain other = *h;
        other.lr = h->lr * (b ? 1 + before : 1);
        move_columns(&other, s, b * cols, cols, b * cols, &s->slot[1][b]);
    });
OPTIMIZER(mixes_blocks, "the first block's norm for all", .tensor = mixed, ASSAY_SLOTS(by_block));

/* No slot of blocks: what is kept is each element's own. */
UPDATE(
    by_size, const uint64_t n = s->tensor->blocks; const uint64_t cols = s->tensor->cols / n;
    for (uint64_t b = 0; b < n; b++) {
        float norm = 0;
        move_columns(h, s, b * cols, cols, b * cols, &norm);
    });
OPTIMIZER(right_without_slot, "nothing is wrong with it", .tensor = by_size, ASSAY_SLOTS(slots));
UPDATE(
    by_wrong_size, const uint64_t n = s->tensor->blocks; const uint64_t cols = s->tensor->cols / n;
    for (uint64_t b = 0; b < n; b++) {
        float norm = (float)b;
        move_columns(h, s, b * cols, cols, b * cols, &norm);
    });
OPTIMIZER(
    counts_blocks, "a norm that grows with the block", .tensor = by_wrong_size, ASSAY_SLOTS(slots));
UPDATE(by_tensor_norm, float norm = 0; move_columns(h, s, 0, s->tensor->cols, 0, &norm););
OPTIMIZER(
    right_tensor_norm, "nothing is wrong with it", .tensor = by_tensor_norm, ASSAY_SLOTS(slots));

/* Matrices alone. */
static int matrices(assay_ctx *ctx, const void *hyper, const assay_tensor *t)
{
    (void)hyper;
    return t->shape.n_dims == 2 ? ASSAY_OK
                                : ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL, "matrices alone");
}
OPTIMIZER(crosses_in_matrices, "the neighbour's gradient, of matrices alone", .tensor = crossed,
    .accept = matrices, ASSAY_SLOTS(by_block));

ASSAY_PLUGIN(optimizers_blocks, "0.1.0", &right_blocks_component, &one_block_slot_component,
    &crosses_blocks_component, &mixes_blocks_component, &crosses_in_matrices_component,
    &right_without_slot_component, &counts_blocks_component, &right_tensor_norm_component);
