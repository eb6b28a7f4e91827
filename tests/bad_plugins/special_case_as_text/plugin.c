/* The other's settings that cannot be read. */
#include "bad.h"

static const assay_special_case cases[] = {
    { .of = "sgd", .when = "n = 2;", .as = "momentum", .doc = "why" }
};

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(
    bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update, ASSAY_SPECIAL_CASES(cases));
