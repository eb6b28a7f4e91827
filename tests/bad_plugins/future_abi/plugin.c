/* Built with the SDK of a later major version. */
#include <assay/abi.h>
#undef ASSAY_ABI_MAJOR
#define ASSAY_ABI_MAJOR 1
#include "bad.h"

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
