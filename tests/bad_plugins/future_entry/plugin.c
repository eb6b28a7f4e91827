/* Exports the entry of another major version only. */
#include "bad.h"

#undef ASSAY_ENTRY
#define ASSAY_ENTRY assay_plugin_v1
ASSAY_EXPORT const assay_plugin *ASSAY_ENTRY(const assay_host *host);

ASSAY_OPTIMIZER(bad, "1.0", "a doc", ASSAY_NO_HYPERS, .elem = update);
