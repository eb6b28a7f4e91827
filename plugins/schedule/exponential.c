/* The exponential schedule: a factor `decay` at every unit.
 *
 *   factor = decay^x
 *
 * torch.optim.lr_scheduler.ExponentialLR; x counts from the end of the warm-up, see shared/warmup.h.
 *
 * Defaults: ExponentialLR has none; 0.97 an epoch is that of Karpathy's char-rnn (2015). */
#include "shared/warmup.h"

#include <math.h>

struct exponential {
    struct pace pace;
    double decay;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(exponential, decay, 0.97, 0, ASSAY_INF,
        "what the factor is multiplied by at every unit", .flags = ASSAY_OPEN_MIN),
    PACE_HYPERS(exponential, PACE_EPOCH),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct exponential *h = hyper;
    (void)ctx;
    (void)state;
    *out_factor = pace_warmup(&h->pace, when) * pow(h->decay, pace_time(&h->pace, when));
    return ASSAY_OK;
}

ASSAY_SCHEDULE(exponential, "0.1.0", "falls by a factor at every unit",
    ASSAY_HYPERS(exponential, hypers), .factor = factor);
