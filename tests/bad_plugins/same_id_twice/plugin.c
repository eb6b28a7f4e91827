/* Two components of one kind and id. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
COMPONENT_INFO(other_info, bad);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one, &one };
PLUGIN();
