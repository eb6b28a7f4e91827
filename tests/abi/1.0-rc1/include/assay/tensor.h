/* Shapes, the tensors of a model, and what is known about each. */
#ifndef ASSAY_TENSOR_H
#define ASSAY_TENSOR_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASSAY_MAX_DIMS 4

/* The feature dimensions of one sample at one time step, outermost first; one to four of them. Everything that flows
 * through a model is [time, batch, features], row-major and contiguous. Frozen: this struct never grows. */
typedef struct assay_shape {
    uint64_t n_dims;
    uint64_t dim[ASSAY_MAX_DIMS]; /* unused ones are 0 */
} assay_shape;

/* How many numbers a shape holds: the product of its dimensions. */
static inline uint64_t assay_shape_size(const assay_shape *s)
{
    uint64_t n = 1;
    for (uint64_t i = 0; i < s->n_dims; i++) {
        n *= s->dim[i];
    }
    return n;
}

static inline int assay_shape_equal(const assay_shape *a, const assay_shape *b)
{
    if (a->n_dims != b->n_dims) {
        return 0;
    }
    for (uint64_t i = 0; i < a->n_dims; i++) {
        if (a->dim[i] != b->dim[i]) {
            return 0;
        }
    }
    return 1;
}

/* What flows: assay_input.dtype, assay_data.x_dtype. */
#define ASSAY_F32 1u
#define ASSAY_I32 2u /* tokens: indices into a vocabulary */
#define ASSAY_U8 3u /* datasets only; reaches layers as f32 */

/* What a parameter is for. */
#define ASSAY_ROLE_WEIGHT 1u
#define ASSAY_ROLE_RECURRENT 2u
#define ASSAY_ROLE_BIAS 3u
#define ASSAY_ROLE_GAIN 4u
#define ASSAY_ROLE_EMBEDDING 5u

/* Where it sits in the model. */
#define ASSAY_PLACE_INPUT 1u /* of the first layer that has parameters */
#define ASSAY_PLACE_HIDDEN 2u
#define ASSAY_PLACE_OUTPUT 3u /* of the last layer that has parameters */

/* One trainable tensor, as optimizers see it. Stored row-major; `rows` x `cols` is its matrix view: the
 * first dimension by the product of the rest (1 x size for a vector). */
typedef struct assay_tensor {
    uint64_t struct_size;
    const char *name; /* "dense1.weight" */
    const char *layer; /* "dense1" */
    uint64_t index; /* among all tensors of the model */
    assay_shape shape;
    uint64_t size, rows, cols;
    uint32_t role, place;
    uint64_t fan_in, fan_out;
    uint64_t depth; /* which layer with parameters it belongs to, from 0 */
    uint64_t
        blocks; /* how many equal matrices lie side by side along its columns (an LSTM's gates: 4); at least 1 */
    uint64_t tied; /* 1: shared by several layers */
} assay_tensor;

#ifdef __cplusplus
}
#endif

#endif
