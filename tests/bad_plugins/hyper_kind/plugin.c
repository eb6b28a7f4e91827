/* A nested component of no known kind. */
#include "bad.h"

static const assay_hyper hypers[] = {
    { .name = "inner",
        .offset = 8,
        .type = ASSAY_TYPE_COMPONENT,
        .doc = "within",
        .kind = "teapot" },
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update);
