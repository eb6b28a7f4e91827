/* Plain gradient descent that does something else at a place and step of its config's choice. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_optimizer {
    double lr;
    const char *act, *place;
    int64_t at;
};

static const assay_hyper hypers[] = {
    ASSAY_LR(hostile_optimizer, 1e-2, 1e-4, 1),
    ASSAY_STRING(hostile_optimizer, act, "nothing", "what it does"),
    ASSAY_STRING(hostile_optimizer, place, "step", "validate, create, step or beyond"),
    ASSAY_INT(hostile_optimizer, at, 5, 1, 1000, "at which step"),
};

static void act_at(const struct hostile_optimizer *h, const char *place)
{
    if (strcmp(h->place, place) == 0) act(h->act);
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    (void)ctx;
    act_at(hyper, "validate");
    return ASSAY_OK;
}

static int create(assay_ctx *ctx, const void *hyper)
{
    act_at(hyper, "create");
    ctx->self = ctx;
    return ASSAY_OK;
}

static void destroy(assay_ctx *ctx)
{
    (void)ctx;
}

static int save(assay_ctx *ctx, void *bytes, uint64_t *n)
{
    (void)ctx;
    (void)bytes;
    *n = 0;
    return ASSAY_OK;
}

static int load(assay_ctx *ctx, const void *bytes, uint64_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
    return ASSAY_OK;
}

/* Acts on the weights themselves. */
static int beyond(assay_ctx *ctx, const struct hostile_optimizer *h, const assay_span *s)
{
    if (strcmp(h->act, "not_a_number") == 0) s->w[0] = (float)NAN;
    if (strcmp(h->act, "far_outside") == 0) s->w[UINT64_C(1) << 36] = 1;
    if (strcmp(h->act, "refuse") == 0) {
        return ctx->host->fail(ctx, ASSAY_E_INVALID, NULL, "had enough\033[2J of this");
    }
    return ASSAY_OK;
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct hostile_optimizer *h = hyper;
    for (uint64_t i = 0; i < s->n; i++)
        s->w[i] -= (float)h->lr * s->g[i];
    if (step->t != (uint64_t)h->at || s->begin != 0 || s->tensor->index != 0) return ASSAY_OK;
    act_at(h, "step");
    return strcmp(h->place, "beyond") == 0 ? beyond(ctx, h, s) : ASSAY_OK;
}

ASSAY_OPTIMIZER(hostile_optimizer, "0.1.0", "does something else at one step",
    ASSAY_HYPERS(hostile_optimizer, hypers), .elem = update, .validate = validate, .create = create,
    .destroy = destroy, .save = save, .load = load);
