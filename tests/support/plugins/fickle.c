/* fickle: an optimizer that has second thoughts about how much state it saves. */
#include <assay/plugin.h>

#include <string.h>

static int create(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    (void)hyper;
    return ASSAY_OK;
}

static void destroy(assay_ctx *ctx)
{
    (void)ctx;
}

static int save(assay_ctx *ctx, void *buffer, uint64_t *bytes)
{
    (void)ctx;
    if (!buffer) {
        *bytes = 24;
        return ASSAY_OK;
    }
    memset(buffer, 7, 16);
    *bytes = 16;
    return ASSAY_OK;
}

static int load(assay_ctx *ctx, const void *buffer, uint64_t bytes)
{
    (void)ctx;
    (void)buffer;
    (void)bytes;
    return ASSAY_OK;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    (void)s;
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(fickle, "0.1.0", "saves less than it announced", ASSAY_NO_HYPERS, .elem = update,
    .create = create, .destroy = destroy, .save = save, .load = load);
