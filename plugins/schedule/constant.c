/* The constant schedule: 1 after the warm-up, which shared/warmup.h describes.
 *
 *   factor = warmup_start + (1 - warmup_start) x / warmup  for x < warmup,  1 afterwards
 *
 * With a warm-up it is torch.optim.lr_scheduler.LinearLR with end_factor 1. Defaults: no warm-up. */
#include "shared/warmup.h"

struct constant {
    struct pace pace;
};

static const assay_hyper hypers[] = { PACE_HYPERS(constant, PACE_STEP) };

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct constant *h = hyper;
    (void)ctx;
    (void)state;
    *out_factor = pace_warmup(&h->pace, when);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(constant, "0.1.0", "always 1, after an optional warm-up",
    ASSAY_HYPERS(constant, hypers), .factor = factor);
