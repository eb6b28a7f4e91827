/* Something else lives in a section of that name. */
#include "bad.h"

static const char text[] ASSAY_INFO_SECTION = "version 3 of somebody else";
