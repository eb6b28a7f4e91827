/* keeper: keeps its state itself: how many updates there were and a running mean of the loss.
 *
 *   count <- count + 1;  mean <- 0.75 mean + 0.25 loss;  w <- w - lr (1 + 1 / count) / (1 + mean) g */
#include <assay/plugin.h>

#include <stdlib.h>
#include <string.h>

struct keeper {
    double lr;
};

struct kept {
    uint64_t count;
    double mean;
};

static const assay_hyper hypers[] = { ASSAY_LR(keeper, 0.1, 1e-3, 1) };

static int create(assay_ctx *ctx, const void *hyper)
{
    (void)hyper;
    ctx->self = calloc(1, sizeof(struct kept));
    return ctx->self ? ASSAY_OK : ASSAY_E_NOMEM;
}

static void destroy(assay_ctx *ctx)
{
    free(ctx->self);
}

static int save(assay_ctx *ctx, void *buffer, uint64_t *bytes)
{
    *bytes = sizeof(struct kept);
    if (buffer) memcpy(buffer, ctx->self, sizeof(struct kept));
    return ASSAY_OK;
}

static int load(assay_ctx *ctx, const void *buffer, uint64_t bytes)
{
    if (bytes != sizeof(struct kept)) {
        return ctx->host->fail(ctx, ASSAY_E_DATA, NULL, "its own state has another size");
    }
    memcpy(ctx->self, buffer, sizeof(struct kept));
    return ASSAY_OK;
}

static int reduce(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s, double *sums)
{
    (void)ctx;
    (void)hyper;
    (void)step;
    sums[0] += (double)s->n;
    return ASSAY_OK;
}

static int combine(assay_ctx *ctx, const void *hyper, const assay_step *step)
{
    struct kept *kept = ctx->self;
    (void)hyper;
    kept->count++;
    kept->mean = 0.75 * kept->mean + 0.25 * step->loss;
    return step->sums[0] == (double)step->n_elements ? ASSAY_OK : ASSAY_E_INTERNAL;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct keeper *h = hyper;
    const struct kept *kept = ctx->self;
    const float lr = (float)(h->lr * (1 + 1 / (double)kept->count) / (1 + kept->mean));
    (void)step;
    for (uint64_t i = 0; i < s->n; i++)
        s->w[i] -= lr * s->g[i];
    return ASSAY_OK;
}

ASSAY_OPTIMIZER(keeper, "0.1.0", "keeps its state itself", ASSAY_HYPERS(keeper, hypers),
    .elem = update, .reduce = reduce, .n_sums = 1, .combine = combine, .create = create,
    .destroy = destroy, .save = save, .load = load);
