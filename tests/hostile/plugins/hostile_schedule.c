/* A constant schedule that does something else at one step. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_schedule {
    const char *act;
    int64_t at;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(hostile_schedule, act, "nothing", "what it does"),
    ASSAY_INT(hostile_schedule, at, 5, 0, 1000, "at which step"),
};

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct hostile_schedule *h = hyper;
    (void)ctx;
    (void)state;
    if (when->step == (uint64_t)h->at) act(h->act);
    *out_factor = 1;
    return ASSAY_OK;
}

ASSAY_SCHEDULE(hostile_schedule, "0.1.0", "does something else at one step",
    ASSAY_HYPERS(hostile_schedule, hypers), .factor = factor);
