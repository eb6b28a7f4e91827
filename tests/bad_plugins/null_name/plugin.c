/* The plugin has no name. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one };
PLUGIN(.name = 0);
