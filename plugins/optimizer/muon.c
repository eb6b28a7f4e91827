/* Muon: momentum whose matrix is made orthogonal, so that a step has the same size in every direction.
 *
 *   B <- momentum B + g;   U = g + momentum B  if nesterov,  B  otherwise
 *   X = U / (|U| + eps), then `steps` times:  X <- a X + (b A + c A^2) X,  A = X X^T,  (a, b, c) = (3.4445, -4.7750, 2.0315)
 *   w <- (1 - lr weight_decay) w - lr f X
 *   f = sqrt(max(1, fan_out / fan_in))                      scale = "shape"
 *       0.2 sqrt(max(fan_out, fan_in))                      scale = "rms"
 *
 * Jordan, Jin, Boza, You, Cesista, Newhouse and Bernstein 2024, "Muon: an optimizer for hidden layers in neural networks", the
 * pseudocode and the section on coefficients, which are theirs: in five steps they take singular values from 0.0015 on to
 * between 0.68 and 1.21, instead of slowly to 1. scale "rms": Liu et al. 2025, "Muon is scalable for LLM training", equation 4,
 * which gives updates the size of AdamW's, so that its lr and weight_decay can be taken over.
 *
 * Weights are [in, out] here and [out, in] in the paper: fan_out is the number of columns. The matrices of a stacked tensor (a
 * recurrent layer's gates) are made orthogonal each by itself.
 *
 * Deviations: weight_decay is decoupled as in Liu et al., the first publication has none; products are in float32, theirs in
 * bfloat16.
 *
 * Defaults: the authors' reference implementation; weight_decay 0. */
#include "shared/blocks.h"

#include <string.h>

struct muon {
    double lr, momentum, weight_decay, eps;
    int64_t nesterov, steps, scale;
};

enum { SHAPE, RMS };

static const char *const scales[] = { "shape", "rms" };

static const assay_hyper hypers[] = {
    ASSAY_LR(muon, 2e-2, 1e-4, 1e-1),
    ASSAY_REAL(muon, momentum, 0.95, 0, 1, "share of the velocity that is kept",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED | ASSAY_TUNE, .tune_min = 0.8, .tune_max = 0.98),
    ASSAY_BOOL(muon, nesterov, 1, "look ahead by one velocity"),
    ASSAY_INT(muon, steps, 5, 1, 100, "steps of the Newton-Schulz iteration"),
    ASSAY_ENUM(muon, scale, SHAPE, scales,
        "shape: by the root of fan_out / fan_in where that is above 1; rms: elements of AdamW's "
        "size"),
    ASSAY_REAL(muon, weight_decay, 0, 0, ASSAY_INF, "weights shrink by lr times this",
        .flags = ASSAY_SCHED),
    ASSAY_REAL(muon, eps, 1e-7, 0, ASSAY_INF, "added to the norm of the momentum",
        .flags = ASSAY_OPEN_MIN),
};

static const assay_slot slots[] = { { .name = "momentum" } };

/* Of the quintic of a step, theirs. */
static const double quintic_a = 3.4445, quintic_b = -4.7750, quintic_c = 2.0315;

static int accept(assay_ctx *ctx, const void *hyper, const assay_tensor *t)
{
    (void)hyper;
    if (t->shape.n_dims == 2) {
        return ASSAY_OK;
    }
    return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
        "is for matrices: let its block match \"dims:2\" and give this tensor to another "
        "optimizer, "
        "such as adamw, in a block of its own");
}

ASSAY_MULTIVERSION static void add_momentum(
    float keep, uint64_t n, const float *restrict g, float *restrict b)
{
    for (uint64_t i = 0; i < n; i++) {
        b[i] = keep * b[i] + g[i];
    }
}

/* x[rows, cols] = U / (|U| + eps) */
static void begin(const struct muon *h, const block *k, const float *momentum, float *x)
{
    const float look = h->nesterov ? (float)h->momentum : 1.0f, own = h->nesterov ? 1.0f : 0.0f;
    for (uint64_t i = 0; i < k->rows; i++) {
        for (uint64_t j = 0; j < k->cols; j++) {
            x[i * k->cols + j] = own * k->g[i * k->ld + j] + look * momentum[i * k->ld + j];
        }
    }
    const float scale = (float)(1 / (block_norm(x, k->rows, k->cols, k->cols) + h->eps));
    for (uint64_t i = 0; i < k->rows * k->cols; i++) {
        x[i] *= scale;
    }
}

/* One step from x to y, both [rows, cols]; gram and sum are [p, p], p the smaller of the two. */
static void newton_schulz(
    assay_ctx *ctx, const block *k, const float *x, float *y, float *gram, float *sum)
{
    const uint32_t tall = k->rows > k->cols; /* then from the right, by x^T x */
    const uint64_t p = tall ? k->cols : k->rows, q = tall ? k->rows : k->cols;
    multiply(ctx,
        &(product){
            .a = x, .b = x, .c = gram, .m = p, .n = p, .k = q, .trans_a = tall, .trans_b = !tall });
    memcpy(sum, gram, p * p * sizeof *sum);
    multiply(ctx,
        &(product){ .a = gram,
            .b = gram,
            .c = sum,
            .m = p,
            .n = p,
            .k = p,
            .alpha = quintic_c,
            .beta = quintic_b });
    memcpy(y, x, p * q * sizeof *y);
    multiply(ctx,
        &(product){ .a = tall ? x : sum,
            .b = tall ? sum : x,
            .c = y,
            .m = k->rows,
            .n = k->cols,
            .k = p,
            .beta = quintic_a });
}

static double scale_of(const struct muon *h, const block *k)
{
    const double in = (double)k->rows, out = (double)k->cols;
    return h->scale == RMS ? 0.2 * sqrt(fmax(out, in)) : sqrt(fmax(1, out / in));
}

static void apply(const struct muon *h, const block *k, const float *x)
{
    const float shrink = (float)(1 - h->lr * h->weight_decay);
    const float rate = (float)(h->lr * scale_of(h, k));
    for (uint64_t i = 0; i < k->rows; i++) {
        for (uint64_t j = 0; j < k->cols; j++) {
            k->w[i * k->ld + j] = shrink * k->w[i * k->ld + j] - rate * x[i * k->cols + j];
        }
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct muon *h = hyper;
    const block first = block_at(s, 0);
    const uint64_t p = first.rows < first.cols ? first.rows : first.cols;
    float *x = block_scratch(ctx, first.rows * first.cols);
    float *y = block_scratch(ctx, first.rows * first.cols);
    float *gram = block_scratch(ctx, p * p), *sum = block_scratch(ctx, p * p);
    (void)step;
    if (!x || !y || !gram || !sum) {
        return ASSAY_E_NOMEM;
    }
    add_momentum((float)h->momentum, s->n, s->g, s->slot[0]);
    for (uint64_t i = 0; i < s->tensor->blocks; i++) {
        const block k = block_at(s, i);
        begin(h, &k, s->slot[0] + k.offset, x);
        for (int64_t j = 0; j < h->steps; j++) {
            float *next = j % 2 ? x : y;
            newton_schulz(ctx, &k, j % 2 ? y : x, next, gram, sum);
        }
        apply(h, &k, h->steps % 2 ? y : x);
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(muon, "0.1.0", "Muon: momentum made orthogonal, for the matrices of hidden layers",
    ASSAY_HYPERS(muon, hypers), .tensor = update, ASSAY_SLOTS(slots), .accept = accept);
