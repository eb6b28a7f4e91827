/* A default that is none of the choices. */
#include "bad.h"

static const char *const choices[] = { "left", "right" };

static const assay_hyper hypers[] = {
    ASSAY_ENUM(bad, n, 3, choices, "which"),
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
