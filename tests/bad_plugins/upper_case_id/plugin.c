/* An id that no config could name by the rules. */
#include "bad.h"

ASSAY_OPTIMIZER(Bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
