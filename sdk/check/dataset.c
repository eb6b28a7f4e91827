/* What a dataset must hold to. */
#include "check/kit.h"

const check_test check_tests_dataset[] = { { .name = NULL } };
