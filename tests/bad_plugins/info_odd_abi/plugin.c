/* The plugin record has a number that is none. */
#include "bad.h"

static const char text[] ASSAY_INFO_SECTION =
    "assay.plugin\nname=bad\nversion=1.0\nabi=new\ntarget=0\ndraft=0\n";
