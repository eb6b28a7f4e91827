/* The description has more components than .assay_info. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one };
PLUGIN(.n_components = 7);
