/* What a schedule must hold to. */
#include "check/kit.h"

const check_test check_tests_schedule[] = { { .name = NULL } };
