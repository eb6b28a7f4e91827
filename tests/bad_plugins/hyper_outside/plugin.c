/* A hyperparameter outside the struct. */
#include "bad.h"

static const assay_hyper hypers[] = {
    { .name = "far", .offset = 4096, .type = ASSAY_TYPE_BOOL, .doc = "far away" },
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
