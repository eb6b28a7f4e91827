/* A schedule without its factor. */
#include "bad.h"

ASSAY_SCHEDULE(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .n_state = 1);
