/* .assay_info and description disagree about the version. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one };
PLUGIN(.version = "2.0");
