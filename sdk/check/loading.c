/* What a plugin's file must hold to before any of its components is looked at. */
#include "check/kit.h"

const check_test check_tests_loading[] = { { .name = NULL } };
