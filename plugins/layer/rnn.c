/* rnn: the plain recurrent network.
 *
 *   h_t = f(x_t W + h_{t-1} U + b)        f = tanh or relu
 *
 * Elman 1990, "Finding structure in time". With f = relu the state may grow without bound: Le,
 * Jaitly and Hinton 2015, "A simple way to initialize recurrent networks of rectified linear
 * units", begin with U = the identity.
 *
 * The sums lie where h will be; kept for backward is h alone, and room for the gradient of the
 * sums. */
#include "shared/recurrent_run.h"

enum { ACTIVATION_TANH, ACTIVATION_RELU };

struct rnn {
    struct recurrent common;
    int64_t activation;
};

static const char *const activations[] = { "tanh", "relu" };

static const assay_hyper hypers[] = {
    RECURRENT_HYPERS(rnn),
    ASSAY_ENUM(rnn, activation, ACTIVATION_TANH, activations, "what bends the sums"),
};

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct rnn *h = hyper;
    const recurrent_cell cell = { .gates = 1,
        .products = 1,
        .gates_of = { 1 },
        .summed_gates = 1,
        .saved_gates = 1,
        .is_in_place = 1 };
    return recurrent_plan(ctx, &h->common, &cell, plan);
}

static int is_relu(const recurrent_call *c)
{
    return ((const struct rnn *)(const void *)c->hyper)->activation == ACTIVATION_RELU;
}

ASSAY_MULTIVERSION static void forward_rows(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows before = recurrent_h_before(c, i);
    const int relu = is_relu(c);
    for (uint64_t b = 0; b < c->batch; b++) {
        float *restrict h = c->h + (recurrent_row(c, i) + b) * c->ld_h;
        if (recurrent_is_padding(c, i, b)) {
            memcpy(h, before.at + b * before.ld, c->units * sizeof(float));
            continue;
        }
        for (uint64_t j = 0; !relu && j < c->units; j++) {
            h[j] = assay_tanh(h[j]);
        }
        for (uint64_t j = 0; relu && j < c->units; j++) {
            h[j] = h[j] < 0 ? 0 : h[j];
        }
    }
}

static void forward_step(const recurrent_call *c, uint64_t i)
{
    if (recurrent_has_before(c, i)) {
        recurrent_product(
            c, 0, recurrent_fed_back(c, i), c->h + recurrent_row(c, i) * c->ld_h, c->ld_h, 1);
    }
    forward_rows(c, i);
}

/* dz of one row */
RECURRENT_ROW void back_row(const float *restrict h, const float *restrict dy,
    const float *restrict dh, float *restrict dz, uint64_t n, const int relu)
{
    for (uint64_t j = 0; j < n; j++) {
        const float d = dh[j] + dy[j];
        dz[j] = relu ? (h[j] <= 0 ? 0 : d) : d * (1 - h[j] * h[j]);
    }
}

ASSAY_MULTIVERSION static void backward_rows(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows dy = recurrent_dy(c, i);
    const int relu = is_relu(c), has_padding = recurrent_has_padding(c, i);
    const uint64_t n = c->units;
    for (uint64_t b = 0; b < c->batch; b++) {
        const uint64_t row = recurrent_row(c, i) + b;
        const float *h = c->h + row * c->ld_h, *d = dy.at + b * dy.ld;
        float *dz = c->z + row * c->ld_z, *dh = c->dh + b * n;
        if (recurrent_is_padding(c, i, b)) {
            memset(dz, 0, n * sizeof *dz);
            continue;
        }
        if (relu) {
            back_row(h, d, dh, dz, n, 1);
        } else {
            back_row(h, d, dh, dz, n, 0);
        }
        if (has_padding) memset(dh, 0, n * sizeof *dh); // the product adds to it
    }
}

static void backward_step(const recurrent_call *c, uint64_t i)
{
    const recurrent_rows dz = { c->z + recurrent_row(c, i) * c->ld_z, c->ld_z };
    backward_rows(c, i);
    if (recurrent_wants_before(c, i)) {
        recurrent_feed_back(c, 0, dz, recurrent_has_padding(c, i));
    }
}

static int gradients(const recurrent_call *c)
{
    return recurrent_u_gradient(c, 0, c->columns, (recurrent_rows){ c->z, c->ld_z });
}

static const recurrent_ops cell_ops = { forward_step, backward_step, gradients };

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    return recurrent_forward(ctx, hyper, io, &cell_ops);
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    return recurrent_backward(ctx, hyper, io, &cell_ops);
}

ASSAY_LAYER(rnn, "0.1.0", "plain recurrent network over the time steps", ASSAY_HYPERS(rnn, hypers),
    .plan = plan, .forward = forward, .backward = backward, .prepare = recurrent_prepare);
