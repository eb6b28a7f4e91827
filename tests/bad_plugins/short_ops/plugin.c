/* Ops that are shorter than any version of them. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS(.struct_size = 16);
COMPONENT(one);
static const assay_component *const all[] = { &one };
PLUGIN();
