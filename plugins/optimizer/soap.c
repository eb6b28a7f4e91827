/* SOAP: Adam in the eigenbasis of Shampoo's preconditioners.
 *
 *   G' = Q_L^T g Q_R;   m <- beta1 m + (1 - beta1) g;   v <- beta2 v + (1 - beta2) G'^2
 *   N' = (Q_L^T m Q_R / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)
 *   w <- (1 - lr weight_decay) w - lr Q_L N' Q_R^T
 *   L <- beta3 L + (1 - beta3) g g^T,   R <- beta3 R + (1 - beta3) g^T g,   beta3 = shampoo_beta
 *   every `every` updates:  Q <- QR(L Q), Q's columns sorted by falling q^T L q beforehand, v along with them
 *
 * The first update of a matrix finds the eigenvectors of L and R and moves nothing, so its t counts from the second one. A side
 * longer than max_size keeps its basis (Q = 1); vectors, and matrices with two such sides, are AdamW's. The blocks of a stacked
 * tensor are matrices each by itself.
 *
 * Vyas, Morwani, Zhao, Kwun, Shapira, Brandfonbrener, Janson and Kakade 2024, "SOAP: improving and stabilizing Shampoo using
 * Adam", algorithms 3 and 4. The first update, the sorting and a decay of L and R of its own are those of the authors' code.
 *
 * Deviations: weights shrink before the step, as AdamW's, and not after it; eps is added to the unbiased root, as in Adam.
 *
 * Defaults: the authors' code (lr 3e-3, betas 0.95, weight_decay 0.01, every 10, shampoo_beta that of beta2); max_size there is
 * 10,000, here 1024, as an eigendecomposition of that size takes tenths of a second. */
#include "shared/adam.h"
#include "shared/blocks.h"

#include <string.h>

struct soap {
    double lr, beta1, beta2, shampoo_beta, eps, weight_decay;
    int64_t every, max_size;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(soap, 3e-3, 1e-5, 1e-1),
    ASSAY_REAL(soap, beta1, 0.95, 0, 1, "decay of the mean gradient",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(soap, beta2, 0.95, 0, 1, "decay of the mean square", .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(soap, shampoo_beta, 0.95, 0, 1, "decay of what the bases are made from",
        .flags = ASSAY_OPEN_MAX),
    ASSAY_REAL(soap, eps, 1e-8, 0, ASSAY_INF, "added to the root of the mean square"),
    ASSAY_REAL(soap, weight_decay, 1e-2, 0, ASSAY_INF, "weights shrink by lr times this",
        .flags = ASSAY_SCHED),
    ASSAY_INT(soap, every, 10, 1, 1e6, "updates from one change of the bases to the next"),
    ASSAY_INT(soap, max_size, 1024, 0, 1e5, "sides longer than this keep their basis"),
};

enum { M, V, L, R, LEFT, RIGHT };

#define OF_MATRICES .limit = "max_size", .flags = ASSAY_SLOT_MATRICES | ASSAY_SLOT_PER_BLOCK

static const assay_slot slots[] = {
    [M] = { .name = "m" },
    [V] = { .name = "v" },
    [L] = { .name = "l", .shape = ASSAY_SLOT_ROWS_ROWS, OF_MATRICES },
    [R] = { .name = "r", .shape = ASSAY_SLOT_COLS_COLS, OF_MATRICES },
    [LEFT] = { .name = "left", .shape = ASSAY_SLOT_ROWS_ROWS, OF_MATRICES },
    [RIGHT] = { .name = "right", .shape = ASSAY_SLOT_COLS_COLS, OF_MATRICES },
};

static const assay_special_case special_cases[] = {
    { .of = "adamw", .when = "max_size = 0;", .as = "amsgrad = false;", .doc = "no bases: Adam's" },
};

/* One block at work: its state and arrays of scratch [rows, cols]. */
typedef struct work {
    const struct soap *hyper;
    block k;
    float *m, *v; /* in rows of k.ld */
    float *sum[2], *basis[2]; /* [rows, rows], [cols, cols]; NULL: the side keeps its basis */
    float *half, *g_turned, *step;
} work;

/* out[rows, cols] = Q_L^T x Q_R, or Q_L x Q_R^T where `back`; x in rows of ldx. */
static void turn(
    assay_ctx *ctx, const work *y, uint32_t back, const float *x, uint64_t ldx, float *out)
{
    const uint64_t rows = y->k.rows, cols = y->k.cols;
    const int both = y->basis[0] && y->basis[1];
    float *half = both ? y->half : out;
    if (y->basis[0]) {
        multiply(ctx,
            &(product){ .a = y->basis[0],
                .b = x,
                .c = half,
                .m = rows,
                .n = cols,
                .k = rows,
                .ldb = ldx,
                .trans_a = !back });
    }
    if (y->basis[1]) {
        multiply(ctx,
            &(product){ .a = both ? half : x,
                .b = y->basis[1],
                .c = out,
                .m = rows,
                .n = cols,
                .k = cols,
                .lda = both ? cols : ldx,
                .trans_b = back });
    }
}

/* sum <- keep sum + take g g^T, or g^T g for the right side. */
static void gather(assay_ctx *ctx, const work *y, int right, double keep, double take)
{
    const uint64_t n = right ? y->k.cols : y->k.rows;
    multiply(ctx,
        &(product){ .a = y->k.g,
            .b = y->k.g,
            .c = y->sum[right],
            .m = n,
            .n = n,
            .k = right ? y->k.rows : y->k.cols,
            .lda = y->k.ld,
            .ldb = y->k.ld,
            .trans_a = right != 0,
            .trans_b = !right,
            .alpha = take,
            .beta = keep });
}

/* basis <- the eigenvectors of sum[n, n] as columns, the largest first. */
static int first_basis(assay_ctx *ctx, uint64_t n, const float *sum, float *basis)
{
    float *a = block_scratch(ctx, n * n), *lambda = block_scratch(ctx, n);
    if (!a || !lambda) {
        return ASSAY_E_NOMEM;
    }
    memcpy(a, sum, n * n * sizeof *a);
    const int code = ctx->host->syevd_f32(ctx, n, a, n, lambda);
    for (uint64_t i = 0; i < n && code == ASSAY_OK; i++) {
        for (uint64_t j = 0; j < n; j++) {
            basis[i * n + j] = a[(n - 1 - j) * n + i];
        }
    }
    return code;
}

/* order[n]: the columns of q by falling q^T sum q, where p = sum q; of equal ones the first first. */
static int sort_columns(assay_ctx *ctx, uint64_t n, const float *q, const float *p, uint64_t *order)
{
    double *size = ctx->host->scratch(ctx, n * sizeof *size);
    if (!size) {
        return ASSAY_E_NOMEM;
    }
    memset(size, 0, n * sizeof *size);
    for (uint64_t i = 0; i < n * n; i++) {
        size[i % n] += (double)q[i] * p[i];
    }
    for (uint64_t j = 0; j < n; j++) {
        uint64_t at = j;
        for (; at > 0 && size[order[at - 1]] < size[j]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = j;
    }
    return ASSAY_OK;
}

/* v's rows, or columns for the right side, in that order. */
static void reorder(const work *y, int right, const uint64_t *order)
{
    for (uint64_t i = 0; i < y->k.rows; i++) {
        for (uint64_t j = 0; j < y->k.cols; j++) {
            const uint64_t row = right ? i : order[i], col = right ? order[j] : j;
            y->half[i * y->k.cols + j] = y->v[row * y->k.ld + col];
        }
    }
    for (uint64_t i = 0; i < y->k.rows; i++) {
        memcpy(y->v + i * y->k.ld, y->half + i * y->k.cols, y->k.cols * sizeof *y->v);
    }
}

/* One step of the power iteration: basis <- QR(sum basis). */
static int next_basis(assay_ctx *ctx, const work *y, int right)
{
    const uint64_t n = right ? y->k.cols : y->k.rows;
    float *q = y->basis[right], *p = block_scratch(ctx, n * n);
    uint64_t *order = ctx->host->scratch(ctx, n * sizeof *order);
    if (!p || !order) {
        return ASSAY_E_NOMEM;
    }
    multiply(ctx, &(product){ .a = y->sum[right], .b = q, .c = p, .m = n, .n = n, .k = n });
    int code = sort_columns(ctx, n, q, p, order);
    for (uint64_t i = 0; i < n && code == ASSAY_OK; i++) {
        for (uint64_t j = 0; j < n; j++) {
            q[i * n + j] = p[i * n + order[j]];
        }
    }
    if (code == ASSAY_OK) {
        reorder(y, right, order);
        code = ctx->host->geqrf_f32(ctx, n, n, q, n, NULL, 0);
    }
    return code;
}

/* Adam in the bases, from the second update on; t counts from there. */
static void move(assay_ctx *ctx, const work *y, const struct adam_factors *f)
{
    const uint64_t cols = y->k.cols, ld = y->k.ld;
    for (uint64_t i = 0; i < y->k.rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            y->m[i * ld + j] = f->beta1 * y->m[i * ld + j] + f->rest1 * y->k.g[i * ld + j];
        }
    }
    turn(ctx, y, 0, y->k.g, ld, y->g_turned);
    turn(ctx, y, 0, y->m, ld, y->step);
    for (uint64_t i = 0; i < y->k.rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            const float d = y->g_turned[i * cols + j];
            float *v = &y->v[i * ld + j];
            *v = f->beta2 * *v + f->rest2 * (d * d);
            y->step[i * cols + j] /= sqrtf(*v) * f->unbias + f->eps;
        }
    }
    turn(ctx, y, 1, y->step, cols, y->g_turned);
    for (uint64_t i = 0; i < y->k.rows; i++) {
        for (uint64_t j = 0; j < cols; j++) {
            float *w = &y->k.w[i * ld + j];
            *w = f->shrink * *w - f->rate * y->g_turned[i * cols + j];
        }
    }
}

static int update_block(assay_ctx *ctx, const work *y, uint64_t t, const struct adam_factors *f)
{
    const double beta = y->hyper->shampoo_beta;
    int code = ASSAY_OK;
    if (t > 1) {
        move(ctx, y, f);
    }
    for (int right = 0; right < 2 && code == ASSAY_OK; right++) {
        if (!y->sum[right]) {
            continue;
        }
        gather(ctx, y, right, beta, 1 - beta);
        if (t == 1) {
            code = first_basis(ctx, right ? y->k.cols : y->k.rows, y->sum[right], y->basis[right]);
        } else if ((t - 1) % (uint64_t)y->hyper->every == 0) {
            code = next_basis(ctx, y, right);
        }
    }
    return code;
}

static void point_at(work *y, const assay_span *s, uint64_t i)
{
    static const int sum_slot[2] = { L, R }, basis_slot[2] = { LEFT, RIGHT };
    y->k = block_at(s, i);
    y->m = s->slot[M] + y->k.offset;
    y->v = s->slot[V] + y->k.offset;
    for (int right = 0; right < 2; right++) {
        const uint64_t n = right ? y->k.cols : y->k.rows;
        float *sum = s->slot[sum_slot[right]], *basis = s->slot[basis_slot[right]];
        y->sum[right] = sum ? sum + i * n * n : NULL;
        y->basis[right] = basis ? basis + i * n * n : NULL;
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct soap *h = hyper;
    const int is_matrix = s->slot[L] || s->slot[R];
    const struct adam adam = { .lr = h->lr, .beta1 = h->beta1, .beta2 = h->beta2, .eps = h->eps };
    const uint64_t t = is_matrix && step->t > 1 ? step->t - 1 : step->t;
    const struct adam_factors f = adam_factors_at(&adam, t, 0, h->weight_decay);
    if (!is_matrix) {
        adam_plain(f, s->n, s->g, s->w, s->slot[M], s->slot[V]);
        return ASSAY_OK;
    }
    const uint64_t n = s->n / s->tensor->blocks;
    work y = { .hyper = h,
        .half = block_scratch(ctx, n),
        .g_turned = block_scratch(ctx, n),
        .step = block_scratch(ctx, n) };
    if (!y.half || !y.g_turned || !y.step) {
        return ASSAY_E_NOMEM;
    }
    for (uint64_t i = 0; i < s->tensor->blocks; i++) {
        point_at(&y, s, i);
        const int code = update_block(ctx, &y, step->t, &f);
        if (code != ASSAY_OK) {
            return code;
        }
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(soap, "0.1.0", "SOAP: Adam in the eigenbasis of Shampoo's preconditioners",
    ASSAY_HYPERS(soap, hypers), .tensor = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
