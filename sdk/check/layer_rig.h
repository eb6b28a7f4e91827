/* A single layer at work on memory of the kit's own, callback by callback, as a replica of the model would run it.
 *
 * A rig is an instance with its plan, weights, buffers and prepared memory; a pass is one replica's io. Every array has exactly
 * its size and an inaccessible page behind it (or before it); what a call must overwrite holds a NaN of its own before, what it
 * may only read is compared with how it was. What the contract forbids is E_PLUGIN with a message that names callback and
 * array. */
#ifndef ASSAY_SDK_CHECK_LAYER_RIG_H
#define ASSAY_SDK_CHECK_LAYER_RIG_H

#include "check/guard.h"
#include "check/subject.h"

#include <assay/layer.h>

#include <stdatomic.h>

enum {
    LAYER_RIG_MAX = 32, /* declarations of one kind */
    LAYER_RIG_INPUTS = 3,
    LAYER_RIG_ALLOCS = 64,
    LAYER_RIG_TABLES = 10,
};

/* Memory that is handed out in multiples of 64 bytes; `asked` of them are the layer's. Those behind hold a pattern. */
typedef struct rounded {
    guarded memory;
    size_t asked;
} rounded;

status rounded_new(uint64_t asked, guard_side side, rounded *out, error *err) MUST_CHECK;
void rounded_free(rounded *r);
void rounded_mark(const rounded *r); /* lays the pattern out, after all of the memory was filled */
bool rounded_is_intact(const rounded *r); /* the pattern and what borders the memory */

/* One input. */
typedef struct layer_in {
    assay_shape shape;
    uint64_t vocabulary; /* not 0: tokens */
} layer_in;

/* What a layer may be fed with. */
typedef struct layer_signature {
    const char *name; /* "2 x 6 x 5 numbers" */
    size_t n;
    layer_in in[LAYER_RIG_INPUTS];
} layer_signature;

/* The ones that are tried, from the plainest on; NULL behind the last. */
const layer_signature *layer_signature_get(size_t i);

typedef struct layer_rig_options {
    uint64_t max_time, max_batch;
    bool transposed; /* parameters that may be tied transposed are */
    guard_side side;
    uint64_t fail_alloc; /* the n-th request for memory from create on gets NULL; 0: none */
    uint64_t fail_declaration; /* the n-th declaration of plan is refused; 0: none */
} layer_rig_options;

/* A parameter or buffer. */
typedef struct layer_array {
    const char *name;
    assay_param param; /* as declared; of a buffer zero */
    guarded memory;
    float *v;
    uint64_t n;
} layer_array;

/* Memory by size: per row and fixed. */
typedef struct layer_sizes {
    uint64_t per_row, fixed;
} layer_sizes;

typedef struct layer_rig {
    const subject *subject;
    const char *settings; /* borrowed */
    const layer_signature *signature;
    layer_rig_options options;
    specimen specimen;
    const assay_layer *ops;
    assay_host host; /* the real one's services, counted */
    const assay_host *real;
    assay_plan plan;
    assay_input *in; // [signature->n]
    assay_shape *in_shape; // [signature->n]
    guarded in_memory, shape_memory;
    layer_array param[LAYER_RIG_MAX], buffer[LAYER_RIG_MAX];
    double shift_sum[LAYER_RIG_MAX]; /* of init_shift, by block number */
    const float *param_view[LAYER_RIG_MAX];
    float *buffer_view[LAYER_RIG_MAX];
    uint32_t transposed[LAYER_RIG_MAX];
    layer_sizes saved[LAYER_RIG_MAX], scratch[LAYER_RIG_MAX];
    uint64_t carry[LAYER_RIG_MAX], prepared_bytes[LAYER_RIG_MAX];
    const char *carry_name[LAYER_RIG_MAX];
    rounded prepared[LAYER_RIG_MAX];
    void *prepared_view[LAYER_RIG_MAX];
    size_t n_params, n_buffers, n_saved, n_scratch, n_carry, n_prepared;
    struct {
        void *at;
        size_t bytes;
    } given[LAYER_RIG_ALLOCS]; /* by host->alloc */
    atomic_size_t n_allocs, n_scratches,
        n_draws; /* calls of host->alloc, scratch, random numbers */
    double gemm_macs; /* of host->gemm_f32; of a single thread */
    bool counts_gemm;
    size_t n_declared; /* calls of plan's services */
    bool was_refused; /* fail_alloc or fail_declaration has struck */
    error declared; /* what a declaration got wrong */
} layer_rig;

/* Opens an instance and plans it. E_UNSUPPORTED: it does not take these inputs, with its own words. E_RANGE: what it wants is
 * too large to be tested. E_PLUGIN: it broke the contract. Others: as specimen_open. `settings` and `signature` are
 * borrowed. */
status layer_rig_open(const subject *s, const char *settings, const layer_signature *signature,
    const layer_rig_options *o, layer_rig **out, error *err) MUST_CHECK;
void layer_rig_free(layer_rig *r);

/* Ugly numbers of size 0.1 to 0.6 in all parameters and, about their first values, in buffers. */
void layer_rig_fill(layer_rig *r, uint64_t seed);

/* After each change of the weights. */
status layer_rig_prepare(layer_rig *r, bool training, error *err) MUST_CHECK;

/* A gradient that waits. */
typedef struct layer_product {
    const float *a, *b;
    uint64_t rows, lda, ldb;
    bool is_there;
} layer_product;

typedef struct layer_pass {
    layer_rig *rig;
    assay_io io;
    guarded x[LAYER_RIG_INPUTS], dx[LAYER_RIG_INPUTS], y, dy, carry_in[LAYER_RIG_MAX],
        carry_out[LAYER_RIG_MAX], dcarry_out[LAYER_RIG_MAX], dcarry_in[LAYER_RIG_MAX],
        dparam[LAYER_RIG_MAX], weight, length;
    rounded saved[LAYER_RIG_MAX], scratch[LAYER_RIG_MAX];
    /* What io points to, as many entries as were declared. A test may put NULL into an entry, and back. */
    guarded table[LAYER_RIG_TABLES];
    size_t n_tables;
    const void **x_view;
    float **dx_view;
    float **saved_view;
    void **scratch_view;
    const float **carry_in_view, **dcarry_out_view;
    float **carry_out_view, **dcarry_in_view;
    float **dparam_view;
    uint32_t *accumulate;
    layer_product product[LAYER_RIG_MAX];
    float *product_now[LAYER_RIG_MAX]; /* what it gave when it was handed over */
    bool is_unwatched; /* calls are made without any of the checks: for many of them */
    error fault; /* that a service found during a call */
} layer_pass;

/* With memory for shards of exactly that many samples and steps, the whole batch, training, carried states at zero. */
status layer_pass_new(
    layer_rig *r, uint64_t time, uint64_t batch, layer_pass **out, error *err) MUST_CHECK;
void layer_pass_free(layer_pass *p);

/* Numbers for x, dy, carried states and their gradients; tokens at random. Where there are lengths padding is 0 in x
 * and dy. */
void layer_pass_fill(layer_pass *p, uint64_t seed);

/* Lengths (n: batch) and the weights that go with them. */
void layer_pass_lengths(layer_pass *p, const uint32_t *length);
/* Weights alone, some of them 0; their dy is 0. */
void layer_pass_weigh(layer_pass *p, uint64_t seed);

/* Uses carried states and their gradients, or NULL for all of them. */
void layer_pass_carry(layer_pass *p, bool use);

status layer_pass_forward(layer_pass *p, error *err) MUST_CHECK;
status layer_pass_backward(layer_pass *p, error *err) MUST_CHECK;

/* Sizes in floats. */
size_t layer_pass_x_size(const layer_pass *p, size_t i);
size_t layer_pass_y_size(const layer_pass *p);
size_t layer_pass_carry_size(const layer_pass *p, size_t i);
bool layer_pass_is_padding(const layer_pass *p, uint64_t step, uint64_t sample);

/* Copies samples [begin, begin + p->batch) of steps [first, first + p->time) of all inputs, and dy where the number of steps
 * fits. */
void layer_pass_take(layer_pass *p, const layer_pass *whole, uint64_t first, uint64_t begin);

/* `settings "units = 3", inputs 5 numbers, time 4, batch 3, with padding`; in the caller's out[n]. */
const char *layer_pass_title(const layer_pass *p, char *out, size_t n);
const char *layer_rig_title(const layer_rig *r, char *out, size_t n);

/* "[2, 1, 4]": element i of an array of [time, batch, features], or of a parameter. */
const char *layer_place(const assay_shape *shape, uint64_t batch, size_t i, char *out, size_t n);

/* Fills out[n] with numbers of size `least` to `most`, both signs. */
void ugly_numbers(float *out, size_t n, double least, double most, uint64_t seed);

#endif
