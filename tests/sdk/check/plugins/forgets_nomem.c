/* Takes no notice when there is no memory. */
#include <assay/plugin.h>

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    (void)io;
    return ASSAY_OK;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    (void)io;
    return ASSAY_OK;
}

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *p)
{
    (void)ctx;
    (void)hyper;
    (void)p;
    return ASSAY_OK;
}

static int create(assay_ctx *ctx, const void *hyper)
{
    (void)hyper;
    ctx->self = ctx->host->alloc(ctx, 64);
    return ASSAY_OK;
}

static void destroy(assay_ctx *ctx)
{
    (void)ctx;
}

ASSAY_LAYER(forgets_nomem, "0.1.0", "takes no notice when there is no memory", ASSAY_NO_HYPERS,
    .plan = plan, .forward = forward, .backward = backward, .create = create, .destroy = destroy);
