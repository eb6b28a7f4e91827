/* inverse_sqrt: linear warm-up, then the inverse square root of the step.
 *
 *   factor(s) = s / warmup                for s < warmup,   s = updates done + 1
 *             = sqrt(warmup / s)          after
 *
 * Vaswani et al. 2017, "Attention is all you need", section 5.3, equation 3, scaled so that its peak, at s = warmup, is 1 and lr
 * means the highest rate. It does not depend on the horizon, so a run may be cut short or prolonged. */
#include <assay/plugin.h>

#include <math.h>

struct inverse_sqrt {
    int64_t warmup;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(inverse_sqrt, warmup, 4000, 1, 1LL << 40, "updates until the peak",
        .flags = ASSAY_TUNE | ASSAY_LOG, .tune_min = 10, .tune_max = 10000, .unit = "steps"),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct inverse_sqrt *h = hyper;
    const double s = (double)when->step + 1, warmup = (double)h->warmup;
    (void)ctx;
    (void)state;
    *out_factor = s < warmup ? s / warmup : sqrt(warmup / s);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(inverse_sqrt, "0.1.0", "linear warm-up, then the inverse square root of the step",
    ASSAY_HYPERS(inverse_sqrt, hypers), .factor = factor);
