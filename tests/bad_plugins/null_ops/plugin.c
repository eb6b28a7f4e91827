/* A component without ops. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one, .ops = 0);
static const assay_component *const all[] = { &one };
PLUGIN();
