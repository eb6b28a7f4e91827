/* A default that is no number. */
#include "bad.h"

static const assay_hyper hypers[] = {
    ASSAY_REAL(bad, lr, NAN, 0, 1, "rate"),
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
