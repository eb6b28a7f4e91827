/* Special cases that are announced only. */
#include "bad.h"

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update,
    .n_special_cases = 3, .special_case_stride = sizeof(assay_special_case));
