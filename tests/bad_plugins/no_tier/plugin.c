/* An optimizer without a tier. */
#include "bad.h"

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .n_slots = 0);
