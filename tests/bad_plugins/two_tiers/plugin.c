/* An optimizer with two tiers. */
#include "bad.h"

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update, .tensor = update);
