/* A component of a kind that this host does not know, one that is malformed, and one that works. */
#include <assay/plugin.h>

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

ASSAY_DEFINE_("teapot", assay_optimizer, pot, "1.0", "of a later host", 0, 0, 0, .elem = update);
ASSAY_DEFINE_OPTIMIZER(broken, "1.0", "no tier", ASSAY_NO_HYPERS, .n_slots = 0);
ASSAY_DEFINE_OPTIMIZER(plain, "1.0", "works", ASSAY_NO_HYPERS, .elem = update);
ASSAY_PLUGIN(half_known, "1.0", &pot_component, &broken_component, &plain_component);
