/* A plugin without components. */
#include "bad.h"

PLUGIN_INFO;
