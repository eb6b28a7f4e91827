/* A replica: the activations and gradient of one worker, over the model's shared weights.
 *
 * A batch is cut into shards; each replica runs one shard forward and backward serially. Everything is laid out when the
 * replica is made; a pass allocates nothing. */
#ifndef ASSAY_CORE_MODEL_REPLICA_H
#define ASSAY_CORE_MODEL_REPLICA_H

#include "model/model.h"

/* Some samples of a batch. */
typedef struct shard {
    size_t n, time;
    const float *x; /* [time, n, features] or NULL */
    const int32_t *tokens; /* [time, n, features] or NULL */
    const float
        *weight; /* of what the model puts out: [time, n], or [n] where that is one step; or NULL */
    const float *step_weight; /* [time, n] of what goes in, or NULL */
    const uint32_t *length; /* [n] or NULL */
    const float *const *carry_in; /* [m->n_carry] of [n, floats], or NULL: all begin at zero */
    float *const *carry_out; /* [m->n_carry] of [n, floats], or NULL: nobody wants it */
    size_t batch_begin, batch_total;
    uint64_t draw; /* stream of random numbers of this batch */
} shard;

typedef struct replica replica;

/* `training`: lays out gradients, too. Saved memory is there in any case: layers work in it. */
status replica_new(model *m, size_t max_batch, size_t max_time, bool training, replica **out,
    error *err) MUST_CHECK;
void replica_free(replica *r);

/* Runs all layers. With `training`, random draws are on and backward may follow. */
status replica_forward(replica *r, const shard *s, bool training, error *err) MUST_CHECK;

/* The output of the last forward pass: [time_out, n, outputs], and where its gradient goes. */
const float *replica_output(const replica *r);
float *replica_output_gradient(replica *r);
size_t replica_output_rows(const replica *r);

/* Runs all layers backward from the output gradient. `accumulate`: adds to the gradient instead of overwriting it. */
status replica_backward(replica *r, bool accumulate, error *err) MUST_CHECK;

/* A weight gradient that the last backward pass left undone: a^T b with a[k, rows], b[k, cols] for a tensor [rows, cols]. */
typedef struct product {
    const float *a, *b;
    size_t k, lda, ldb;
} product;

/* Lets the next backward passes leave products undone, to be made where they are used: those over at most max_k rows (0: none) for
 * tensors of at most max_cols columns. */
void replica_defer(replica *r, size_t max_k, size_t max_cols);

/* The product that stands for a tensor's gradient, or NULL: it lies in replica_gradient. */
const product *replica_deferred(const replica *r, size_t i_tensor);

/* Makes the products that the last backward pass left undone. */
void replica_finish(replica *r);

/* No element of the last backward pass's gradient is larger, made or undone; infinite where that cannot be said. */
double replica_gradient_bound(const replica *r);

float *replica_gradient(replica *r); /* [n_flat] */

/* The output of layer i of the last forward pass, for naming where a NaN came from. */
const float *replica_layer_output(const replica *r, size_t i, size_t *out_n);

/* Something that a pass has just made. */
typedef enum sight_kind {
    SIGHT_INPUT, /* the shard's features */
    SIGHT_OUTPUT,
    SIGHT_BUFFER,
    SIGHT_LOSS, /* the shard's sum, in `value`; told by who computes it, as the two around it */
    SIGHT_LOSS_GRADIENT,
    SIGHT_INPUT_GRADIENT,
    SIGHT_PARAMETER_GRADIENT, /* where it was not left undone */
} sight_kind;

typedef struct sight {
    sight_kind kind;
    size_t i_layer, i; /* the layer; which of its buffers, inputs or parameters */
    const float *x; /* [n]; NULL of a loss */
    size_t n;
    double value; /* of a loss */
    size_t per_sample; /* x is [time, batch, per_sample]; 0: not by samples */
    size_t batch;
    size_t batch_begin; /* the shard's first sample in the whole batch */
} sight;

/* Is shown everything that passes make. [worker: at the same time by several replicas] */
typedef struct observer {
    void *self;
    void (*see)(void *self, size_t i_replica, const sight *s);
} observer;

/* From now on; NULL: nobody looks, at the price of a branch a layer. The observer stays the caller's. */
void replica_observe(replica *r, const observer *o, size_t i_replica);

/* Bytes that one replica of this size takes. */
size_t replica_bytes(const model *m, size_t max_batch, size_t max_time, bool training);

#endif
