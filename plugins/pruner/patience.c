/* Patience: a trial is stopped where its best value has not fallen by more than min_gain for `patience` reports in a row.
 *
 * Each trial is judged by its own curve alone, as early stopping within a training run does: Prechelt 1998, "Early stopping - but when?",
 * section 2, in the form that counts. So it never stops a trial for being a bad one that still improves.
 *
 * A trial that reports a fidelity again, because its machine was lost, counts that report once more.
 *
 * Defaults: ten reports; any gain counts. Source: common practice, no theory. */
#include <assay/plugin.h>

#include <string.h>

struct patience {
    int64_t patience;
    double min_gain, warm_up;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(patience, patience, 10, 1, 1 << 30, "reports without a gain", .unit = "reports"),
    ASSAY_REAL(patience, min_gain, 0, 0, ASSAY_INF, "by how much the best value must fall"),
    ASSAY_REAL(patience, warm_up, 0, 0, ASSAY_INF, "no trial is stopped before this fidelity"),
};

struct curve {
    double best; /* at the last gain */
    uint64_t n, n_since; /* reports; of them since the last gain */
};

struct scene {
    struct curve *curves; // [room] by number of trial
    uint64_t n, room;
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    (void)hyper;
    (void)plan;
    ctx->self = ctx->host->alloc(ctx, sizeof(struct scene));
    return ctx->self ? ASSAY_OK : ASSAY_E_NOMEM;
}

static int grow(assay_ctx *ctx, struct scene *s, uint64_t trial)
{
    if (trial < s->room) return ASSAY_OK;
    if (trial >> 40) return ASSAY_E_NOMEM;
    const uint64_t room = trial < 32 ? 64 : 2 * trial;
    struct curve *curves = ctx->host->alloc(ctx, room * sizeof *curves);
    if (!curves) return ASSAY_E_NOMEM;
    if (s->n) memcpy(curves, s->curves, s->n * sizeof *curves);
    s->curves = curves;
    s->room = room;
    return ASSAY_OK;
}

static int take(assay_ctx *ctx, const struct patience *h, const assay_event *e)
{
    struct scene *s = ctx->self;
    if (e->state != ASSAY_TRIAL_REPORTED || !isfinite(e->value)) return ASSAY_OK;
    const int code = grow(ctx, s, e->trial);
    if (code != ASSAY_OK) return code;
    if (e->trial >= s->n) s->n = e->trial + 1;
    struct curve *c = &s->curves[e->trial];
    const int is_gain = c->n == 0 || e->value < c->best - h->min_gain;
    if (is_gain) c->best = e->value;
    c->n_since = is_gain ? 0 : c->n_since + 1;
    c->n++;
    return ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    for (uint64_t i = 0; i < n; i++) {
        const int code = take(ctx, hyper, assay_event_at(events, i, stride));
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

static int report(
    assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict)
{
    const struct patience *h = hyper;
    const struct scene *s = ctx->self;
    const int is_late = event->trial < s->n && event->fidelity >= h->warm_up &&
        s->curves[event->trial].n_since >= (uint64_t)h->patience;
    *out_verdict = is_late ? ASSAY_VERDICT_STOP : ASSAY_VERDICT_GO;
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_PRUNER(patience, "0.1.0", "stops a trial whose own curve has not improved for some reports",
    ASSAY_HYPERS(patience, hypers), .open = start, .tell = tell, .report = report, .close = end);
