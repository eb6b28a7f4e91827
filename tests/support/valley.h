/* A loss whose every value is known, for optimizers that evaluate it anew:
 *
 *   f(w) = sum_i k_i log cosh(w_i - c_i) + (sum_i u_i w_i)^2 / 2
 *
 * over the tensors "matrix" and "vector" of a golden file with this objective (check/optimizer_trajectory.h). */
#ifndef ASSAY_TESTS_SUPPORT_VALLEY_H
#define ASSAY_TESTS_SUPPORT_VALLEY_H

#include "support/optimizer_harness.h"

enum { VALLEY_TENSORS = 2, VALLEY_MOST = 64 };

typedef struct valley {
    struct trajectory *file;
    size_t n[VALLEY_TENSORS];
    const float *w0[VALLEY_TENSORS];
    float g[VALLEY_TENSORS][VALLEY_MOST]; /* the gradient of the last update */
    /* What the last evaluation was asked for. */
    float seen[VALLEY_TENSORS][VALLEY_MOST];
    size_t n_evaluations;
} valley;

/* From tests/golden/optimizer_<id>.safetensors. */
void valley_open(valley *v, const char *id);
void valley_close(valley *v);

/* A rig_objective. */
double valley_loss(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh);

/* An optimizer at w0, with the valley for its closure. */
void valley_optimizer(
    valley *v, optimizer_harness *o, const char *build_folder, const char *id, const char *options);

/* One update, with loss and gradient of where it stands. */
void valley_update(valley *v, optimizer_harness *o);

#endif
