/* A type that this host does not know. */
#include "bad.h"

static const assay_hyper hypers[] = {
    { .name = "odd", .type = 77, .doc = "odd" },
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
