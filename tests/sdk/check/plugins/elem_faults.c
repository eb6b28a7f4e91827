/* Optimizers whose `elem` ends the process, or never ends. */
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

static int lacks_slot(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    float *m = span->slot[1];
    for (uint64_t i = 0; i < span->n; i++)
        m[i] = span->g[i];
    return ASSAY_OK;
}

static const assay_slot slots[] = { { .name = "v" } };

ASSAY_DEFINE_OPTIMIZER(elem_lacks_slot, "0.1.0", "writes a slot that it has not declared",
    ASSAY_NO_HYPERS, .elem = lacks_slot, ASSAY_SLOTS(slots));
ASSAY_DEFINE_OPTIMIZER(
    elem_aborts, "0.1.0", "calls abort in elem", ASSAY_NO_HYPERS, .elem = aborts);
ASSAY_DEFINE_OPTIMIZER(
    elem_hangs, "0.1.0", "never comes back from elem", ASSAY_NO_HYPERS, .elem = hangs);
ASSAY_PLUGIN(elem_faults, "0.1.0", &elem_aborts_component, &elem_hangs_component,
    &elem_lacks_slot_component);
