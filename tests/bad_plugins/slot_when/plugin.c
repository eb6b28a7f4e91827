/* `when` names nothing. */
#include "bad.h"

static const assay_slot slots[] = { { .name = "m", .when = "centred" } };

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update, ASSAY_SLOTS(slots));
