/* Opens a file and leaves it open. */
#include "faulty.h"

#include <stdio.h>

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return fopen("/dev/zero", "r") ? ASSAY_OK : ASSAY_E_IO;
}

FAULTY(leaves_file, "leaves a file open");
