/* Two plugins linked into one file. */
#include "bad.h"

PLUGIN_INFO;
static const char other_info[] ASSAY_INFO_SECTION = ASSAY_PLUGIN_INFO_(other, "1.0");
