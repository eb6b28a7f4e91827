/* Built from other draft headers. */
#include <assay/draft_hash.h>
#undef ASSAY_DRAFT_HASH
#define ASSAY_DRAFT_HASH 0x0123456789abcdefULL
#include "bad.h"

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
