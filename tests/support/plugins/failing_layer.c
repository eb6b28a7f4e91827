/* failing_layer: every shard fails and says which; the first one says it last, and all of them return only then. */
#include <assay/plugin.h>

#include <stdio.h>
#include <time.h>

static int plan(assay_ctx *ctx, const void *hyper, assay_plan *plan)
{
    (void)ctx;
    (void)hyper;
    plan->out = assay_plan_in(plan, 0)->shape;
    return ASSAY_OK;
}

static void wait_ms(long ms)
{
    const struct timespec t = { .tv_nsec = ms * 1000000 };
    (void)nanosleep(&t, NULL);
}

static int forward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    char message[64];
    (void)hyper;
    if (io->batch_begin == 0) wait_ms(20);
    snprintf(message, sizeof message, "sample %u is not to its taste", (unsigned)io->batch_begin);
    (void)ctx->host->fail(ctx, ASSAY_E_NUMERIC, NULL, message);
    if (io->batch_begin > 0) wait_ms(40);
    return ASSAY_E_NUMERIC;
}

static int backward(assay_ctx *ctx, const void *hyper, const assay_io *io)
{
    (void)ctx;
    (void)hyper;
    (void)io;
    return ASSAY_OK;
}

ASSAY_LAYER(failing_layer, "0.1.0", "fails for every shard", ASSAY_NO_HYPERS, .plan = plan,
    .forward = forward, .backward = backward);
