/* What the recurrent layers share: hyperparameters, declarations, and what is made of the weights
 * before a step. recurrent_run.h holds what a call of forward or backward shares.
 *
 *   h_t = cell(x_t W + b, m * h_{t-1} U, state)    x [time, batch, in], W [in, gates * units],
 *                                                  U [units, gates * units], h [time, batch, units]
 *
 * The gates stand side by side along the columns of W, U and b, as in PyTorch, whose names the
 * weights have in files. Tokens are inputs of which one is 1: their product with W is a row of W.
 *
 * `bias = "two"` keeps PyTorch's pair, whose sum is what counts (but for a GRU), so that its files
 * fit in both directions. m is the mask of recurrent_dropout: Gal and Ghahramani 2016, "A
 * theoretically grounded application of dropout in recurrent neural networks", one draw per
 * sequence, direction and unit, on h_{t-1} where it is multiplied with U, scaled by 1 / (1 - rate)
 * while training.
 *
 * First values: W Glorot and Bengio 2010, each gate by itself; U orthogonal, each gate by itself
 * (Saxe, McClelland and Ganguli 2014); b zero.
 *
 * Header-only and static, because a plugin links nothing of anybody's. */
#ifndef ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_H
#define ASSAY_PLUGINS_LAYER_SHARED_RECURRENT_H

#include "elementwise.h"

#include <string.h>

/* The hyperparameters of all of them; the first member of each one's struct, under the name
 * `common`. */
struct recurrent {
    int64_t units, last, bidirectional, bias;
    double dropout;
};

enum { RECURRENT_SEQUENCE, RECURRENT_LAST };
enum { RECURRENT_ONE, RECURRENT_TWO, RECURRENT_NONE };

static const char *const recurrent_returns[] = { "sequence", "last" };
static const char *const recurrent_biases[] = { "one", "two", "none" };

/* Their rows in the table of a component whose struct has the tag T. */
#define RECURRENT_HYPERS(T) \
    { .name = "units", \
        .offset = offsetof(struct T, common.units), \
        .type = ASSAY_TYPE_INT, \
        .min = 1, \
        .max = 1 << 24, \
        .doc = "length of the hidden state", \
        .flags = ASSAY_REQUIRED }, \
        { .name = "return", \
            .offset = offsetof(struct T, common.last), \
            .type = ASSAY_TYPE_ENUM, \
            .max = 1, \
            .doc = "the state of every step, or of each sample's last one", \
            .choices = recurrent_returns, \
            .n_choices = 2 }, \
        { .name = "bidirectional", \
            .offset = offsetof(struct T, common.bidirectional), \
            .type = ASSAY_TYPE_BOOL, \
            .max = 1, \
            .doc = \
                "a second set of weights reads the steps from last to first; the outputs stand " \
                "side by side" }, \
        { .name = "bias", \
            .offset = offsetof(struct T, common.bias), \
            .type = ASSAY_TYPE_ENUM, \
            .max = 2, \
            .doc = "one per gate, two (of input and state, as PyTorch has them), or none", \
            .choices = recurrent_biases, \
            .n_choices = 3 }, \
    { \
        .name = "recurrent_dropout", .offset = offsetof(struct T, common.dropout), \
        .type = ASSAY_TYPE_REAL, .max = 1, \
        .doc = "probability of dropping a unit of the state where it is fed back, for a whole " \
               "sequence", \
        .flags = ASSAY_OPEN_MAX | ASSAY_TUNE | ASSAY_SCHED, .tune_min = 0, .tune_max = 0.5 \
    }

enum { RECURRENT_DIRECTIONS = 2, RECURRENT_PRODUCTS = 2, RECURRENT_GATES = 4 };

/* What a cell is made of; filled by the layer before recurrent_plan. */
typedef struct recurrent_cell {
    uint64_t gates; /* blocks of W, U and b */
    uint64_t products; /* products with U per step, of neighbouring columns */
    uint64_t gates_of[RECURRENT_PRODUCTS]; /* gates in each of them */
    uint64_t summed_gates; /* the first gates, to which both biases are added alike */
    uint64_t saved_gates, saved_state; /* floats per unit, kept for backward beside h */
    uint64_t peepholes; /* weights of a unit that look at its cell */
    int has_cell; /* carries c beside h */
    int is_in_place; /* the sums before a step lie where h will be */
    double bias_shift[RECURRENT_GATES];
} recurrent_cell;

/* What plan leaves at ctx->self. */
typedef struct recurrent_self {
    recurrent_cell cell;
    uint64_t in, vocabulary; /* vocabulary: of tokens, else 0 */
    uint64_t units, columns, directions;
    uint64_t params; /* per direction: W, U, biases, peepholes */
    uint64_t param_bias, param_peephole; /* among them; 0: there is none */
    uint64_t max_batch;
    uint64_t saved_gates[RECURRENT_DIRECTIONS], saved_state[RECURRENT_DIRECTIONS],
        saved_h[RECURRENT_DIRECTIONS], saved_keep[RECURRENT_DIRECTIONS];
    /* Where in prepared[0]: U packed for forward and, transposed, for backward; the sum of two
     * biases. */
    uint64_t packed[RECURRENT_DIRECTIONS][RECURRENT_PRODUCTS],
        packed_back[RECURRENT_DIRECTIONS][RECURRENT_PRODUCTS], bias_sum[RECURRENT_DIRECTIONS];
    uint64_t scratch_floats; /* per call, before the sums in double */
    uint64_t sums; /* doubles */
} recurrent_self;

enum { RECURRENT_W, RECURRENT_U };

static inline uint64_t recurrent_param(const recurrent_self *r, uint64_t direction, uint64_t i)
{
    return direction * r->params + i;
}

static inline uint64_t recurrent_aligned(uint64_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

/* The first column of U that a product uses. */
static inline uint64_t recurrent_first(const recurrent_self *r, uint64_t product)
{
    return product == 0 ? 0 : r->cell.gates_of[0] * r->units;
}

/* A product with part of U, for packing and running: rows x width, or with the transpose. */
static inline assay_gemm recurrent_gemm(
    const recurrent_self *r, uint64_t product, uint32_t back, const float *u)
{
    const uint64_t width = r->cell.gates_of[product] * r->units;
    return (assay_gemm){ .struct_size = sizeof(assay_gemm),
        .trans_b = back,
        .m = r->max_batch,
        .n = back ? r->units : width,
        .k = back ? width : r->units,
        .alpha = 1,
        .b = u ? u + recurrent_first(r, product) : NULL,
        .ldb = r->columns };
}

#endif
