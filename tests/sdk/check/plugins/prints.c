/* Prints instead of using the host's log. */
#include "faulty.h"

#include <stdio.h>

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    printf("here I am\n");
    return ASSAY_OK;
}

FAULTY(prints, "prints in validate");
