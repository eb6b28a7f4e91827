/* Shampoo: the gradient of a matrix, preconditioned from the left and from the right.
 *
 *   g' = g + weight_decay w
 *   L <- beta2 L + r g' g'^T,   R <- beta2 R + r g'^T g',   r = 1 where beta2 is 1, else 1 - beta2 (and L, R unbiased)
 *   D = (L + matrix_eps)^(-1/4) g' (R + matrix_eps)^(-1/4)         the roots anew every `every` updates
 *   graft "adagrad" | "sgd":  D <- D |A| / |D|,  A = g' / (sqrt(v) + eps) | g'
 *   b <- momentum b + D;   w <- w - lr b
 *
 * Vectors, and matrices of more than max_size rows and columns, take D = g' / (sqrt(v) + eps), v <- beta2 v + r g'^2. Where only
 * one side is longer than max_size the other has the exponent -1/2. The blocks of a stacked tensor are matrices each by itself.
 *
 * Gupta, Koren and Singer 2018, "Shampoo: preconditioned stochastic tensor optimization", algorithm 1: beta2 = 1, every = 1,
 * graft "none". Decaying sums, roots now and then, one-sided preconditioners and grafting: Anil, Gupta, Koren, Regan and Singer
 * 2020, "Scalable second order optimization for deep learning".
 *
 * Deviations: matrix_eps is added where roots are taken, which is the paper's start from eps I; eigenvalues that rounding made
 * negative count as 0. The paper has [n, n] for a vector, too. Momentum is that of the steps, after grafting.
 *
 * Defaults: grafting onto Adagrad as in Anil et al., with Adagrad's lr and eps, since the length of a step is then Adagrad's;
 * without it the first step of a matrix is orthogonal, and lr has to be far smaller. beta2 is Gupta et al.'s sum; matrix_eps
 * that of torch_optimizer.Shampoo 0.3; roots every 10 updates as Vyas et al. 2024 have it for SOAP; max_size is a matter of
 * time: an eigendecomposition of 1024 x 1024 takes tenths of a second. */
#include "shared/bias.h"
#include "shared/blocks.h"

#include <string.h>

struct shampoo {
    double lr, momentum, beta2, eps, matrix_eps, weight_decay;
    int64_t every, graft, max_size;
};

enum { GRAFT_NONE, GRAFT_ADAGRAD, GRAFT_SGD };

static const char *const grafts[] = { "none", "adagrad", "sgd" };

static const assay_hyper hypers[] = {
    ASSAY_LR(shampoo, 1e-2, 1e-4, 1),
    ASSAY_REAL(shampoo, momentum, 0, 0, 1, "share of the velocity that is kept",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(shampoo, beta2, 1, 0, 1, "decay of the sums of squares; 1: sums of all updates",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(shampoo, eps, 1e-10, 0, ASSAY_INF, "added to the root of a sum of squares"),
    ASSAY_REAL(
        shampoo, matrix_eps, 1e-4, 0, ASSAY_INF, "added to eigenvalues", .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(shampoo, weight_decay, 0, 0, ASSAY_INF, "added to the gradient, times the weights",
        .flags = ASSAY_SCHED),
    ASSAY_INT(shampoo, every, 10, 1, 1e6, "updates from one computation of the roots to the next"),
    ASSAY_ENUM(
        shampoo, graft, GRAFT_ADAGRAD, grafts, "whose step gives a matrix's step its length"),
    ASSAY_INT(shampoo, max_size, 1024, 0, 1e5, "sides longer than this are not preconditioned"),
};

enum { L, R, LEFT_ROOT, RIGHT_ROOT, V, MOMENTUM };

#define OF_MATRICES .limit = "max_size", .flags = ASSAY_SLOT_MATRICES | ASSAY_SLOT_PER_BLOCK

static const assay_slot slots[] = {
    [L] = { .name = "l", .shape = ASSAY_SLOT_ROWS_ROWS, OF_MATRICES },
    [R] = { .name = "r", .shape = ASSAY_SLOT_COLS_COLS, OF_MATRICES },
    [LEFT_ROOT] = { .name = "left_root", .shape = ASSAY_SLOT_ROWS_ROWS, OF_MATRICES },
    [RIGHT_ROOT] = { .name = "right_root", .shape = ASSAY_SLOT_COLS_COLS, OF_MATRICES },
    [V] = { .name = "v" },
    [MOMENTUM] = { .name = "momentum", .when = "momentum" },
};

static const assay_special_case special_cases[] = {
    { .of = "adagrad",
        .when = "max_size = 0; momentum = 0.0; beta2 = 1.0;",
        .as = "lr_decay = 0.0; initial_accumulator = 0.0;",
        .tolerance = 1e-6,
        .doc = "without matrices there is the diagonal alone" },
};

/* Shares of the old sum and of what is new, and what makes it unbiased. */
typedef struct decays {
    float keep, take, unbias;
} decays;

static decays decays_at(const struct shampoo *h, uint64_t t)
{
    const float beta2 = (float)h->beta2;
    if (h->beta2 == 1) {
        return (decays){ 1, 1, 1 };
    }
    return (decays){ beta2, (float)(1 - h->beta2), (float)(1 / share_seen(h->beta2, (double)t)) };
}

/* d = g', and the diagonal's step a = g' / (sqrt(v) + eps). */
ASSAY_MULTIVERSION static void diagonal(const struct shampoo *h, const decays y, uint64_t n,
    const float *restrict g, const float *restrict w, float *restrict v, float *restrict d,
    float *restrict a)
{
    const float decay = (float)h->weight_decay, eps = (float)h->eps;
    for (uint64_t i = 0; i < n; i++) {
        d[i] = g[i] + decay * w[i];
        v[i] = y.keep * v[i] + y.take * (d[i] * d[i]);
        a[i] = d[i] / (sqrtf(v[i] * y.unbias) + eps);
    }
}

/* root[n, n] = (unbias m + eps)^power, by eigenvectors; a and b are scratch of the same size, lambda [n]. */
static int take_root(assay_ctx *ctx, const struct shampoo *h, uint64_t n, const float *m,
    float unbias, double power, float *root)
{
    float *a = block_scratch(ctx, n * n), *b = block_scratch(ctx, n * n);
    float *lambda = block_scratch(ctx, n);
    if (!a || !b || !lambda) {
        return ASSAY_E_NOMEM;
    }
    for (uint64_t i = 0; i < n * n; i++) {
        a[i] = unbias * m[i];
    }
    const int code = ctx->host->syevd_f32(ctx, n, a, n, lambda);
    if (code != ASSAY_OK) {
        return code;
    }
    for (uint64_t i = 0; i < n; i++) {
        const float f = (float)pow(fmax(lambda[i], 0) + h->matrix_eps, power);
        for (uint64_t j = 0; j < n; j++) {
            b[i * n + j] = f * a[i * n + j];
        }
    }
    multiply(ctx, &(product){ .a = a, .b = b, .c = root, .m = n, .n = n, .k = n, .trans_a = 1 });
    return ASSAY_OK;
}

/* The sums of one block with the gradient d, whose rows are k->ld apart; the roots where it is their turn. */
static int gather(assay_ctx *ctx, const struct shampoo *h, const assay_step *step, const block *k,
    const float *d, float *const *m)
{
    const decays y = decays_at(h, step->t);
    const double power = m[L] && m[R] ? -0.25 : -0.5;
    const int due = (step->t - 1) % (uint64_t)h->every == 0;
    product p = { .a = d, .b = d, .lda = k->ld, .ldb = k->ld, .alpha = y.take, .beta = y.keep };
    int code = ASSAY_OK;
    if (m[L]) {
        p.c = m[L], p.m = p.n = k->rows, p.k = k->cols, p.trans_a = 0, p.trans_b = 1;
        multiply(ctx, &p);
        code = due ? take_root(ctx, h, k->rows, m[L], y.unbias, power, m[LEFT_ROOT]) : ASSAY_OK;
    }
    if (m[R] && code == ASSAY_OK) {
        p.c = m[R], p.m = p.n = k->cols, p.k = k->rows, p.trans_a = 1, p.trans_b = 0;
        multiply(ctx, &p);
        code = due ? take_root(ctx, h, k->cols, m[R], y.unbias, power, m[RIGHT_ROOT]) : ASSAY_OK;
    }
    return code;
}

/* x[rows, cols] = left_root d right_root; `half` is of the same size. */
static void precondition(
    assay_ctx *ctx, const block *k, const float *d, float *const *m, float *half, float *x)
{
    const product left = { .a = m[LEFT_ROOT],
        .b = d,
        .c = m[R] ? half : x,
        .m = k->rows,
        .n = k->cols,
        .k = k->rows,
        .ldb = k->ld };
    const product right = { .a = m[L] ? half : d,
        .b = m[RIGHT_ROOT],
        .c = x,
        .m = k->rows,
        .n = k->cols,
        .k = k->cols,
        .lda = m[L] ? k->cols : k->ld };
    if (m[L]) {
        multiply(ctx, &left);
    }
    if (m[R]) {
        multiply(ctx, &right);
    }
}

/* What x is multiplied by, so that it has the length of the grafted step. */
static float graft_factor(
    const struct shampoo *h, const block *k, const float *d, const float *a, const float *x)
{
    if (h->graft == GRAFT_NONE) {
        return 1;
    }
    const float *from = h->graft == GRAFT_SGD ? d : a;
    const double own = block_norm(x, k->rows, k->cols, k->cols);
    return own > 0 ? (float)(block_norm(from, k->rows, k->cols, k->ld) / own) : 0;
}

/* Puts the preconditioned step of block i of the gradient d in the place of the diagonal's, a. */
static int update_block(assay_ctx *ctx, const struct shampoo *h, const assay_step *step,
    const assay_span *s, uint64_t i, float *d, float *a)
{
    const block k = block_at(s, i);
    const uint64_t left = i * k.rows * k.rows, right = i * k.cols * k.cols;
    float *const m[] = { [L] = s->slot[L] ? s->slot[L] + left : NULL,
        [R] = s->slot[R] ? s->slot[R] + right : NULL,
        [LEFT_ROOT] = s->slot[L] ? s->slot[LEFT_ROOT] + left : NULL,
        [RIGHT_ROOT] = s->slot[R] ? s->slot[RIGHT_ROOT] + right : NULL };
    float *half = block_scratch(ctx, k.rows * k.cols), *x = block_scratch(ctx, k.rows * k.cols);
    if (!half || !x) {
        return ASSAY_E_NOMEM;
    }
    const int code = gather(ctx, h, step, &k, d + k.offset, m);
    if (code != ASSAY_OK) {
        return code;
    }
    precondition(ctx, &k, d + k.offset, m, half, x);
    const float factor = graft_factor(h, &k, d + k.offset, a + k.offset, x);
    for (uint64_t r = 0; r < k.rows; r++) {
        for (uint64_t c = 0; c < k.cols; c++) {
            a[k.offset + r * k.ld + c] = factor * x[r * k.cols + c];
        }
    }
    return ASSAY_OK;
}

ASSAY_MULTIVERSION static void apply(
    const struct shampoo *h, uint64_t n, const float *restrict a, float *restrict w, float *b)
{
    const float lr = (float)h->lr, keep = (float)h->momentum;
    for (uint64_t i = 0; i < n && b; i++) {
        b[i] = keep * b[i] + a[i];
        w[i] -= lr * b[i];
    }
    for (uint64_t i = 0; i < n && !b; i++) {
        w[i] -= lr * a[i];
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct shampoo *h = hyper;
    float *d = block_scratch(ctx, s->n), *a = block_scratch(ctx, s->n);
    if (!d || !a) {
        return ASSAY_E_NOMEM;
    }
    diagonal(h, decays_at(h, step->t), s->n, s->g, s->w, s->slot[V], d, a);
    const int is_matrix = s->slot[L] || s->slot[R];
    for (uint64_t i = 0; is_matrix && i < s->tensor->blocks; i++) {
        const int code = update_block(ctx, h, step, s, i, d, a);
        if (code != ASSAY_OK) {
            return code;
        }
    }
    apply(h, s->n, a, s->w, s->slot[MOMENTUM]);
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(shampoo, "0.1.0", "Shampoo: gradients preconditioned from the left and the right",
    ASSAY_HYPERS(shampoo, hypers), .tensor = update, ASSAY_SLOTS(slots),
    ASSAY_SPECIAL_CASES(special_cases));
