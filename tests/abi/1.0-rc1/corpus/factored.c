/* factored: second moments kept by row and by column of a matrix.
 *
 *   r_i <- b r_i + (1 - b) mean_j g_ij^2,  c_j <- b c_j + (1 - b) mean_i g_ij^2
 *   w_ij <- w_ij - lr g_ij / (sqrt(r_i c_j / mean(r)) + 1e-8),  b = 0.9
 *   gram <- gram + g g^T [rows, rows],  turned <- turned + g^T g [cols, cols]        watched only
 *
 * After Shazeer and Stern 2018, "Adafactor", algorithm 4. */
#include <assay/plugin.h>

struct factored {
    double lr;
    int64_t grams;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(factored, 0.01, 1e-3, 1),
    ASSAY_BOOL(factored, grams, 0, "keep the gram matrices, too"),
};

enum { ROW, COL, GRAM, TURNED, COUNT };

static const assay_slot slots[] = {
    [ROW] = { .name = "row", .shape = ASSAY_SLOT_ROWS },
    [COL] = { .name = "col", .shape = ASSAY_SLOT_COLS },
    [GRAM] = { .name = "gram", .shape = ASSAY_SLOT_ROWS_ROWS, .when = "grams" },
    [TURNED] = { .name = "turned", .shape = ASSAY_SLOT_COLS_COLS, .when = "grams" },
    [COUNT] = { .name = "count", .shape = ASSAY_SLOT_SCALAR, .init = 0.5 },
};

static void add_grams(const assay_span *s, uint64_t rows, uint64_t cols)
{
    for (uint64_t i = 0; i < rows; i++) {
        for (uint64_t k = 0; k < rows; k++) {
            for (uint64_t j = 0; j < cols; j++)
                s->slot[GRAM][i * rows + k] += s->g[i * cols + j] * s->g[k * cols + j];
        }
    }
    for (uint64_t j = 0; j < cols; j++) {
        for (uint64_t k = 0; k < cols; k++) {
            for (uint64_t i = 0; i < rows; i++)
                s->slot[TURNED][j * cols + k] += s->g[i * cols + j] * s->g[i * cols + k];
        }
    }
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct factored *h = hyper;
    const uint64_t rows = s->tensor->rows, cols = s->tensor->cols;
    float *r = s->slot[ROW], *c = s->slot[COL];
    double *sums = ctx->host->scratch(ctx, (rows + cols) * sizeof(double));
    double mean = 0;
    (void)step;
    if (!sums) return ASSAY_E_NOMEM;
    for (uint64_t k = 0; k < rows + cols; k++)
        sums[k] = 0;
    for (uint64_t k = 0; k < s->n; k++) {
        sums[k / cols] += (double)s->g[k] * s->g[k];
        sums[rows + k % cols] += (double)s->g[k] * s->g[k];
    }
    for (uint64_t i = 0; i < rows; i++) {
        r[i] = 0.9f * r[i] + 0.1f * (float)(sums[i] / (double)cols);
        mean += r[i] / (double)rows;
    }
    for (uint64_t j = 0; j < cols; j++)
        c[j] = 0.9f * c[j] + 0.1f * (float)(sums[rows + j] / (double)rows);
    for (uint64_t k = 0; k < s->n && mean > 0; k++) {
        const double v = (double)r[k / cols] * c[k % cols] / mean;
        s->w[k] -= (float)(h->lr * s->g[k] / (sqrt(v) + 1e-8));
    }
    if (h->grams) add_grams(s, rows, cols);
    s->slot[COUNT][0] += 1;
    return h->grams || !s->slot[GRAM] ? ASSAY_OK : ASSAY_E_INTERNAL;
}

ASSAY_OPTIMIZER(factored, "0.1.0", "second moments by row and column",
    ASSAY_HYPERS(factored, hypers), .tensor = update, ASSAY_SLOTS(slots));
