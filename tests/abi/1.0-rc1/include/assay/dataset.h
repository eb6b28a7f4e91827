/* Datasets: open files or generate numbers, hand out views. The host makes splits, batches, standardisation (fitted on
 * the training part only), and keeps no copy that a view saves. */
#ifndef ASSAY_DATASET_H
#define ASSAY_DATASET_H

#include "abi.h"
#include "hyper.h"
#include "loss.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* assay_data.part, per sample, where the files themselves say so. */
#define ASSAY_PART_ANY 0u /* the host's split decides */
#define ASSAY_PART_TRAIN 1u
#define ASSAY_PART_VALIDATION 2u
#define ASSAY_PART_TEST 3u

/* assay_data.feature_flags, per feature. */
#define ASSAY_FEATURE_CATEGORY 1u /* 0 or 1 from a category: not standardised */

/* The whole dataset, as views into memory that the instance holds (host->alloc, a map, or its own until close). */
typedef struct assay_data {
    uint64_t struct_size;
    uint64_t n_samples;

    /* Features: sample i, step t at x + (first_step ? first_step[i] + t : i) * x_stride bytes. The targets of a step, where
     * there are any, have the same number. */
    assay_shape x_shape;
    uint32_t x_dtype; /* ASSAY_F32, ASSAY_I32, ASSAY_U8 */
    uint32_t x_writable; /* 1: private memory that the host may standardise in place */
    const void *x;
    uint64_t x_stride; /* bytes */
    double x_scale; /* of U8: the value seen is x_scale * byte; 0: 1 */
    uint64_t vocabulary; /* of I32 */
    const char *const *token_names; /* [vocabulary] as text, or NULL; kept with a run */
    const char *token_separator; /* what stands between tokens in a text; NULL: nothing */
    const char *const *feature_names; /* [features] or NULL */
    const uint32_t *feature_flags; /* [features] or NULL */
    uint64_t
        missing; /* 1: NaN marks a missing value, which the host replaces by the training part's mean */

    /* Targets, one row per sample (per step where target_per_step is 1). */
    uint64_t target; /* ASSAY_TARGET_... */
    uint64_t n_classes;
    const char *const *class_names; /* [n_classes] or NULL */
    uint64_t n_targets; /* 1 for CLASS */
    const char *const *target_names; /* [n_targets] or NULL */
    const int32_t *label; /* of CLASS */
    const float *targets; /* of REAL and BINARY, [n, n_targets] */
    const uint8_t *targets_u8; /* of BINARY, instead of `targets`: 0 or 1 each */
    uint64_t target_per_step; /* 1: n above counts steps, not samples */

    /* Sequences: sample i has the n_steps[i] >= 1 steps from first_step[i] on; samples may share steps. Both NULL: plain
     * samples of one step. */
    const uint64_t *first_step, *n_steps; /* [n_samples] each */

    const float *weight; /* [n_samples] sample weights, or NULL */
    const uint32_t *part; /* [n_samples] ASSAY_PART_..., or NULL */
    const uint32_t *group; /* [n_samples] samples of one group stay in one part, or NULL */
    const char *const *files; /* files that were read, for the record */
    uint64_t n_files;
} assay_data;

typedef struct assay_dataset {
    uint64_t struct_size;

    /* REQUIRED. Fills *out, whose struct_size the host has set and which is zero otherwise. [control] */
    int (*open)(assay_ctx *ctx, const void *hyper, assay_data *out);

    /* OPTIONAL */
    void (*close)(assay_ctx *ctx); /* gives back what `open` took outside host->alloc. [control] */
    int (*validate)(assay_ctx *ctx, const void *hyper); /* [control] */
} assay_dataset;

#ifdef __cplusplus
}
#endif

#endif
