/* The inverse-time schedule: constant for tau units, then falling as a power of 1/t.
 *
 *   factor = (tau / max(t, tau))^power,   t = x + 1: the number of the unit that is under way, from 1
 *
 * Bengio 2012, "Practical recommendations for gradient-based training of deep architectures", section 3.1.1: eps_t = eps_0
 * tau / max(t, tau), and O(1/t^a) with a < 1 as the alternative. Kingma and Ba 2015 train their logistic regression with
 * lr / sqrt(t): tau = 1, power = 0.5. x counts from the end of the warm-up, see shared/warmup.h.
 *
 * Defaults: power 1 as in Bengio's equation; its tau is infinite, so there is no useful default: 1 (the plain 1/t of
 * Robbins and Monro 1951). */
#include "shared/warmup.h"

#include <math.h>

struct inverse_time {
    struct pace pace;
    double tau, power;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(inverse_time, tau, 1, 0, ASSAY_INF, "how many units the factor stays at 1",
        .flags = ASSAY_OPEN_MIN),
    ASSAY_REAL(inverse_time, power, 1, 0, ASSAY_INF, "power of 1/t that follows"),
    PACE_HYPERS(inverse_time, PACE_STEP),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct inverse_time *h = hyper;
    const double t = pace_time(&h->pace, when) + 1;
    (void)ctx;
    (void)state;
    *out_factor = pace_warmup(&h->pace, when) * (t > h->tau ? pow(h->tau / t, h->power) : 1);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(inverse_time, "0.1.0", "constant, then falling as a power of 1/t",
    ASSAY_HYPERS(inverse_time, hypers), .factor = factor);
