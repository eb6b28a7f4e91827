/* The polynomial schedule: from 1 to `end` along a power of the time that is left.
 *
 *   factor = end + (1 - end) (1 - min(x, over) / over)^power
 *
 * torch.optim.lr_scheduler.PolynomialLR, which has end 0. x and `over` count from the end of the warm-up, see
 * shared/warmup.h; an `over` of 0 is what is left of the run.
 *
 * Defaults: power 1 and end 0 as in PolynomialLR 1.13; the horizon is the run's instead of its 5. */
#include "shared/warmup.h"

#include <math.h>

struct polynomial {
    struct pace pace;
    double end, power;
    int64_t over;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(polynomial, end, 0, 0, ASSAY_INF, "factor at the end"),
    ASSAY_REAL(polynomial, power, 1, 0, ASSAY_INF, "power of the time that is left",
        .flags = ASSAY_OPEN_MIN),
    PACE_OVER(polynomial),
    PACE_HYPERS(polynomial, PACE_STEP),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct polynomial *h = hyper;
    double done = 0;
    const int code = pace_done(ctx, &h->pace, when, h->over, &done);
    (void)state;
    if (code != ASSAY_OK) {
        return code;
    }
    *out_factor = pace_warmup(&h->pace, when) * (h->end + (1 - h->end) * pow(1 - done, h->power));
    return ASSAY_OK;
}

ASSAY_SCHEDULE(polynomial, "0.1.0", "from 1 to an end along a power of the time left",
    ASSAY_HYPERS(polynomial, hypers), .factor = factor, .horizon = 1);
