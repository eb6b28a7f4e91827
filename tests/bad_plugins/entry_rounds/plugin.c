/* Its entry sets how the processor rounds. */
#include "bad.h"

#include <fenv.h>

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one };
DESCRIPTION();

const assay_plugin *ASSAY_ENTRY(const assay_host *host)
{
    (void)host;
    fesetround(FE_UPWARD);
    return &description;
}
