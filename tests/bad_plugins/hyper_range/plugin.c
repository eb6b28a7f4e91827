/* A valid range with nothing in it. */
#include "bad.h"

static const assay_hyper hypers[] = {
    ASSAY_REAL(bad, lr, 1, 2, 0, "rate"),
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
