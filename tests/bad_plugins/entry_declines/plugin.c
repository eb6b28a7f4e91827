/* The entry returns NULL. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);

const assay_plugin *ASSAY_ENTRY(const assay_host *host)
{
    (void)host;
    return 0;
}
