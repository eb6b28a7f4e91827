/* A dataset without open. */
#include "bad.h"

static void shut(assay_ctx *ctx)
{
}

ASSAY_DATASET(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .close = shut);
