/* What a layer must hold to. */
#include "check/kit.h"

const check_test check_tests_layer[] = { { .name = NULL } };
