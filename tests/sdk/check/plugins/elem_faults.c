/* Two optimizers whose `elem` ends the process, or never ends. */
#include <assay/plugin.h>

#include <stdlib.h>

static int aborts(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    if (span->n > 0) abort();
    return ASSAY_OK;
}

static int hangs(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    volatile uint64_t n = span->n;
    (void)ctx;
    (void)hyper;
    (void)step;
    while (n > 0) {
    }
    return ASSAY_OK;
}

ASSAY_DEFINE_OPTIMIZER(
    elem_aborts, "0.1.0", "calls abort in elem", ASSAY_NO_HYPERS, .elem = aborts);
ASSAY_DEFINE_OPTIMIZER(
    elem_hangs, "0.1.0", "never comes back from elem", ASSAY_NO_HYPERS, .elem = hangs);
ASSAY_PLUGIN(elem_faults, "0.1.0", &elem_aborts_component, &elem_hangs_component);
