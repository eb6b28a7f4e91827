/* A component is shorter than any version of it. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one, .struct_size = 8);
static const assay_component *const all[] = { &one };
PLUGIN();
