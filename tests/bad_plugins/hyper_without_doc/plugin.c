/* A hyperparameter that says nothing of itself. */
#include "bad.h"

static const assay_hyper hypers[] = {
    ASSAY_BOOL(bad, flag, 0, ""),
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
