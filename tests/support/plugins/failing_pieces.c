/* failing_tensors: fails for every tensor and says which; the first one says it last, and all of them return only then.
 * failing_range: the same of the parts of a parallel_for. */
#include <assay/plugin.h>

#include <stdio.h>
#include <time.h>

static void wait_ms(long ms)
{
    const struct timespec t = { .tv_nsec = ms * 1000000 };
    (void)nanosleep(&t, NULL);
}

static void complain(assay_ctx *ctx, const char *what, uint64_t i)
{
    char message[64];
    if (i == 0) wait_ms(20);
    snprintf(message, sizeof message, "%s %u is not to its taste", what, (unsigned)i);
    (void)ctx->host->fail(ctx, ASSAY_E_NUMERIC, NULL, message);
    if (i > 0) wait_ms(40);
}

static void part(void *arg, uint64_t begin, uint64_t end)
{
    (void)end;
    complain(arg, "part", begin);
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step,
    const assay_span *spans, uint64_t n, uint64_t stride, const assay_closure *closure)
{
    (void)hyper;
    (void)step;
    (void)spans;
    (void)n;
    (void)stride;
    (void)closure;
    ctx->host->parallel_for(ctx, 4, 1, part, ctx);
    return ASSAY_E_NUMERIC;
}

static int update_tensor(
    assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    (void)hyper;
    (void)step;
    complain(ctx, "tensor", s->tensor->index);
    return ASSAY_E_NUMERIC;
}

ASSAY_DEFINE_OPTIMIZER(
    failing_tensors, "0.1.0", "fails for every tensor", ASSAY_NO_HYPERS, .tensor = update_tensor);
ASSAY_DEFINE_OPTIMIZER(
    failing_range, "0.1.0", "fails in every part of a range", ASSAY_NO_HYPERS, .model = update);
ASSAY_PLUGIN(failing_pieces, "0.1.0", &failing_tensors_component, &failing_range_component);
