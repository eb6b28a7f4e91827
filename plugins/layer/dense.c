/* dense: an affine map of the features of every row.
 *
 *   y = x W + b        x [rows, in], W [in, units], b [units], y [rows, units]
 *   dx = dy W^T,  dW = x^T dy,  db = the sum of dy's rows
 *
 * `in` is the product of the input's feature dimensions, rows are samples and time steps alike. As
 * in PyTorch's Linear, which stores W as [units, in]. The forward pass fills y with b and lets the
 * product add to it, which spares a second pass over y. db is summed in double, row after row, so
 * that it depends neither on the machine nor on how the compiler cuts loops. Padded rows need no
 * care: their dy is 0.
 *
 * Defaults: W Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward
 * neural networks", equation 16; b zero. */
#include "shared/elementwise.h"

#include <string.h>

enum { WEIGHT, BIAS };

struct dense {
    int64_t units, bias;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(dense, units, 0, 1, 1 << 24, "outputs of a row", .flags = ASSAY_REQUIRED),
    ASSAY_BOOL(dense, bias, 1, "add a trained bias"),
};

static int plan_params(const struct dense *h, assay_plan *plan, uint64_t in, uint64_t units)
{
    const assay_param weight = { .struct_size = sizeof weight,
        .name = "weight",
        .shape = { 2, { in, units } },
        .role = ASSAY_ROLE_WEIGHT,
        .flags = ASSAY_PARAM_TIE | ASSAY_PARAM_TIE_TRANSPOSED,
        .init = "glorot_uniform",
        .layout = ASSAY_LAYOUT_TRANSPOSED };
    const int64_t i_weight = plan->param(plan, &weight);
    if (i_weight < 0 || !h->bias) return i_weight < 0 ? (int)i_weight : ASSAY_OK;
    const assay_param bias = { .struct_size = sizeof bias,
        .name = "bias",
        .shape = { 1, { units } },
        .role = ASSAY_ROLE_BIAS,
        .init = "zeros",
        .fan_in = in,
        .fan_out = units };
    const int64_t i_bias = plan->param(plan, &bias);
    if (i_bias < 0) return (int)i_bias;
    const int64_t i_scratch = plan->scratch(plan, 0, units * sizeof(double));
    return i_scratch < 0 ? (int)i_scratch : ASSAY_OK;
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    const struct dense *h = hyper;
    const int code = require_one_input(ctx, plan);
    if (code != ASSAY_OK) return code;
    const uint64_t in = assay_shape_size(&assay_plan_in(plan, 0)->shape);
    const uint64_t units = (uint64_t)h->units;
    plan->out = (assay_shape){ 1, { units } };
    plan->macs = (double)in * (double)units;
    return plan_params(h, plan, in, units);
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct dense *h = hyper;
    const uint64_t rows = io_rows(io), in = assay_shape_size(io->in_shape);
    const uint64_t units = assay_shape_size(io->out_shape);
    if (h->bias) {
        for (uint64_t i = 0; i < rows; i++) {
            memcpy(io->y + i * units, io->param[BIAS], units * sizeof(float));
        }
    }
    const assay_gemm g = { .struct_size = sizeof g,
        .trans_b = io->transposed[WEIGHT],
        .m = rows,
        .n = units,
        .k = in,
        .alpha = 1,
        .beta = h->bias ? 1 : 0,
        .a = io->x[0],
        .lda = in,
        .b = io->param[WEIGHT],
        .ldb = io->transposed[WEIGHT] ? in : units,
        .c = io->y,
        .ldc = units };
    ctx->host->gemm_f32(ctx, &g);
    return ASSAY_OK;
}

/* dx[rows, in] = dy[rows, units] W^T */
static void input_gradient(assay_ctx *ctx, const assay_io *io, uint64_t in, uint64_t units)
{
    const assay_gemm g = { .struct_size = sizeof g,
        .trans_b = !io->transposed[WEIGHT],
        .m = io_rows(io),
        .n = in,
        .k = units,
        .alpha = 1,
        .a = io->dy,
        .lda = units,
        .b = io->param[WEIGHT],
        .ldb = io->transposed[WEIGHT] ? in : units,
        .c = io->dx[0],
        .ldc = in };
    ctx->host->gemm_f32(ctx, &g);
}

ASSAY_MULTIVERSION static void bias_gradient(const assay_io *io, uint64_t units)
{
    double *sum = io->scratch[0]; // [units]
    float *db = io->dparam[BIAS];
    memset(sum, 0, units * sizeof *sum);
    for (uint64_t i = 0; i < io_rows(io); i++) {
        const float *dy = io->dy + i * units;
        for (uint64_t j = 0; j < units; j++) {
            sum[j] += (double)dy[j];
        }
    }
    for (uint64_t j = 0; j < units; j++) {
        db[j] = (float)(io->accumulate[BIAS] ? (double)db[j] + sum[j] : sum[j]);
    }
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const struct dense *h = hyper;
    const uint64_t in = assay_shape_size(io->in_shape), units = assay_shape_size(io->out_shape);
    if (h->bias && io->dparam[BIAS]) bias_gradient(io, units);
    if (io->dx[0]) input_gradient(ctx, io, in, units);
    if (!io->dparam[WEIGHT]) return ASSAY_OK;
    return io->grad_gemm(io, WEIGHT, io_rows(io), io->x[0], in, io->dy, units);
}

ASSAY_LAYER(dense, "0.1.0", "affine map of the features of every row", ASSAY_HYPERS(dense, hypers),
    .plan = plan, .forward = forward, .backward = backward);
