/* What a component of any kind must hold to. */
#include "check/kit.h"

const check_test check_tests_general[] = { { .name = NULL } };
