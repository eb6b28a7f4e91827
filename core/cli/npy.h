/* NumPy's .npy files, version 1.0 (numpy/lib/format.py): float32, C order. */
#ifndef ASSAY_CORE_CLI_NPY_H
#define ASSAY_CORE_CLI_NPY_H

#include "base/error.h"

#include <stddef.h>

/* x[rows, cols], written whole or not at all. */
status npy_write(const char *path, const float *x, size_t rows, size_t cols, error *err) MUST_CHECK;

#endif
