/* A slot of no known shape. */
#include "bad.h"

static const assay_slot slots[] = { { .name = "m", .shape = 99 } };

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, ASSAY_SLOTS(slots));
