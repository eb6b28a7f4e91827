/* The described component is not the listed one. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one, .id = "worse");
static const assay_component *const all[] = { &one };
PLUGIN();
