/* bce_logits: the binary cross-entropy of the sigmoid of each output.
 *
 *   l = mean over j of max(z, 0) - z t + log1p(exp(-|z|))
 *   dl/dz = (sigmoid(z) - t) / outputs        z = y_j, t = target_j
 *
 * PyTorch's BCEWithLogitsLoss. z, t [rows, outputs]; or one output for data of two classes, where t
 * is the label. The form with log1p overflows for no z and keeps its precision where the model is
 * sure. `features = "sum"` sums over a row's outputs: the negative log-likelihood of a frame of a
 * piano roll, say.
 *
 * Elements are floats, with log1p(e) = log(u) e / (u - 1), u = 1 + e, which gives back what the
 * rounding of u took (Higham 2002, "Accuracy and stability of numerical algorithms", problem 1.5):
 * one loop that vectorises, where libm's double functions would not. Their sum is in double. */
#include "shared/outputs.h"

#include <string.h>

#define BLOCK 128 // elements on the stack

struct bce_logits {
    int64_t features;
};

static const assay_hyper hypers[] = { FEATURES_ROW(bce_logits) };

/* l[j] and its derivative slope[j]. */
static void elements(const float *z, const float *t, uint64_t n, float *l, float *slope)
{
    for (uint64_t j = 0; j < n; j++) {
        const float e = assay_exp(z[j] > 0 ? -z[j] : z[j]), u = 1 + e; // e at most 1
        const float log_u = assay_log(u), over = u - 1, p = e / u;
        const float log1p_e = over > 0 ? log_u * (e / over) : e;
        const float up = z[j] * (1 - t[j]), down = -z[j] * t[j];
        l[j] = (z[j] > 0 ? up : down) + log1p_e;
        slope[j] = z[j] > 0 ? (1 - t[j]) - p : p - t[j];
    }
}

/* The sum over a row's outputs; dy[n], where not NULL, receives factor dl/dz. */
static double row_loss(const float *z, const float *t, uint64_t n, float factor, float *dy)
{
    float l[BLOCK], slope[BLOCK];
    double sum = 0;
    for (uint64_t begin = 0; begin < n; begin += BLOCK) {
        const uint64_t size = n - begin < BLOCK ? n - begin : BLOCK;
        elements(z + begin, t + begin, size, l, slope);
        for (uint64_t j = 0; j < size; j++) {
            sum += (double)l[j];
        }
        for (uint64_t j = 0; dy && j < size; j++) {
            dy[begin + j] = factor * slope[j];
        }
    }
    return sum;
}

static int plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    char text[200];
    (void)hyper;
    if (task->target == ASSAY_TARGET_CLASS) {
        if (task->n_classes == 2 && task->n_outputs == 1) return ASSAY_OK;
        snprintf(text, sizeof text, "the last layer has %llu outputs for %llu classes: %s",
            (unsigned long long)task->n_outputs, (unsigned long long)task->n_classes,
            task->n_classes == 2 ? "give it units = 1" : "use the loss softmax_xent");
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL, text);
    }
    if (task->target == ASSAY_TARGET_REAL) {
        return ctx->host->fail(ctx, ASSAY_E_UNSUPPORTED, NULL,
            "needs targets that are 0 or 1, but the data has numbers: use mse");
    }
    return plan_numbers(ctx, task);
}

static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    const struct bce_logits *h = hyper;
    const uint64_t n = rows->n_outputs;
    const double share = h->features == FEATURES_SUM ? 1.0 : 1.0 / (double)n;
    double total = 0;
    (void)ctx;
    for (uint64_t i = 0; i < rows->n; i++) {
        const double weight = rows->weight ? (double)rows->weight[i] : 1.0;
        float *d = dy ? dy + i * n : NULL;
        if (weight == 0) { // a padded row may hold anything
            if (d) memset(d, 0, n * sizeof *d);
            continue;
        }
        const float of_label = rows->label ? (float)rows->label[i] : 0;
        const float *t = rows->label ? &of_label : rows->target + i * n;
        total +=
            weight * share * row_loss(rows->y + i * n, t, n, (float)(scale * weight * share), d);
    }
    *out_sum = total;
    return ASSAY_OK;
}

ASSAY_LOSS(bce_logits, "0.1.0", "binary cross-entropy of the sigmoid, for yes and no",
    ASSAY_HYPERS(bce_logits, hypers), .plan = plan, .loss = loss);
