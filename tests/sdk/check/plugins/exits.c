/* Ends the process in create. */
#include <assay/plugin.h>

#include <stdlib.h>

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *span)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)span;
    return ASSAY_OK;
}

static int create(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    exit(3);
}

static void destroy(assay_ctx *ctx)
{
    (void)ctx;
}

static int save(assay_ctx *ctx, void *buffer, uint64_t *bytes)
{
    (void)ctx;
    (void)buffer;
    *bytes = 0;
    return ASSAY_OK;
}

static int load(assay_ctx *ctx, const void *buffer, uint64_t bytes)
{
    (void)ctx;
    (void)buffer;
    (void)bytes;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(exits, "0.1.0", "calls exit in create", ASSAY_NO_HYPERS, .elem = update,
    .create = create, .destroy = destroy, .save = save, .load = load);
