/* softmax_xent: the cross-entropy of the softmax of a row's outputs, for classes.
 *
 *   p = softmax(y),  l = (1 - e) (-log p_label) + e mean over c of (-log p_c)
 *   dl/dy_c = p_c - (1 - e) [c = label] - e/C
 *
 * y [rows, C], label [rows], e = label_smoothing. PyTorch's CrossEntropyLoss; smoothing after
 * Szegedy et al. 2016, "Rethinking the Inception architecture for computer vision", section 7.
 * Default: none, as in PyTorch.
 *
 * Log-sum-exp relative to the largest output y_m, whose own term is exactly 1 and is left out of
 * the sum s, so that -log p_label = (y_m - y_label) + log1p(s) keeps its relative precision however
 * sure the model is; the gradient at the label is formed from s, too, and not as p - 1.
 * Exponentials are floats (they vectorise), corrected by what the subtraction y_c - y_m lost;
 * everything that is summed is summed in double. */
#include <assay/plugin.h>

#include <math.h>
#include <stdio.h>

#define BLOCK 256 // exponentials on the stack where no gradient is wanted

struct softmax_xent {
    double label_smoothing;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(softmax_xent, label_smoothing, 0, 0, 1,
        "probability that is spread evenly over all classes", .flags = ASSAY_TUNE, .tune_min = 0,
        .tune_max = 0.2),
};

/* What the loss of a row is made of. */
typedef struct row_sums {
    uint64_t i_max;
    double rest; /* sum over c != i_max of exp(y_c - y_max) */
    double deficit; /* sum of y_max - y_c */
} row_sums;

/* e[c] = exp(y[c] - max). The subtraction's rounding error (Knuth's two-sum) is put back to first
 * order; it is NaN for an infinite y[c], where nothing was lost. */
ASSAY_MULTIVERSION static void exponentials(const float *y, uint64_t n, float max, float *e)
{
    for (uint64_t c = 0; c < n; c++) {
        const float d = y[c] - max, back = d - y[c];
        const float lost = (y[c] - (d - back)) - (max + back);
        e[c] = assay_exp(d) * (1 + (lost == lost ? lost : 0));
    }
}

/* Four running sums: a fixed order that is not one long chain of additions. */
static double sum_of(const float *e, uint64_t n)
{
    double s[4] = { 0 };
    uint64_t c = 0;
    for (; c + 4 <= n; c += 4) {
        for (uint64_t k = 0; k < 4; k++) {
            s[k] += (double)e[c + k];
        }
    }
    for (; c < n; c++) {
        s[0] += (double)e[c];
    }
    return (s[0] + s[1]) + (s[2] + s[3]);
}

static uint64_t index_of_max(const float *y, uint64_t n)
{
    uint64_t i_max = 0;
    for (uint64_t c = 1; c < n; c++) {
        i_max = y[c] > y[i_max] ? c : i_max;
    }
    return i_max;
}

/* e[n] receives the exponentials, 0 at the largest; it may be NULL. */
static row_sums sum_row(const float *y, uint64_t n, float *e, int is_smoothed)
{
    float block[BLOCK];
    row_sums sums = { .i_max = index_of_max(y, n) };
    const float max = y[sums.i_max];
    for (uint64_t begin = 0; begin < n; begin += BLOCK) {
        const uint64_t size = n - begin < BLOCK ? n - begin : BLOCK;
        float *out = e ? e + begin : block;
        exponentials(y + begin, size, max, out);
        // exp(0) is exactly 1 unless the row has no finite maximum: then the NaN must stay
        if (sums.i_max - begin < size) out[sums.i_max - begin] -= 1;
        sums.rest += sum_of(out, size);
    }
    for (uint64_t c = 0; is_smoothed && c < n; c++) {
        sums.deficit += (double)max - (double)y[c];
    }
    return sums;
}

/* dy, which holds the exponentials, becomes scale (p - target). */
ASSAY_MULTIVERSION static void gradient(
    const row_sums *s, uint64_t n, uint64_t label, double smoothing, double scale, float *dy)
{
    const double uniform = smoothing / (double)n, total = 1 + s->rest;
    const double e_label = label == s->i_max ? 1 : (double)dy[label];
    const float factor = (float)(scale / total), shift = (float)(scale * uniform);
    dy[s->i_max] += 1;
    for (uint64_t c = 0; c < n; c++) {
        dy[c] = dy[c] * factor - shift;
    }
    const double p_minus_1 = label == s->i_max ? -s->rest / total : (e_label - total) / total;
    dy[label] = (float)(scale * (p_minus_1 + smoothing - uniform));
}

static int plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    char text[200];
    (void)hyper;
    if (task->target != ASSAY_TARGET_CLASS) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "needs data with classes: use mse for numbers, bce_logits for yes and no");
    }
    if (task->n_outputs != task->n_classes) {
        snprintf(text, sizeof text,
            "the last layer has %llu outputs but the data has %llu classes: give it units = %llu",
            (unsigned long long)task->n_outputs, (unsigned long long)task->n_classes,
            (unsigned long long)task->n_classes);
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, text);
    }
    return ASSAY_OK;
}

static int bad_label(assay_ctx *ctx, int32_t label, uint64_t n_classes)
{
    char text[100];
    snprintf(text, sizeof text, "label %ld is outside 0..%llu", (long)label,
        (unsigned long long)(n_classes - 1));
    return ctx->host->fail(ctx, ASSAY_E_DATA, NULL, text);
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    const double smoothing = ((const struct softmax_xent *)hyper)->label_smoothing;
    const uint64_t n = rows->n_outputs;
    double total = 0;
    for (uint64_t i = 0; i < rows->n; i++) {
        const float *y = rows->y + i * n;
        float *d = dy ? dy + i * n : NULL;
        const double weight = rows->weight ? (double)rows->weight[i] : 1.0;
        if (weight == 0) { // a padded row may hold anything
            for (uint64_t c = 0; d && c < n; c++) {
                d[c] = 0;
            }
            continue;
        }
        if (rows->label[i] < 0 || (uint64_t)rows->label[i] >= n) {
            return bad_label(ctx, rows->label[i], n);
        }
        const uint64_t label = (uint64_t)rows->label[i];
        const row_sums s = sum_row(y, n, d, smoothing != 0);
        total += weight *
            (log1p(s.rest) + (1 - smoothing) * ((double)y[s.i_max] - (double)y[label]) +
                smoothing * s.deficit / (double)n);
        if (d) gradient(&s, n, label, smoothing, scale * weight, d);
    }
    *out_sum = total;
    return ASSAY_OK;
}

ASSAY_LOSS(softmax_xent, "0.1.0", "cross-entropy of the softmax, for classes",
    ASSAY_HYPERS(softmax_xent, hypers), .plan = plan, .loss = loss);
