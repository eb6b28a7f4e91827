/* A tolerance that is no number. */
#include "bad.h"

static const assay_special_case cases[] = {
    { .of = "sgd", .when = "n = 2;", .as = "", .doc = "why", .tolerance = ASSAY_INF - ASSAY_INF }
};

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(
    bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update, ASSAY_SPECIAL_CASES(cases));
