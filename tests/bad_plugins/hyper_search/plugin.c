/* A search range outside the valid range. */
#include "bad.h"

static const assay_hyper hypers[] = {
    ASSAY_REAL(bad, lr, 0.5, 0, 1, "rate", .flags = ASSAY_TUNE, .tune_min = 0.1, .tune_max = 2),
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
