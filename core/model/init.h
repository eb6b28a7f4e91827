/* Initialisers: the first values of a parameter, a pure function of (seed, tensor name).
 *
 *   zeros  ones  constant{value}  uniform{min,max}  normal{mean,std}
 *   glorot_uniform  glorot_normal  he_uniform  he_normal  lecun_uniform  lecun_normal  orthogonal     each {gain}
 *
 * Glorot and Bengio 2010 eq. 16; He et al. 2015 eq. 10; LeCun et al. 1998 section 4.6; Saxe et al. 2014. */
#ifndef ASSAY_CORE_MODEL_INIT_H
#define ASSAY_CORE_MODEL_INIT_H

#include "base/error.h"
#include "base/rng.h"
#include "config/config.h"

#include <stddef.h>

/* What a config or a layer may say at most, either way: it keeps every product inside float. */
#define INIT_LARGEST 1e30

typedef enum init_kind {
    INIT_ZEROS,
    INIT_ONES,
    INIT_CONSTANT,
    INIT_UNIFORM,
    INIT_NORMAL,
    INIT_GLOROT_UNIFORM,
    INIT_GLOROT_NORMAL,
    INIT_HE_UNIFORM,
    INIT_HE_NORMAL,
    INIT_LECUN_UNIFORM,
    INIT_LECUN_NORMAL,
    INIT_ORTHOGONAL,
} init_kind;

typedef struct init_spec {
    init_kind kind;
    double value; /* of constant */
    double min, max; /* of uniform */
    double mean, std; /* of normal */
    double gain; /* of the others; 1 */
} init_spec;

/* By name ("he_normal"); E_UNKNOWN with did-you-mean, `at` may be NULL. */
status init_named(const char *name, const origin *at, init_spec *out, error *err) MUST_CHECK;

/* From a config value: a name, or { type = "normal"; std = 0.1; }. Bound by table; defaults land in the tree. */
status init_from_value(config *c, value *v, init_spec *out, error *err) MUST_CHECK;

/* Fills w[rows, cols]; `blocks` equal matrices lie side by side along the columns and are initialised one by one, with
 * fan_out shared out among them. Orthogonal: Q of the QR of a normal matrix, signs fixed by R's diagonal, as PyTorch does; rows < cols: the rows are orthonormal. */
status init_fill(const init_spec *spec, rng r, float *w, size_t rows, size_t cols, size_t blocks,
    size_t fan_in, size_t fan_out, error *err) MUST_CHECK;

/* Adds shift[i] to block i of w[rows, cols], after init_fill with the same blocks. */
void init_add(float *w, size_t rows, size_t cols, size_t blocks, const double *shift);

#endif
