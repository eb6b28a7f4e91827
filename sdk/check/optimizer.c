/* What an optimizer must hold to. */
#include "check/kit.h"

const check_test check_tests_optimizer[] = { { .name = NULL } };
