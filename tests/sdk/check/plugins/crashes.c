/* Writes through a null pointer in validate. */
#include "faulty.h"

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)hyper;
    *(volatile int *)ctx->self = 1;
    return ASSAY_OK;
}

FAULTY(crashes, "writes through a null pointer in validate");
