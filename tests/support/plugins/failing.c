/* failing: an optimizer that says no at one of its updates. */
#include <assay/plugin.h>

struct failing {
    double lr;
    int64_t at, says_why;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(failing, 0.1, 1e-3, 1),
    ASSAY_INT(failing, at, 3, 1, 1000, "the update that fails"),
    ASSAY_BOOL(failing, says_why, 1, "report a reason"),
};

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct failing *h = hyper;
    (void)s;
    if (step->t != (uint64_t)h->at) return ASSAY_OK;
    return h->says_why ? ctx->host->fail(ctx, ASSAY_E_NUMERIC, "at", "had enough of this")
                       : ASSAY_E_NUMERIC;
}

ASSAY_OPTIMIZER(
    failing, "0.1.0", "fails at one of its updates", ASSAY_HYPERS(failing, hypers), .elem = update);
