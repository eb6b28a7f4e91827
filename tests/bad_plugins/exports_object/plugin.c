/* A variable that everybody may take. */
#include "bad.h"

ASSAY_EXPORT extern int n_steps;

int n_steps = 2385;

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
