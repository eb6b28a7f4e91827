/* A field of the struct has no row: nobody fills it in. */
#include "bad.h"

struct more {
    struct bad known;
    double forgotten;
};

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(more, hypers), .elem = update);
