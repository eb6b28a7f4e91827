/* A single layer with buffers of its own, as the model would lay them out: for tests of a layer by
 * itself.
 *
 *     layer_open(&l, TEST_BUILD_DIR, "dense");  component_set(&l.rig, "units", 4);
 *     layer_input(&l, (assay_shape){ 1, { 7 } });
 *     code = layer_plan(&l, 3, 5);      fill l.x, l.param, l.dy
 *     layer_forward(&l); layer_backward(&l);
 *
 * Every buffer has exactly its size, and what a call must overwrite is NaN before it. */
#ifndef ASSAY_TESTS_SUPPORT_LAYER_HARNESS_H
#define ASSAY_TESTS_SUPPORT_LAYER_HARNESS_H

#include "support/component_rig.h"

#define LAYER_MAX 16

typedef struct layer_harness {
    component_rig rig;
    const assay_layer *ops;
    assay_plan plan;
    assay_io io;

    assay_input in[LAYER_MAX];
    assay_shape in_shape[LAYER_MAX];
    const void *x_view[LAYER_MAX];
    float *x[LAYER_MAX], *dx[LAYER_MAX]; /* set a dx to NULL before backward: nobody needs it */
    float *y, *dy;

    uint64_t n_param;
    assay_param declared[LAYER_MAX];
    const float *param_view[LAYER_MAX];
    float *param[LAYER_MAX], *dparam[LAYER_MAX]; /* set a dparam to NULL: not trained */
    uint32_t accumulate[LAYER_MAX], transposed[LAYER_MAX];

    uint64_t n_saved, n_scratch, n_prepared;
    uint64_t saved_row[LAYER_MAX], saved_fixed[LAYER_MAX];
    uint64_t scratch_row[LAYER_MAX], scratch_fixed[LAYER_MAX];
    float *saved[LAYER_MAX];
    void *scratch[LAYER_MAX];
    uint64_t prepared_bytes[LAYER_MAX];
    void *prepared[LAYER_MAX];

    uint64_t n_carry, carry_size[LAYER_MAX]; /* floats per sample */
    const char *carry_name[LAYER_MAX];
    /* Of them only carry_out is there after layer_plan; layer_carry makes the others, too. */
    float *carry_in[LAYER_MAX], *carry_out[LAYER_MAX];
    float *dcarry_out[LAYER_MAX], *dcarry_in[LAYER_MAX];
} layer_harness;

void layer_open(layer_harness *l, const char *build_dir, const char *id);
void layer_close(layer_harness *l);

/* A further input of numbers. For one of tokens give its entry in l->in dtype ASSAY_I32 and a
 * vocabulary before the plan and copy int32_t into its x after it: it has no dx, and the gradient
 * check leaves it as it is. */
void layer_input(layer_harness *l, assay_shape shape);

/* A further input of tokens below `vocabulary`: write them to layer_tokens_of. */
void layer_tokens(layer_harness *l, uint64_t vocabulary);
int32_t *layer_tokens_of(layer_harness *l, uint64_t i);

/* Calls plan; after ASSAY_OK all buffers are there, training is 1 and the shard is the whole
 * batch. A test may put functions of its own into l->plan before. */
int layer_plan(layer_harness *l, uint64_t time, uint64_t batch);

/* Makes the carried states before the first step and the gradients of those after the last:
 * numbers that are a function of seed. And the memory for the gradients that backward
 * has to give. */
void layer_carry(layer_harness *l, uint64_t seed);

/* The numbers in input i, in the output, in parameter i. */
uint64_t layer_x_size(const layer_harness *l, uint64_t i);
uint64_t layer_y_size(const layer_harness *l);
uint64_t layer_param_size(const layer_harness *l, uint64_t i);
uint64_t layer_carry_size(const layer_harness *l, uint64_t i);

/* layer_forward calls prepare before. They check that the call returns ASSAY_OK, asks for no
 * memory and changes nothing that is not its own. */
void layer_forward(layer_harness *l);
void layer_backward(layer_harness *l);

/* Ugly numbers of size 0.2 to 1.7, a function of seed. */
void fill_numbers(float *out, uint64_t n, uint64_t seed);

/* The largest relative error (in the 2-norm) of dx and dparam against five-point differences of
 * sum(y dy), element by element and along a random direction. Fills x, param and dy itself. */
double layer_gradient_error(layer_harness *l, uint64_t seed);

#endif
