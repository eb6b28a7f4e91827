/* Asks for a later minor version of the host. */
#define ASSAY_TARGET_MINOR 3
#include "bad.h"

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
