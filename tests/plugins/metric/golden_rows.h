/* Rows of outputs and targets in a golden file: NAME.y, and NAME.weight, NAME.label or NAME.target where there are any. */
#ifndef ASSAY_TESTS_PLUGINS_METRIC_GOLDEN_ROWS_H
#define ASSAY_TESTS_PLUGINS_METRIC_GOLDEN_ROWS_H

#include "support/golden.h"

#include <assay/loss.h>

#include <stdio.h>

/* "NAME.tensor"; valid until the next call. */
static inline const char *rows_key(const char *name, const char *tensor)
{
    static char text[128];
    snprintf(text, sizeof text, "%s.%s", name, tensor);
    return text;
}

static inline assay_rows rows_read(const golden *file, const char *name, int of_classes)
{
    size_t dim[8] = { 0 };
    golden_shape(file, rows_key(name, "y"), dim);
    assay_rows rows = { .struct_size = sizeof rows,
        .n = dim[0],
        .n_outputs = dim[1],
        .n_targets = of_classes ? 1 : dim[1],
        .y = golden_f32(file, rows_key(name, "y"), NULL),
        .weight = golden_f32(file, rows_key(name, "weight"), NULL) };
    if (of_classes) {
        rows.label = golden_i32(file, rows_key(name, "label"), NULL);
    } else {
        rows.target = golden_f32(file, rows_key(name, "target"), NULL);
    }
    return rows;
}

static inline assay_rows rows_part(const assay_rows *rows, uint64_t begin, uint64_t end)
{
    assay_rows part = *rows;
    part.n = end - begin;
    part.y += begin * rows->n_outputs;
    if (part.label) part.label += begin;
    if (part.target) part.target += begin * rows->n_targets;
    if (part.weight) part.weight += begin;
    return part;
}

#endif
