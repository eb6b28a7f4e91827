/* Hyperparameters that are announced but not there. */
#include "bad.h"

PLUGIN_INFO;
COMPONENT_INFO(component_info, bad);
OPS();
COMPONENT(one, .n_hypers = 3);
static const assay_component *const all[] = { &one };
PLUGIN();
