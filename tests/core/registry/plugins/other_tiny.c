/* Another plugin that offers an optimizer "tiny". */
#include <assay/plugin.h>

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

ASSAY_DEFINE_OPTIMIZER(tiny, "7.0", "another tiny optimizer", ASSAY_NO_HYPERS, .elem = update);
ASSAY_PLUGIN(other_tiny, "7.0", &tiny_component);
