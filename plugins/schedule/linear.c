/* The linear schedule: from 1 to `end` on a straight line.
 *
 *   factor = 1 + (end - 1) min(x, over) / over
 *
 * torch.optim.lr_scheduler.LinearLR with start_factor 1. x and `over` count from the end of the warm-up, see
 * shared/warmup.h; an `over` of 0 is what is left of the run.
 *
 * Defaults: end 0, the linear decay of Mishkin, Sergievskiy and Matas 2017, "Systematic evaluation of CNN advances on the
 * ImageNet", section 3.6; the horizon is the run's. (LinearLR's own default, from 1/3 up to 1 in 5, is a warm-up.) */
#include "shared/warmup.h"

struct linear {
    struct pace pace;
    double end;
    int64_t over;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(linear, end, 0, 0, ASSAY_INF, "factor at the end"),
    PACE_OVER(linear),
    PACE_HYPERS(linear, PACE_STEP),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct linear *h = hyper;
    double done = 0;
    const int code = pace_done(ctx, &h->pace, when, h->over, &done);
    (void)state;
    if (code != ASSAY_OK) {
        return code;
    }
    *out_factor = pace_warmup(&h->pace, when) * (1 + (h->end - 1) * done);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(linear, "0.1.0", "from 1 to an end on a straight line", ASSAY_HYPERS(linear, hypers),
    .factor = factor, .horizon = 1);
