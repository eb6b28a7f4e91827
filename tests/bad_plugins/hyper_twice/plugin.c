/* A hyperparameter is there twice. */
#include "bad.h"

static const assay_hyper hypers[] = {
    GOOD_ROWS,
    ASSAY_BOOL(bad, flag, 0, "once more"),
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
