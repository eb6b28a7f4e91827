/* The tensors of tests/golden/generate_optimizers2.py, whose shapes are in the golden files, and the checks that all its optimizers
 * go through. */
#ifndef ASSAY_TESTS_PLUGINS_OPTIMIZER_WHOLE_TENSORS_H
#define ASSAY_TESTS_PLUGINS_OPTIMIZER_WHOLE_TENSORS_H

#include "check/optimizer_rig.h"
#include "support/optimizer_harness.h"

static const rig_tensor whole_tensors[] = {
    { .name = "matrix", .role = ASSAY_ROLE_WEIGHT },
    { .name = "gates", .role = ASSAY_ROLE_RECURRENT, .blocks = 2 },
    { .name = "kernel", .role = ASSAY_ROLE_WEIGHT },
    { .name = "column", .role = ASSAY_ROLE_WEIGHT },
    { .name = "zeros", .role = ASSAY_ROLE_WEIGHT },
    { .name = "bias", .role = ASSAY_ROLE_BIAS },
    { .name = "gain", .role = ASSAY_ROLE_GAIN },
};

static inline void check_whole_golden(const char *id, const optimizer_case *cases, size_t n)
{
    optimizer_check_golden_tensors(TEST_BUILD_DIR, TEST_SOURCE_DIR "/tests/golden", id, cases, n,
        whole_tensors, ASSAY_COUNT(whole_tensors));
}

static inline void check_whole_chunks(const char *id, const optimizer_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        optimizer_check_chunks(TEST_BUILD_DIR, id, cases[i].options);
    }
}

static inline void check_whole_resume(const char *id, const optimizer_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        optimizer_check_resume(TEST_BUILD_DIR, id, cases[i].options);
    }
}

static inline void check_whole_edges(const char *id, const optimizer_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        optimizer_check_empty(TEST_BUILD_DIR, id, cases[i].options);
        optimizer_check_lr_zero(TEST_BUILD_DIR, id, cases[i].options);
    }
}

#endif
