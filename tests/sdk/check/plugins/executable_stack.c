/* Is linked with an executable stack. */
#include "faulty.h"

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return ASSAY_OK;
}

FAULTY(executable_stack, "asks for an executable stack");
