/* A slot is there twice. */
#include "bad.h"

static const assay_slot slots[] = { { .name = "m" }, { .name = "m" } };

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, ASSAY_SLOTS(slots));
