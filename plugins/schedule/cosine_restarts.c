/* Cosine annealing with warm restarts: from 1 to `min` along half a cosine, again and again, each time for longer.
 *
 *   factor = min + (1 - min) (1 + cos(pi c / T)) / 2,  T = period multiplier^i in cycle i, c the units done in it
 *
 * Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5;
 * torch.optim.lr_scheduler.CosineAnnealingWarmRestarts. 1 is the optimizer's own learning rate, the paper's eta_max and the
 * base rate there; `min` is eta_min as a share of it. The count begins after the warm-up, see shared/warmup.h. Where the unit
 * is an epoch the factor moves at every step, as in the paper and as torch's step(epoch + i / iters).
 *
 * Defaults: period 10 and multiplier 2, the paper's best on CIFAR: restarts at 10, 30, 70, 150; min 0 as in torch 1.13,
 * which has no default period. */
#include "shared/warmup.h"

#include <math.h>

struct cosine_restarts {
    struct pace pace;
    int64_t period, multiplier;
    double min;
};

static const double pi = 3.14159265358979323846;

static const assay_hyper hypers[] = {
    ASSAY_INT(cosine_restarts, period, 10, 1, PACE_MOST, "how many units the first cycle takes"),
    ASSAY_INT(cosine_restarts, multiplier, 2, 1, 1 << 20,
        "how many times longer each cycle takes than the one before"),
    ASSAY_REAL(cosine_restarts, min, 0, 0, ASSAY_INF, "factor at the end of a cycle"),
    PACE_HYPERS(cosine_restarts, PACE_EPOCH),
};

/* How much of its cycle, from 0 to below 1, is done after x units. */
static double cycle_done(const struct cosine_restarts *h, double x)
{
    double length = (double)h->period;
    if (h->multiplier == 1) {
        return fmod(x, length) / length;
    }
    while (x >= length) {
        x -= length;
        length *= (double)h->multiplier;
    }
    return x / length;
}

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct cosine_restarts *h = hyper;
    const double done = cycle_done(h, pace_smooth_time(&h->pace, when));
    (void)ctx;
    (void)state;
    *out_factor = pace_warmup(&h->pace, when) * (h->min + (1 - h->min) * (1 + cos(pi * done)) / 2);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(cosine_restarts, "0.1.0", "half a cosine again and again, with warm restarts",
    ASSAY_HYPERS(cosine_restarts, hypers), .factor = factor);
