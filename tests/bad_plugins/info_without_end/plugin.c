/* A record of .assay_info lacks its NUL. */
#include "bad.h"

static const char text[13] ASSAY_INFO_SECTION = "assay.plugin\n";
