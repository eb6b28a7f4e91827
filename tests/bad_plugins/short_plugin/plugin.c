/* The description is shorter than any version of it. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one };
PLUGIN(.struct_size = 40);
