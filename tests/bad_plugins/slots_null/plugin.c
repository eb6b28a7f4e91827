/* Slots that are announced but not there. */
#include "bad.h"

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, .n_slots = 2,
    .slot_stride = sizeof(assay_slot));
