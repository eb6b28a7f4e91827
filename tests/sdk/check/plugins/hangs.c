/* Never comes back from validate. */
#include "faulty.h"

static int validate(assay_ctx *ctx, const void *hyper)
{
    volatile int forever = 1;
    (void)ctx;
    (void)hyper;
    while (forever) {
    }
    return ASSAY_OK;
}

FAULTY(hangs, "never comes back from validate");
