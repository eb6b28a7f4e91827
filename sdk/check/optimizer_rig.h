/* An optimizer at work on tensors of the kit's own, callback by callback.
 *
 * Every array (weights, gradient, slots) lies in memory of its own with an inaccessible page
 * right behind it, so that a step over the end is a signal; what a call may not write is
 * compared with how it was. The cut into chunks is the test's: nothing about it may show. All
 * tiers, nested optimizers (by the host's inner_update) and eval_weights are run as the trainer
 * runs them. */
#ifndef ASSAY_SDK_CHECK_OPTIMIZER_RIG_H
#define ASSAY_SDK_CHECK_OPTIMIZER_RIG_H

#include "check/subject.h"

#include <assay/optimizer.h>

/* A tensor to be updated. */
typedef struct rig_tensor {
    const char *name; /* "dense1.weight"; the layer is what stands before the dot */
    assay_shape shape;
    uint32_t role, place;
    uint64_t fan_in, fan_out; /* 0: rows, cols */
    uint64_t blocks; /* 0: 1 */
    double lr_scale; /* 0: 1 */
    bool guard_before; /* the inaccessible page lies before each of its arrays instead of behind */
} rig_tensor;

typedef struct optimizer_rig optimizer_rig;

/* The objective, for optimizers that evaluate it anew: the loss at w, and its gradient where g
 * is not NULL; arrays per tensor. `fresh`: on another batch. */
typedef double (*rig_objective)(
    void *self, const float *const *w, float *const *g, uint64_t evaluation, bool fresh);

/* One rig at a time holds a specimen, which outlives it. w0: first values per tensor.
 * E_UNSUPPORTED where the component accepts none of the tensors; those that it alone does not
 * accept are left out (rig_has). */
status optimizer_rig_open(const specimen *p, const rig_tensor *tensors, size_t n,
    const float *const *w0, optimizer_rig **out, error *err) MUST_CHECK;
void optimizer_rig_free(optimizer_rig *r);
bool optimizer_rig_has(const optimizer_rig *r, size_t i_tensor);

/* How updates are cut and called. */
typedef struct rig_update {
    const float *const *g; /* gradient per tensor */
    double loss;
    double clip; /* what the gradient has been multiplied by already; 0: 1 */
    size_t chunk; /* elements; 0: whole tensors */
    bool backwards; /* chunks and tensors in the opposite order */
    size_t n_threads; /* 0: 1 */
    rig_objective objective; /* NULL: the loss is `loss` and the gradient `g` wherever it asks */
    void *objective_self;
    size_t failing_evaluation; /* this call of the closure returns ASSAY_E_NUMERIC; 0: none */
    size_t failing_scratch; /* this request for memory (scratch, alloc) is refused; 0: none */
    const char *disturbed; /* this MODEL slot is changed between combine and elem; NULL: none */
    bool tolerates_nan; /* metrics need not be finite */
} rig_update;

/* One update; what the contract forbids (a write outside of the span, a changed gradient, a
 * changed floating-point mode) is E_PLUGIN with a message that names it. Another code is what
 * the component itself reported. */
status optimizer_rig_update(optimizer_rig *r, const rig_update *u, error *err) MUST_CHECK;

/* What it asked for in the last update: evaluations of the closure, memory; and how many metrics
 * it reported. */
size_t optimizer_rig_n_evaluations(const optimizer_rig *r);
size_t optimizer_rig_n_scratch(const optimizer_rig *r);
size_t optimizer_rig_n_metrics(const optimizer_rig *r);
size_t optimizer_rig_n_random(const optimizer_rig *r); /* numbers */

/* Seconds that its callbacks took in the last update, which was on one thread. */
double optimizer_rig_seconds(const optimizer_rig *r);
double optimizer_rig_reduce_seconds(const optimizer_rig *r); /* of these, in reduce */

uint64_t optimizer_rig_n_updates(const optimizer_rig *r);
float *optimizer_rig_weights(optimizer_rig *r, size_t i_tensor);
size_t optimizer_rig_size(const optimizer_rig *r, size_t i_tensor);

/* Where the model would be evaluated: eval_weights, or w where the component has none. */
status optimizer_rig_eval_weights(
    optimizer_rig *r, size_t i_tensor, float *out, error *err) MUST_CHECK;

/* The same in pieces of `chunk` elements (0: whole). */
status optimizer_rig_eval_weights_cut(optimizer_rig *r, size_t i_tensor, size_t chunk,
    bool backwards, float *out, error *err) MUST_CHECK;

/* Slot by name; NULL where it does not exist. "inner.m" is that of an optimizer nested as
 * `inner`. */
float *optimizer_rig_slot(optimizer_rig *r, size_t i_tensor, const char *name, size_t *out_floats);

/* An array of the state. */
typedef struct rig_array {
    const char *name; /* of the slot; NULL: the weights */
    size_t i_tensor; /* SIZE_MAX: of the model */
    size_t n;
    bool is_same; /* has the tensor's shape */
    size_t n_items; /* by `times` */
    size_t n_blocks; /* parts one after another in each item; 1 where none is of a block alone */
    float *floats; /* [n] */
    double *doubles; /* [n] of the model */
} rig_array;

/* All of them: the weights of each tensor that it updates, then every slot that exists and is not
 * ASSAY_SLOT_SCRATCH: such a one is full of NaN when an update begins, and no state. */
size_t optimizer_rig_n_arrays(const optimizer_rig *r);
rig_array optimizer_rig_array(const optimizer_rig *r, size_t i);

/* Gives a REAL hyperparameter another value for the updates to come, as a schedule does, here
 * and in nested optimizers; returns how many have one of that name. */
size_t optimizer_rig_set_hyper(optimizer_rig *r, const char *name, double v);

/* Takes the values over that the instance's struct now holds. */
void optimizer_rig_rebind(optimizer_rig *r);

/* Takes over all state (weights, slots, globals, what save gives, the count of updates) from a
 * rig of the same component and settings: a run that resumes. */
status optimizer_rig_resume(optimizer_rig *r, const optimizer_rig *from, error *err) MUST_CHECK;

/* What the component's own `save` gives, on the heap, and the same for its `load`; only where it
 * has them. */
status optimizer_rig_save(
    const optimizer_rig *r, void **out, size_t *out_bytes, error *err) MUST_CHECK;
status optimizer_rig_load(
    optimizer_rig *r, const void *bytes, size_t n_bytes, error *err) MUST_CHECK;

/* All state as one row of bits: equal for two rigs whose state is the same. */
uint64_t optimizer_rig_hash(const optimizer_rig *r);

#endif
