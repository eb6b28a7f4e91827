/* Needs the runtime of OpenMP. */
#include "faulty.h"

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return ASSAY_OK;
}

FAULTY(needs_openmp, "needs the runtime of OpenMP");
