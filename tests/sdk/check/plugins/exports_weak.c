/* Exports a weak symbol. */
#include "faulty.h"

ASSAY_EXPORT __attribute__((weak)) int helper(int x);

int helper(int x)
{
    return x + 1;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return helper(0) == 1 ? ASSAY_OK : ASSAY_E_INTERNAL;
}

FAULTY(exports_weak, "exports a weak symbol");
