/* What a loss must hold to. */
#include "check/kit.h"

const check_test check_tests_loss[] = { { .name = NULL } };
