/* Counts its instances in a variable of the file. */
#include "faulty.h"

static uint64_t n_instances;
static double past[100];

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    past[n_instances % 100] = (double)n_instances;
    n_instances++;
    return past[0] < 1 ? ASSAY_OK : ASSAY_E_INTERNAL;
}

FAULTY(counts, "counts in a variable of the file");
