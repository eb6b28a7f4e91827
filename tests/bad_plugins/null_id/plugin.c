/* A component has no id. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one, .id = 0);
static const assay_component *const all[] = { &one };
PLUGIN();
