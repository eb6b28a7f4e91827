/* Aborts in validate, in a function of its own. */
#include "faulty.h"

#include <stdlib.h>

__attribute__((noinline)) static void give_up(const void *hyper)
{
    if (hyper) abort();
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    give_up(hyper);
    return ASSAY_OK;
}

FAULTY(aborts, "calls abort in validate");
