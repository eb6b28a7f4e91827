/* Runs an optimizer of the elem tier by itself, straight from its .so, and the checks that every one of them must pass. */
#ifndef ASSAY_TESTS_SUPPORT_OPTIMIZER_HARNESS_H
#define ASSAY_TESTS_SUPPORT_OPTIMIZER_HARNESS_H

#include "support/fake_host.h"

#include <stddef.h>

enum { OPTIMIZER_SLOTS = 4, OPTIMIZER_WHOLE = 0 };

/* One optimizer on one tensor of n elements, with its state. */
typedef struct optimizer_harness {
    fake_host host;
    const assay_optimizer *ops;
    assay_tensor tensor;
    size_t n;
    uint64_t t; /* updates done */
    float *w; /* [n] */
    float *slot[OPTIMIZER_SLOTS]; /* [n] each; NULL where `when` says so */
} optimizer_harness;

/* Loads `id` from below `build_folder`/plugins, sets `options` ("lr=0.1 momentum=0.9") and copies w0[n]. */
void optimizer_open(optimizer_harness *o, const char *build_folder, const char *id,
    const char *options, const float *w0, size_t n);
void optimizer_close(optimizer_harness *o);

/* Takes over t, weights and slots of another one with the same options and size. */
void optimizer_restore(optimizer_harness *o, const optimizer_harness *from);

/* One update with the gradient g[n], in chunks of `chunk` elements, the last one first; OPTIMIZER_WHOLE for one chunk. */
void optimizer_update(optimizer_harness *o, const float *g, size_t chunk);

typedef struct optimizer_case {
    const char *name; /* in the golden file */
    const char *options;
} optimizer_case;

/* Every update of every case in tests/golden/optimizer_<id>.safetensors: the weights, and how far they have moved from where
 * they started, agree to 1e-5 in norm, tensor by tensor; the distance but for the rounding of the weights themselves. */
void optimizer_check_golden(const char *build_folder, const char *golden_folder, const char *id,
    const optimizer_case *cases, size_t n_cases);

/* Bitwise: chunks of 1, 7 and 4096 elements against the whole; a run that is resumed against one that is not; no elements; and
 * with lr = 0 and weight_decay = 0 the weights stay. */
void optimizer_check_chunks(const char *build_folder, const char *id, const char *options);
void optimizer_check_resume(const char *build_folder, const char *id, const char *options);
void optimizer_check_empty(const char *build_folder, const char *id, const char *options);
void optimizer_check_lr_zero(const char *build_folder, const char *id, const char *options);

#endif
