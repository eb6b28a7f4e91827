/* A flag that no header names. */
#include "bad.h"

static const assay_slot slots[] = { { .name = "m", .flags = ASSAY_SLOT_MATRICES | 64u } };

static const assay_hyper hypers[] = {
    GOOD_ROWS,
};

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_HYPERS(bad, hypers), .elem = update, ASSAY_SLOTS(slots));
