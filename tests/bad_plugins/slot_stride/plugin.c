/* A stride that is no slot. */
#include "bad.h"

static const assay_slot slots[] = { { .name = "m" } };

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, .slots = slots, .n_slots = 1,
    .slot_stride = 8);
