/* Calls a function that nothing provides. */
#include "bad.h"

int function_of_nobody(void);

static int call(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    return function_of_nobody();
}

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = call);
