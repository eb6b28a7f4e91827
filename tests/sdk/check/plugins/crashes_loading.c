/* Crashes in a constructor, before its entry is called. */
#include "faulty.h"

static const int *volatile nowhere = 0;

__attribute__((constructor)) static void begin(void)
{
    if (*nowhere) nowhere = 0;
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return ASSAY_OK;
}

FAULTY(crashes_loading, "crashes in a constructor");
