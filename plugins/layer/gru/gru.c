/* gru: the gated recurrent unit.
 *
 *   r = sigmoid(x_t W_r + h_{t-1} U_r + b_r)              what of the past is looked at
 *   z = sigmoid(x_t W_z + h_{t-1} U_z + b_z)              what of the past is kept
 *   n = tanh(x_t W_n + (r h_{t-1}) U_n + b_n)             reset = "before" the product
 *   n = tanh(x_t W_n + b_n + r (h_{t-1} U_n + b'_n))      reset = "after" the product
 *   h_t = (1 - z) n + z h_{t-1}
 *
 * "before", the default, is Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio
 * 2014, "Learning phrase representations using RNN encoder-decoder"; "after" is the variant of its
 * first preprint that cuDNN and PyTorch have: with bias = "two" it is PyTorch's nn.GRU and reads
 * its files, and b' is that of the state. Elsewhere b' is 0 or the sum counts. z keeps the past,
 * as there and in PyTorch; Chung, Gulcehre, Cho and Bengio 2014, "Empirical evaluation of gated
 * recurrent neural networks on sequence modeling", write (1 - z) h_{t-1} + z n, the same network
 * with z mirrored. Gates stand in PyTorch's order r, z, n.
 *
 * Kept for backward: the three gates, h, and r h_{t-1} ("before") or h_{t-1} U_n + b'_n
 * ("after"). */
#include "gru.h"

static const char *const resets[] = { "before", "after" };

static const assay_hyper hypers[] = {
    RECURRENT_HYPERS(gru),
    ASSAY_ENUM(gru, reset, RESET_BEFORE, resets,
        "where r acts: on the state before the recurrent product, or on the product"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct gru *h = hyper;
    recurrent_cell cell = { .gates = GATES,
        .products = 2,
        .gates_of = { 2, 1 },
        .summed_gates = GATES,
        .saved_gates = GATES,
        .saved_state = 1 };
    if (h->reset == RESET_AFTER) {
        cell.products = 1;
        cell.gates_of[0] = GATES;
        cell.summed_gates = 2;
    }
    return recurrent_plan(ctx, &h->common, &cell, plan);
}

static const recurrent_ops *ops_of(const void *hyper)
{
    return ((const struct gru *)hyper)->reset == RESET_AFTER ? &gru_after : &gru_before;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    return recurrent_forward(ctx, hyper, io, ops_of(hyper));
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    return recurrent_backward(ctx, hyper, io, ops_of(hyper));
}

ASSAY_LAYER(gru, "0.1.0", "gated recurrent unit over the time steps", ASSAY_HYPERS(gru, hypers),
    .plan = plan, .forward = forward, .backward = backward, .prepare = recurrent_prepare);
