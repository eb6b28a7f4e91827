/* .assay_info and description disagree about the draft. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one);
static const assay_component *const all[] = { &one };
PLUGIN(.draft_hash = 5);
