/* The cyclical schedule: up and down between two factors on straight lines.
 *
 *   factor = base + (max - base) h s,  h = x mod (up + down), as a height: from 0 to 1 in `up` units, back in `down`
 *   s = 1 (triangular), 2^-(cycles done) (triangular2), gamma^x (exp_range)
 *
 * Smith 2017, "Cyclical learning rates for training neural networks", section 3, first published in 2015;
 * torch.optim.lr_scheduler.CyclicLR with cycle_momentum off. With the default max of 1 the optimizer's own learning rate is
 * the *largest*, max_lr, and `base` is base_lr as a share of it. `base` may be above `max`: for a momentum that falls while
 * the rate rises, { target = "momentum"; base = 1; max = 0.889; } turns 0.9 into 0.8 and back, as cycle_momentum does.
 *
 * x counts from the end of the warm-up, see shared/warmup.h; where the unit is an epoch it moves at every step.
 *
 * Defaults: up and down 2000 and gamma 1 as in torch 1.13; base 1/6 is the paper's range, 0.001 to 0.006. The paper takes 2
 * to 10 epochs for `up`, and ends a run where a cycle ends. */
#include "shared/warmup.h"

#include <math.h>

struct cyclic {
    struct pace pace;
    int64_t policy, up, down;
    double base, max, gamma;
};

enum { TRIANGULAR, TRIANGULAR2, EXP_RANGE };

static const char *const policies[] = {
    [TRIANGULAR] = "triangular", [TRIANGULAR2] = "triangular2", [EXP_RANGE] = "exp_range"
};

static const assay_hyper hypers[] = {
    ASSAY_ENUM(cyclic, policy, TRIANGULAR, policies, "how the peaks change with time"),
    ASSAY_REAL(cyclic, base, 1.0 / 6, 0, ASSAY_INF, "factor where a cycle begins and ends"),
    ASSAY_REAL(cyclic, max, 1, 0, ASSAY_INF, "factor at the first peak"),
    ASSAY_INT(cyclic, up, 2000, 1, PACE_MOST, "how many units the way up takes"),
    ASSAY_INT(cyclic, down, 0, 0, PACE_MOST, "how many units the way down takes; 0: as many"),
    ASSAY_REAL(cyclic, gamma, 1, 0, 1,
        "what exp_range multiplies the height of a cycle by at every unit",
        .flags = ASSAY_OPEN_MIN),
    PACE_HYPERS(cyclic, PACE_STEP),
};

static double height(const struct cyclic *h, double x)
{
    const double up = (double)h->up, down = (double)(h->down > 0 ? h->down : h->up);
    const double c = fmod(x, up + down);
    const double line = c <= up ? c / up : (up + down - c) / down;
    switch (h->policy) {
    case TRIANGULAR2: return line * pow(0.5, floor(x / (up + down)));
    case EXP_RANGE: return line * pow(h->gamma, x);
    default: return line;
    }
}

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct cyclic *h = hyper;
    const double at = height(h, pace_smooth_time(&h->pace, when));
    (void)ctx;
    (void)state;
    *out_factor = pace_warmup(&h->pace, when) * (h->base + (h->max - h->base) * at);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(cyclic, "0.1.0", "up and down between two factors", ASSAY_HYPERS(cyclic, hypers),
    .factor = factor);
