/* The cosine schedule: from 1 to `min` along half a cosine.
 *
 *   factor = min + (1 - min) (1 + cos(pi min(x, over) / over)) / 2
 *
 * Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", eq. 5, without restarts;
 * torch.optim.lr_scheduler.CosineAnnealingLR. x and `over` count from the end of the warm-up, see shared/warmup.h; an
 * `over` of 0 is what is left of the run.
 *
 * Deviations: after `over` the factor stays at min; torch goes up again.
 *
 * Defaults: min 0 as eta_min in CosineAnnealingLR 1.13; the horizon is the run's. */
#include "shared/warmup.h"

#include <math.h>

struct cosine {
    struct pace pace;
    double min;
    int64_t over;
};

static const double pi = 3.14159265358979323846;

static const assay_hyper hypers[] = {
    ASSAY_REAL(cosine, min, 0, 0, ASSAY_INF, "factor at the end"),
    PACE_OVER(cosine),
    PACE_HYPERS(cosine, PACE_STEP),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct cosine *h = hyper;
    double done = 0;
    const int code = pace_done(ctx, &h->pace, when, h->over, &done);
    (void)state;
    if (code != ASSAY_OK) {
        return code;
    }
    *out_factor = pace_warmup(&h->pace, when) * (h->min + (1 - h->min) * (1 + cos(pi * done)) / 2);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(cosine, "0.1.0", "from 1 to a minimum along half a cosine",
    ASSAY_HYPERS(cosine, hypers), .factor = factor, .horizon = 1);
