/* odd_product: a layer that asks for a product with a stride too short, and takes no notice of what comes of it. */
#include <assay/plugin.h>

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    return ASSAY_OK;
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    const uint64_t n = assay_shape_size(io->out_shape);
    const assay_gemm g = { .struct_size = sizeof g,
        .m = io->time * io->batch,
        .n = n,
        .k = n,
        .alpha = 1,
        .a = io->x[0],
        .lda = n,
        .b = io->x[0],
        .ldb = n,
        .c = io->y,
        .ldc = n - 1 };
    (void)hyper;
    ctx->host->gemm_f32(ctx, &g);
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    (void)io;
    return ASSAY_OK;
}

ASSAY_LAYER(odd_product, "0.1.0", "asks for what cannot be", ASSAY_NO_HYPERS, .plan = plan,
    .forward = forward, .backward = backward);
