/* A strategy of parts: runs each point for a third of the way, and the one before to its end where that was paused. Reals alone. */
#include <assay/plugin.h>

struct state {
    const assay_search_plan *plan;
    uint64_t paused; /* + 1; 0: none */
    uint64_t is_running;
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    struct state *s = ctx->host->alloc(ctx, sizeof *s);
    (void)hyper;
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    ctx->self = s;
    return ASSAY_OK;
}

static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    const struct state *s = ctx->self;
    (void)hyper;
    (void)stride;
    (void)want;
    *out_is_over = 0;
    *out_n = s->is_running ? 0 : 1;
    for (uint64_t i = 0; i < s->plan->n_dimensions; i++) {
        uint32_t bits;
        const assay_dimension *d = assay_dimension_at(s->plan, i);
        ctx->host->random_u32(ctx, number, i, &bits, 1);
        out->x[i] = d->low + (d->high - d->low) * (double)bits / 4294967296.0;
    }
    out->fidelity = s->paused ? s->plan->max_fidelity : s->plan->max_fidelity / 3;
    if (s->paused) out->from_trial = s->paused - 1;
    return ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    struct state *s = ctx->self;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const assay_event *e = assay_event_at(events, i, stride);
        if (e->state == ASSAY_TRIAL_REPORTED || e->state == ASSAY_TRIAL_LOST) continue;
        s->is_running = e->state == ASSAY_TRIAL_RUNNING;
        s->paused = e->state == ASSAY_TRIAL_PAUSED ? e->trial + 1 : 0;
    }
    return ASSAY_OK;
}

static int report(
    assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict)
{
    (void)ctx;
    (void)hyper;
    *out_verdict = event->value > 2 ? ASSAY_VERDICT_STOP
        : event->value > 1          ? ASSAY_VERDICT_PAUSE
                                    : ASSAY_VERDICT_GO;
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = 0;
}

ASSAY_SEARCH(halves, "0.1.0", "a third of the way, then the rest", ASSAY_NO_HYPERS,
    .can = ASSAY_SEARCH_FIDELITY, .open = start, .ask = ask, .tell = tell, .close = end,
    .report = report);
