/* The plugin record lacks a key. */
#include "bad.h"

static const char text[] ASSAY_INFO_SECTION =
    "assay.plugin\nname=bad\nversion=1.0\nabi=0.0\ntarget=0\n";
