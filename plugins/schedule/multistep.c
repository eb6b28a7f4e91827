/* The multistep schedule: a factor gamma at each milestone.
 *
 *   factor = gamma^(number of milestones <= x)
 *
 * torch.optim.lr_scheduler.MultiStepLR; x counts from the end of the warm-up, see shared/warmup.h. A milestone that is
 * listed twice counts twice, as it does there.
 *
 * Defaults: gamma 0.1 as in MultiStepLR 1.13, which has none for the milestones either. */
#include "shared/warmup.h"

#include <math.h>

struct multistep {
    struct pace pace;
    assay_ints milestones;
    double gamma;
};

static const assay_hyper hypers[] = {
    ASSAY_INTS(multistep, milestones, NULL, 0, PACE_MOST, "the units at which the factor falls",
        .flags = ASSAY_REQUIRED),
    ASSAY_REAL(multistep, gamma, 0.1, 0, ASSAY_INF, "what the factor is multiplied by"),
    PACE_HYPERS(multistep, PACE_EPOCH),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct multistep *h = hyper;
    const double x = pace_time(&h->pace, when);
    uint64_t n = 0;
    (void)ctx;
    (void)state;
    for (uint64_t i = 0; i < h->milestones.n; i++) {
        n += (double)h->milestones.item[i] <= x;
    }
    *out_factor = pace_warmup(&h->pace, when) * pow(h->gamma, (double)n);
    return ASSAY_OK;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct multistep *h = hyper;
    if (h->milestones.n == 0) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, "milestones", "needs at least one");
    }
    return ASSAY_OK;
}

ASSAY_SCHEDULE(multistep, "0.1.0", "falls by a factor at given milestones",
    ASSAY_HYPERS(multistep, hypers), .factor = factor, .validate = validate);
