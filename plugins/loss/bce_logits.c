/* bce_logits: the binary cross-entropy of the sigmoid of each output.
 *
 *   l = mean over j of max(z, 0) - z t + log1p(exp(-|z|)),  dl/dz = sigmoid(z) - t        z = y_j, t = target_j
 *
 * PyTorch's BCEWithLogitsLoss. z, t [rows, outputs]; or one output for data of two classes, where t is the label. The form
 * with log1p overflows for no z and keeps its precision where the model is sure. `features = "sum"` sums over a row's
 * outputs: the negative log-likelihood of a frame of a piano roll, say. */
#include "shared/outputs.h"

#include <math.h>

struct bce_logits {
    int64_t features;
};

static const assay_hyper hypers[] = { FEATURES_ROW(bce_logits) };

static double element(const void *hyper, double y, double target, double *slope)
{
    const double e = exp(-fabs(y)); // at most 1
    (void)hyper;
    *slope = y > 0 ? (1 - target) - e / (1 + e) : e / (1 + e) - target;
    return (y > 0 ? y * (1 - target) : -y * target) + log1p(e);
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
    (void)ctx;
    return output_loss(element, h, h->features, rows, scale, dy, out_sum);
}

ASSAY_LOSS(bce_logits, "0.1.0", "binary cross-entropy of the sigmoid, for yes and no",
    ASSAY_HYPERS(bce_logits, hypers), .plan = plan, .loss = loss);
