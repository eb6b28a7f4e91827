/* The entry is not exported. */
#include "bad.h"

#undef ASSAY_ENTRY
#define ASSAY_ENTRY hidden_entry
const assay_plugin *ASSAY_ENTRY(const assay_host *host);

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
