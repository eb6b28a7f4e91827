/* A function that its author forgot to make static, in a build without -fvisibility=hidden. */
#include "bad.h"

ASSAY_EXPORT int step_it(int i);

int step_it(int i)
{
    return i + 1;
}

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
