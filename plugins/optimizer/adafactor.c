/* Adafactor: steps scaled by a second moment that is kept as the means of its rows and of its columns.
 *
 *   g2 = g^2 + eps1;   beta_t = 1 - t^-decay_power
 *   R <- beta_t R + (1 - beta_t) mean of g2 over columns                  // [rows]
 *   C <- beta_t C + (1 - beta_t) mean of g2 over rows                     // [cols]
 *   U  = g / sqrt(R_i C_j / mean(R));   U <- U / max(1, rms(U) / clip)
 *   w <- w - max(eps2, rms(w)) min(lr, 1 / sqrt(t)) U
 *
 * Shazeer and Stern 2018, "Adafactor: adaptive learning rates with sublinear memory cost", algorithms 4 (matrices) and 5
 * (vectors). A vector is one row, for which R_i / mean(R) = 1 and the same formula is exact: C is then the whole second moment,
 * and R does not exist.
 *
 * Of a matrix of several blocks (an LSTM's gates) each is a matrix of its own. Four passes: over weights for their size, over
 * gradients for the means and for rms(U), over both to step: 24 bytes per weight. Roots are taken of R and C, not of elements.
 *
 * Deviations: tensors of more than two dimensions are matrices of their first by the product of the others. With beta1, which
 * the paper tries and leaves out, the step is a running mean of steps, as in the authors' code. weight_decay is decoupled, and
 * not in the paper.
 *
 * Defaults: the paper's algorithm 6. relative_step and scale_by_weights are there to be taken away. */
#include "shared/lanes.h"

#include <assay/plugin.h>

#include <math.h>

struct adafactor {
    double lr, decay_power, eps1, eps2, clip, beta1, weight_decay;
    int64_t relative_step, scale_by_weights;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(adafactor, 1e-2, 1e-4, 1),
    ASSAY_REAL(adafactor, decay_power, 0.8, 0, 1, "how fast the second moments' decay nears 1"),
    ASSAY_REAL(adafactor, eps1, 1e-30, 1e-37, ASSAY_INF, "added to the square of the gradient"),
    ASSAY_REAL(adafactor, eps2, 1e-3, 0, ASSAY_INF, "least size that weights count as",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(
        adafactor, clip, 1, 0, ASSAY_INF, "largest rms of a step over its rate; 0: no limit"),
    ASSAY_REAL(adafactor, beta1, 0, 0, 1, "decay of the mean step; 0: no mean, no memory",
        .flags = ASSAY_OPEN_MAX | ASSAY_SCHED),
    ASSAY_REAL(adafactor, weight_decay, 0, 0, ASSAY_INF,
        "share of the weights, times the rate, that is lost", .flags = ASSAY_SCHED),
    ASSAY_BOOL(adafactor, relative_step, 1, "the rate is at most 1 / sqrt(t)"),
    ASSAY_BOOL(adafactor, scale_by_weights, 1, "the rate is relative to the rms of the weights"),
};

enum { ROWS, COLS, M };

static const assay_slot slots[] = {
    [ROWS] = { .name = "rows",
        .shape = ASSAY_SLOT_ROWS,
        .flags = ASSAY_SLOT_MATRICES | ASSAY_SLOT_PER_BLOCK },
    [COLS] = { .name = "cols", .shape = ASSAY_SLOT_COLS },
    [M] = { .name = "m", .when = "beta1" },
};

/* One matrix among those that a tensor holds; or a vector. */
typedef struct matrix {
    uint64_t rows, cols, stride; /* stride: of a row, in floats */
    const float *g;
    float *w, *m; /* m: NULL without beta1 */
    float *R, *C; /* [rows], NULL of a vector; [cols] */
    float *a, *b; /* U = g a b; [rows], [cols] */
    double *sum; /* [cols] */
} matrix;

static inline void add_squares(
    uint64_t n, const float *restrict g, double *restrict lane, double *restrict sum)
{
    for (uint64_t l = 0; l < n; l++) {
        const double square = (double)g[l] * (double)g[l];
        lane[l] += square;
        sum[l] += square;
    }
}

/* R, and the sums of squares of the columns. */
ASSAY_MULTIVERSION static void take_rows(const matrix *x, double keep, double eps)
{
    for (uint64_t j = 0; j < x->cols; j++) {
        x->sum[j] = 0;
    }
    for (uint64_t i = 0; i < x->rows; i++) {
        const float *g = x->g + i * x->stride;
        double lane[LANES] = { 0 };
        uint64_t j = 0;
        for (; j + LANES <= x->cols; j += LANES) {
            add_squares(LANES, g + j, lane, x->sum + j);
        }
        add_squares(x->cols - j, g + j, lane, x->sum + j);
        if (x->R) {
            const double mean = lanes_fold(lane) / (double)x->cols;
            x->R[i] = (float)(keep * (double)x->R[i] + (1 - keep) * (mean + eps));
        }
    }
}

/* C from the sums of squares, and the factors of U. */
static void take_factors(const matrix *x, double keep, double eps)
{
    double mean = 0;
    for (uint64_t i = 0; x->R && i < x->rows; i++) {
        mean += (double)x->R[i] / (double)x->rows;
    }
    for (uint64_t i = 0; i < x->rows; i++) {
        x->a[i] = x->R ? (float)sqrt(mean / (double)x->R[i]) : 1;
    }
    for (uint64_t j = 0; j < x->cols; j++) {
        const double now = x->sum[j] / (double)x->rows + eps;
        x->C[j] = (float)(keep * (double)x->C[j] + (1 - keep) * now);
        x->b[j] = 1 / sqrtf(x->C[j]);
    }
}

static inline void add_steps(
    uint64_t n, float a, const float *restrict g, const float *restrict b, double *restrict lane)
{
    for (uint64_t l = 0; l < n; l++) {
        const double u = (double)(g[l] * (a * b[l]));
        lane[l] += u * u;
    }
}

ASSAY_MULTIVERSION static double rms_of_steps(const matrix *x)
{
    double lane[LANES] = { 0 };
    for (uint64_t i = 0; i < x->rows; i++) {
        const float *g = x->g + i * x->stride;
        uint64_t j = 0;
        for (; j + LANES <= x->cols; j += LANES) {
            add_steps(LANES, x->a[i], g + j, x->b + j, lane);
        }
        add_steps(x->cols - j, x->a[i], g + j, x->b + j, lane);
    }
    return sqrt(lanes_fold(lane) / (double)x->rows / (double)x->cols);
}

ASSAY_MULTIVERSION static double rms_of_weights(const matrix *x)
{
    double lane[LANES] = { 0 };
    for (uint64_t i = 0; i < x->rows; i++) {
        const float *w = x->w + i * x->stride;
        uint64_t j = 0;
        for (; j + LANES <= x->cols; j += LANES) {
            lanes_add_squares(LANES, lane, w + j);
        }
        lanes_add_squares(x->cols - j, lane, w + j);
    }
    return sqrt(lanes_fold(lane) / (double)x->rows / (double)x->cols);
}

static inline void walk_row(uint64_t n, float shrink, float rate, const float *restrict g,
    const float *restrict b, float *restrict w)
{
    for (uint64_t j = 0; j < n; j++) {
        w[j] = shrink * w[j] - g[j] * (rate * b[j]);
    }
}

static inline void walk_row_by_mean(uint64_t n, float shrink, float rate, float keep,
    const float *restrict g, const float *restrict b, float *restrict w, float *restrict m)
{
    for (uint64_t j = 0; j < n; j++) {
        m[j] = keep * m[j] + g[j] * (rate * b[j]);
        w[j] = shrink * w[j] - m[j];
    }
}

/* keep: of the mean step, where there is one. */
ASSAY_MULTIVERSION static void walk(const matrix *x, double rate, float keep, float shrink)
{
    for (uint64_t i = 0; i < x->rows; i++) {
        const uint64_t at = i * x->stride;
        const float own = (float)(rate * (double)x->a[i]);
        if (x->m) {
            walk_row_by_mean(x->cols, shrink, own, keep, x->g + at, x->b, x->w + at, x->m + at);
        } else {
            walk_row(x->cols, shrink, own, x->g + at, x->b, x->w + at);
        }
    }
}

static void update_matrix(const struct adafactor *h, double t, const matrix *x)
{
    const double keep = 1 - pow(t, -h->decay_power);
    double rate = h->relative_step ? fmin(h->lr, 1 / sqrt(t)) : h->lr;
    take_rows(x, keep, h->eps1);
    take_factors(x, keep, h->eps1);
    rate *= h->scale_by_weights ? fmax(h->eps2, rms_of_weights(x)) : 1;
    const float shrink = (float)(1 - rate * h->weight_decay);
    const double rms = h->clip > 0 ? rms_of_steps(x) : 0;
    rate *= rms > h->clip ? h->clip / rms : 1;
    walk(x, x->m ? (1 - h->beta1) * rate : rate, (float)h->beta1, shrink);
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const assay_tensor *t = s->tensor;
    const uint64_t n_blocks = t->shape.n_dims < 2 ? 1 : t->blocks, cols = t->cols / n_blocks;
    float *a = ctx->host->scratch(ctx, t->rows * sizeof *a);
    float *b = ctx->host->scratch(ctx, cols * sizeof *b);
    double *sum = ctx->host->scratch(ctx, cols * sizeof *sum);
    if (!a || !b || !sum) {
        return ASSAY_E_NOMEM;
    }
    for (uint64_t i = 0; i < n_blocks && t->size > 0; i++) {
        const matrix x = { .rows = t->rows,
            .cols = cols,
            .stride = t->cols,
            .g = s->g + i * cols,
            .w = s->w + i * cols,
            .m = s->slot[M] ? s->slot[M] + i * cols : NULL,
            .R = t->shape.n_dims < 2 ? NULL : s->slot[ROWS] + i * t->rows,
            .C = s->slot[COLS] + i * cols,
            .a = a,
            .b = b,
            .sum = sum };
        update_matrix(hyper, (double)step->t, &x);
    }
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(adafactor, "0.1.0", "Adafactor: second moments kept as rows and columns",
    ASSAY_HYPERS(adafactor, hypers), .tensor = update, ASSAY_SLOTS(slots));
