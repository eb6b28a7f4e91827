/* A table of special cases whose rows are too short. */
#include "bad.h"

static const assay_special_case cases[] = { { .of = "sgd", .when = "", .as = "", .doc = "why" } };

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update,
    .special_cases = cases, .n_special_cases = 1, .special_case_stride = 8);
