/* What a metric must hold to. */
#include "check/kit.h"

const check_test check_tests_metric[] = { { .name = NULL } };
