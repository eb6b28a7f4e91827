/* A special case of nobody. */
#include "bad.h"

static const assay_special_case cases[] = { { .when = "n = 2;", .as = "", .doc = "why" } };

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(
    bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update, ASSAY_SPECIAL_CASES(cases));
