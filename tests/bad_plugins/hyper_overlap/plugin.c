/* Two hyperparameters share a place. */
#include "bad.h"

static const assay_hyper hypers[] = {
    GOOD_ROWS,
    { .name = "again", .offset = 8, .type = ASSAY_TYPE_BOOL, .doc = "on top of n" },
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
