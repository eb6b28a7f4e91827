/* Corrects a hyperparameter in the host's struct. */
#include "faulty.h"

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    ((struct faulty *)(uintptr_t)hyper)->lr *= 0.5;
    return ASSAY_OK;
}

FAULTY(writes_hypers, "writes to its hyperparameters");
