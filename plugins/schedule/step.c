/* The step schedule: a factor gamma every `size` units.
 *
 *   factor = gamma^floor(x / size)
 *
 * torch.optim.lr_scheduler.StepLR; x counts from the end of the warm-up, see shared/warmup.h.
 *
 * Defaults: gamma 0.1 as in StepLR 1.13; a size of 30 epochs as in He et al. 2016's recipe as PyTorch's ImageNet example
 * gives it ("decayed by 10 every 30 epochs"). */
#include "shared/warmup.h"

#include <math.h>

struct step {
    struct pace pace;
    int64_t size;
    double gamma;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(step, size, 30, 1, PACE_MOST, "how many units lie between two falls"),
    ASSAY_REAL(step, gamma, 0.1, 0, ASSAY_INF, "what the factor is multiplied by"),
    PACE_HYPERS(step, PACE_EPOCH),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct step *h = hyper;
    const double x = pace_time(&h->pace, when);
    (void)ctx;
    (void)state;
    *out_factor = pace_warmup(&h->pace, when) * pow(h->gamma, floor(x / (double)h->size));
    return ASSAY_OK;
}

ASSAY_SCHEDULE(step, "0.1.0", "falls by a factor at equal distances", ASSAY_HYPERS(step, hypers),
    .factor = factor);
