/* One listed component is described twice, the other never. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
COMPONENT_INFO(other_info, other);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one, &one };
PLUGIN();
