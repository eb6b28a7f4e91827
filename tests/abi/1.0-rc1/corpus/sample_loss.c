/* sample_loss: the logarithm of the hyperbolic cosine of the error, to begin with; a square near the target, a line far from it.
 *
 *   l = mean over j of width^2 log cosh(e_j / width),  e = y - t          y, t [rows, outputs]
 *   dl/dy_j = width tanh(e_j / width) / outputs
 *
 * log cosh(e) is computed as |e| + log1p(exp(-2 |e|)) - log 2, which does not overflow. Say here which paper and equation it is,
 * where it departs from them, and where the defaults come from. */
#include <assay/plugin.h>

#include <math.h>

/* What a config may say; assay reads it and checks it against the table below. */
struct sample_loss {
    double width;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(sample_loss, width, 1, 0, ASSAY_INF, "error at which the square turns into a line",
        .flags = ASSAY_OPEN_MIN | ASSAY_OPEN_MAX | ASSAY_TUNE | ASSAY_LOG, .tune_min = 0.01,
        .tune_max = 10),
};

/* Whether outputs and targets fit; the message names the remedy. */
static int plan(assay_ctx *ctx, const void *hyper, const assay_task *task)
{
    (void)hyper;
    if (task->target != ASSAY_TARGET_REAL) {
        return ctx->host->fail(
            ctx, ASSAY_E_UNSUPPORTED, NULL, "is for real targets; for classes take softmax_xent");
    }
    if (task->n_outputs != task->n_targets) {
        return ctx->host->fail(ctx, ASSAY_E_SHAPE, NULL,
            "needs as many outputs as targets: change the units of the last layer");
    }
    return ASSAY_OK;
}

/* width^2 log cosh(e / width), and its slope: near 0 as e^2 / 2, whatever the width. */
static double element(double e, double width, double *slope)
{
    const double a = fabs(e / width);
    *slope = width * tanh(e / width);
    return width * width * (a + log1p(exp(-2 * a)) - 0.6931471805599453);
}

/* The sum over rows of weight * l, in double and in row order; assay divides it by the sum of the weights. Where dy is not NULL
 * it becomes scale * weight * dl/dy; a row of weight 0 does not count, whatever stands in it. */
static int loss(assay_ctx *ctx, const void *hyper, const assay_rows *rows, double scale, float *dy,
    double *out_sum)
{
    const struct sample_loss *h = hyper;
    const uint64_t n = rows->n_outputs;
    double sum = 0;
    (void)ctx;
    for (uint64_t r = 0; r < rows->n; r++) {
        const double weight = (rows->weight ? (double)rows->weight[r] : 1.0) / (double)n;
        for (uint64_t j = 0; j < n; j++) {
            double slope = 0;
            if (weight != 0) {
                const double e = (double)rows->y[r * n + j] - (double)rows->target[r * n + j];
                sum += weight * element(e, h->width, &slope);
            }
            if (dy) dy[r * n + j] = (float)(scale * weight * slope);
        }
    }
    *out_sum = sum;
    return ASSAY_OK;
}

ASSAY_LOSS(sample_loss, "0.1.0", "log cosh of the error", ASSAY_HYPERS(sample_loss, hypers),
    .plan = plan, .loss = loss);
