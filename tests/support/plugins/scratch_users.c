/* scratch_users: optimizers that watch over their scratch memory.
 *
 * "scratch_outer" (tier model) marks a block, lets its inner optimizer and the closure run, takes another block and fails when
 * the first one has changed. "scratch_inner" (tier elem) steps down the gradient and writes all over a block of its own. "eager_outer" (tier elem)
 * calls inner_update, which only a model callback may. */
#include <assay/plugin.h>

#include <string.h>

enum { BLOCK_BYTES = 3000, MARK = 0x5a, SCRIBBLE = 0xc3 };

struct scratch_outer {
    const assay_instance *inner;
};

struct scratch_inner {
    double lr;
};

static const assay_hyper outer_hypers[] = {
    ASSAY_COMPONENT(scratch_outer, inner, "optimizer", "makes the step", .flags = ASSAY_REQUIRED),
};

static const assay_hyper inner_hypers[] = { ASSAY_LR(scratch_inner, 0.1, 1e-3, 1) };

static int check(assay_ctx *ctx, const unsigned char *block, const char *message)
{
    for (int i = 0; i < BLOCK_BYTES; i++) {
        if (block[i] != MARK) return ctx->host->fail(ctx, ASSAY_E_INTERNAL, NULL, message);
    }
    return ASSAY_OK;
}

static void *new_block(assay_ctx *ctx, int with)
{
    void *block = ctx->host->scratch(ctx, BLOCK_BYTES);
    return block ? memset(block, with, BLOCK_BYTES) : NULL;
}

static int outer_update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    const struct scratch_outer *h = hyper;
    double loss;
    unsigned char *block = new_block(ctx, MARK);
    if (!block) return ASSAY_E_NOMEM;
    int code = ctx->host->inner_update(ctx, h->inner, step, spans, n, stride);
    if (code == ASSAY_OK) code = check(ctx, block, "inner_update took my scratch");
    if (code == ASSAY_OK) code = closure->evaluate(closure, ASSAY_CLOSURE_GRADIENT, &loss);
    if (code == ASSAY_OK && !new_block(ctx, SCRIBBLE)) code = ASSAY_E_NOMEM;
    return code == ASSAY_OK ? check(ctx, block, "the closure took my scratch") : code;
}

static int inner_update(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct scratch_inner *h = hyper;
    (void)step;
    if (!new_block(ctx, SCRIBBLE)) return ASSAY_E_NOMEM;
    for (uint64_t i = 0; i < s->n; i++)
        s->w[i] -= (float)h->lr * s->g[i];
    return ASSAY_OK;
}

static int eager_update(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct scratch_outer *h = hyper;
    return ctx->host->inner_update(ctx, h->inner, step, s, 1, sizeof *s);
}

ASSAY_DEFINE_OPTIMIZER(scratch_outer, "0.1.0", "watches over its scratch memory",
    ASSAY_HYPERS(scratch_outer, outer_hypers), .model = outer_update);
ASSAY_DEFINE_OPTIMIZER(scratch_inner, "0.1.0", "writes all over its scratch memory",
    ASSAY_HYPERS(scratch_inner, inner_hypers), .elem = inner_update);
ASSAY_DEFINE_OPTIMIZER(eager_outer, "0.1.0", "calls inner_update where it may not",
    ASSAY_HYPERS(scratch_outer, outer_hypers), .elem = eager_update);
ASSAY_PLUGIN(scratch_users, "0.1.0", &scratch_outer_component, &scratch_inner_component,
    &eager_outer_component);
