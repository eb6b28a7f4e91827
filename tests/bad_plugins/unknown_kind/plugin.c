/* A kind that this host does not know. */
#include "bad.h"

ASSAY_DEFINE_("teapot", assay_optimizer, bad, "1.0", "a doc", 0, 0, 0, .elem = update);
ASSAY_PLUGIN(bad, "1.0", &bad_component);
