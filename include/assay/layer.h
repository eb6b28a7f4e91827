/* Layers. `plan` declares everything; the host owns every buffer.
 *
 * Arrays are [time, batch, features], row-major and contiguous; time is 1 for plain samples. rows = time * batch.
 *
 *   plan (once) -> prepare (after each change of the weights) -> forward -> backward
 *
 * In a layer's block of the config the keys name, from, init, recurrent_init, bias_init, trainable, lr_scale and tie are the
 * host's: no hyperparameter has such a name. `from` says whose outputs are the inputs: from = ("dense1", "input").
 *
 * One plan may serve several replicas, each with its own io and memory but the same ctx and hyperparameters: what a call keeps
 * for a later one stands in saved[], never at ctx->self. Arrays of io are there with as many entries as were declared, even
 * where an entry is NULL. saved[], scratch[] and prepared[] begin on 64-byte boundaries and hold anything at first; x, y and
 * their gradients need not be aligned, as a shard begins anywhere in a batch.
 *
 * Sequences of unequal length stand in one batch with padding behind the shorter ones: io->length says how many steps are
 * real. Padding of the model's input is 0, and layers put out finite numbers for it. Those reach no loss, and the gradient
 * that comes back for them is 0; a layer whose result for real steps depends on other steps or samples must leave padding out
 * by itself. A recurrent layer leaves its state as it is in padding: then what stands behind the last step is the state after
 * the last real one, as carry_out and a single output want it, and gradients of padding pass through to it.
 *
 * sdk/examples/mgu is a recurrent layer in two hundred lines.
 */
#ifndef ASSAY_LAYER_H
#define ASSAY_LAYER_H

#include "abi.h"
#include "hyper.h"
#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* assay_param.layout: how PyTorch stores the same parameter. */
#define ASSAY_LAYOUT_SAME 0u
#define ASSAY_LAYOUT_TRANSPOSED 1u /* ours is [in, out], theirs [out, in] */

/* assay_param.flags */
#define ASSAY_PARAM_TIE 1u /* may be shared with an equal parameter of another layer */
#define ASSAY_PARAM_TIE_TRANSPOSED \
    2u /* ... and with one of the transposed shape: then io->transposed[i] is 1 */

/* A trainable parameter. */
typedef struct assay_param {
    uint64_t struct_size;
    const char *name; /* "weight" */
    assay_shape shape;
    uint32_t role, flags;
    /* Default initialiser: "zeros", "ones", "constant", "uniform", "normal", "orthogonal", or "glorot_", "he_", "lecun_"
     * followed by "uniform" or "normal". */
    const char *init;
    double init_value; /* of "constant" */
    uint64_t fan_in, fan_out; /* 0: rows, cols; fan_out is of all blocks together */
    uint64_t
        blocks; /* equal matrices side by side along the columns, initialised one by one; 0: 1 */
    const char *export_name; /* PyTorch's name; NULL: `name` */
    uint64_t layout; /* ASSAY_LAYOUT_... */
    /* [blocks] added to the first values of each block, whatever initialiser made them (an LSTM's forget bias); NULL:
     * nothing. Copied: a local array will do. */
    const double *init_shift;
} assay_param;

/* A buffer of the layer that is not trained but kept in checkpoints: running statistics. */
typedef struct assay_buffer {
    uint64_t struct_size;
    const char *name;
    uint64_t size; /* floats */
    double init;
    const char *export_name; /* PyTorch's name; NULL: `name` */
} assay_buffer;

/* One input of a layer. */
typedef struct assay_input {
    uint64_t struct_size;
    assay_shape shape;
    uint32_t dtype; /* ASSAY_F32 or ASSAY_I32 */
    uint32_t needs_grad; /* 0: dx for it will be NULL */
    uint64_t vocabulary; /* of tokens: how many values; else 0 */
} assay_input;

/* assay_plan.time_mode */
#define ASSAY_TIME_SAME 0u /* an output per time step */
#define ASSAY_TIME_ONE 1u /* one output per sequence */

/* Filled by the host (inputs) and by the layer (outputs, declarations). The calls return the index of what was
 * declared, from 0 in order, or a negative code that `plan` passes on. */
typedef struct assay_plan {
    uint64_t struct_size;
    void *host_data;

    const assay_input *in;
    uint64_t n_in, in_stride;
    uint64_t max_time, max_batch; /* upper bounds of what io will bring */

    /* written by the layer */
    assay_shape out; /* required */
    uint64_t time_mode; /* ASSAY_TIME_... */
    uint64_t
        couples_samples; /* 1: in training the output of a sample depends on the others; then one replica.
                               In evaluation it does not even then: from buffers, say. */
    double macs; /* multiply-accumulates per sample and time step, forward */

    int64_t (*param)(struct assay_plan *plan, const assay_param *param);
    int64_t (*buffer)(struct assay_plan *plan, const assay_buffer *buffer);
    /* Kept from forward to backward while training, and mere working memory of forward in evaluation: floats per sample and
     * time step, plus floats per batch (for something of each sample, max_batch times as many). Backward may write to it, too:
     * a gradient that grad_gemm reads stands well in the place of what it came from. */
    int64_t (*saved)(struct assay_plan *plan, uint64_t floats_per_row, uint64_t floats);
    /* State carried from one window of a stream to the next: floats per sample. Where the data is no stream every sample
     * begins at zero. The name is that of checkpoints, "carried/<layer>.<name>". */
    int64_t (*carry)(struct assay_plan *plan, const char *name, uint64_t floats_per_sample);
    /* Shared and read-only in forward and backward; written by prepare. Bytes. */
    int64_t (*prepared)(struct assay_plan *plan, uint64_t bytes);
    /* Working memory of one call of forward or backward: bytes per sample and time step, plus bytes. */
    int64_t (*scratch)(struct assay_plan *plan, uint64_t bytes_per_row, uint64_t bytes);

    /* written by the layer */
    uint64_t
        looks_ahead; /* 1: what a time step puts out depends on later ones, so it cannot go step by step */
    uint64_t
        looks_back; /* 1: it depends on earlier ones otherwise than through carried state; nor can it then */
    uint64_t
        surrogate; /* 1: backward is on purpose not the derivative of forward (straight-through, reversed) */
} assay_plan;

static inline const assay_input *assay_plan_in(const assay_plan *plan, uint64_t i)
{
    return (const assay_input *)(const void *)((const char *)plan->in + i * plan->in_stride);
}

/* What prepare gets. Shapes are not among it: `plan` leaves what prepare needs of them at ctx->self. */
typedef struct assay_prepare {
    uint64_t struct_size;
    const assay_input *in; /* as plan saw them */
    uint64_t n_in, in_stride;
    const assay_shape *out_shape;
    const float *const *param;
    const uint32_t *transposed;
    void *const *prepared;
    uint64_t training; /* 1: a backward pass may follow */
} assay_prepare;

/* One call of forward or backward: a shard of a batch. */
typedef struct assay_io {
    uint64_t struct_size;
    void *host_data;
    uint32_t training; /* 1: random draws are on, saved[] is written and backward may follow */
    uint32_t token_inputs; /* 1: some x is int32 */
    uint64_t time, batch; /* extents of this shard */
    uint64_t time_out; /* steps of y: `time`, or 1 of a layer whose time_mode is ASSAY_TIME_ONE */
    uint64_t batch_begin,
        batch_total; /* the shard's first sample in the whole batch, and that batch's size */
    uint64_t
        draw; /* stream for random numbers, new for every batch of training, from 0 on, and 0 in evaluation: this one alone, the
                 next is another batch's. Number j of row (time, sample), of all kinds of numbers together, at index
                 ((time * batch_total) + batch_begin + sample) * numbers_per_row + j */

    uint64_t n_in;
    const assay_shape *in_shape; /* [n_in] */
    const void *const *x; /* [n_in]: float or int32_t [time, batch, in] */
    float *const *dx; /* [n_in]: overwritten by backward; NULL where nobody needs it */
    const assay_shape *out_shape;
    float *y; /* [time_out, batch, out]; still valid in backward */
    const float *dy; /* [time_out, batch, out] */

    const float *const *param; /* as declared */
    float *const *dparam; /* gradients of this replica; NULL for one that is not trained */
    const uint32_t *accumulate; /* per param: 1 add to dparam, 0 overwrite it */
    const uint32_t *transposed; /* per param: 1 it is stored transposed (tied) */
    float *const
        *buffer; /* read by all; written only by a layer that couples samples, while training */
    const void *const *prepared;
    float *const *saved;
    const float *const *carry_in; /* [batch, floats] each; NULL entries: zero */
    /* Written by every forward, in evaluation, too: the state after each sample's last real step, that of carry_in where it
     * has none. */
    float *const *carry_out;
    const float *const *dcarry_out; /* NULL entries: zero */
    float *const *dcarry_in; /* overwritten; NULL entries: not wanted */
    void *const *scratch;

    const float *weight; /* [time, batch]: 0 is padding, else the sample's weight; NULL: all 1 */
    const uint32_t
        *length; /* [batch] real time steps, 0 of a stream that has ended; NULL: all `time` */

    /* dparam[i] (+)= a^T b for a[rows, p] and b[rows, q], where the parameter is [p, q] (or stored transposed). The host
     * may do it later or otherwise: a and b must be (parts of) x, dy, y or saved memory, unchanged until the weights are updated.
     * At most once per parameter in a backward call. It looks at accumulate, transposed and dparam[i] by itself, and does
     * nothing for a parameter that is not trained; a gradient that a layer sums up on its own (of a bias) must heed all three. */
    int (*grad_gemm)(const struct assay_io *io, uint64_t i_param, uint64_t rows, const float *a,
        uint64_t lda, const float *b, uint64_t ldb);
} assay_io;

typedef struct assay_layer {
    uint64_t struct_size;

    /* REQUIRED */
    int (*plan)(assay_ctx *ctx, const void *hyper, assay_plan *plan); /* [control] */
    int (*forward)(assay_ctx *ctx, const void *hyper, const assay_io *io); /* [worker] */
    int (*backward)(assay_ctx *ctx, const void *hyper,
        const assay_io *io); /* [worker] after forward with the same io */

    /* OPTIONAL */
    int (*validate)(assay_ctx *ctx, const void *hyper); /* [control] */
    /* After each change of the weights, before any forward: fills prepared[]. [control] */
    int (*prepare)(assay_ctx *ctx, const void *hyper, const assay_prepare *prepare);
    int (*create)(assay_ctx *ctx, const void *hyper); /* [control] */
    void (*destroy)(assay_ctx *ctx); /* [control] */
} assay_layer;

#ifdef __cplusplus
}
#endif

#endif
