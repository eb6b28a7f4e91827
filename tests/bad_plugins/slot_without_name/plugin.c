/* A slot without a name. */
#include "bad.h"

static const assay_slot slots[] = { { .shape = ASSAY_SLOT_ROWS } };

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, ASSAY_SLOTS(slots));
