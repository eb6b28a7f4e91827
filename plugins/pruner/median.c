/* The median stopping rule: a trial is stopped where its best value so far is worse than the median, over the trials that are done, of the
 * mean of what they had reported as far as that.
 *
 * Golovin et al. 2017, "Google Vizier: a service for black-box optimization", section 3.2.2. It fits no curve, and means of the others
 * make it slow to stop: curves that cross late are mostly spared.
 *
 * Deviation: of an even number of means the upper one of the two in the middle counts, so that one count decides without sorting.
 * A trial that reports a fidelity again, because its machine was lost, replaces what it had said from there on.
 *
 * Cost of a report: a binary search in each trial that is done.
 *
 * Defaults: min_trials as is usual; no warm-up, which is in the units of the fidelity and so up to the user. */
#include <assay/plugin.h>

#include <string.h>

struct median {
    int64_t min_trials;
    double warm_up;
};

static const assay_hyper hypers[] = {
    ASSAY_INT(median, min_trials, 5, 1, 1 << 20, "trials that are done before any is stopped"),
    ASSAY_REAL(median, warm_up, 0, 0, ASSAY_INF, "no trial is stopped before this fidelity"),
};

struct point {
    double fidelity, sum, best; /* sum and least of the values up to here */
};

struct curve {
    struct point *points; // [room]
    uint64_t n, room;
    uint64_t is_done;
};

struct scene {
    struct curve *curves; // [room] by number of trial
    uint64_t n, room;
};

/* `old` of `n` items in a place with room for `room`; NULL when memory is out. */
static void *moved(assay_ctx *ctx, const void *old, uint64_t n, uint64_t room, uint64_t bytes)
{
    void *out = room < (1ull << 40) / bytes ? ctx->host->alloc(ctx, room * bytes) : NULL;
    if (out && n) memcpy(out, old, n * bytes);
    return out;
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    (void)hyper;
    (void)plan;
    ctx->self = ctx->host->alloc(ctx, sizeof(struct scene));
    return ctx->self ? ASSAY_OK : ASSAY_E_NOMEM;
}

static int curve_of(assay_ctx *ctx, uint64_t trial, struct curve **out)
{
    struct scene *s = ctx->self;
    if (trial >= s->room) {
        const uint64_t room = trial < 32 ? 64 : 2 * trial;
        struct curve *curves = moved(ctx, s->curves, s->n, room, sizeof *curves);
        if (!curves) return ASSAY_E_NOMEM;
        s->curves = curves;
        s->room = room;
    }
    if (trial >= s->n) s->n = trial + 1;
    *out = &s->curves[trial];
    return ASSAY_OK;
}

static int add_point(assay_ctx *ctx, struct curve *c, double fidelity, double value)
{
    while (c->n && !(c->points[c->n - 1].fidelity < fidelity))
        c->n--;
    if (c->n == c->room) {
        const uint64_t room = c->room ? 2 * c->room : 16;
        struct point *points = moved(ctx, c->points, c->n, room, sizeof *points);
        if (!points) return ASSAY_E_NOMEM;
        c->points = points;
        c->room = room;
    }
    const struct point *last = c->n ? &c->points[c->n - 1] : NULL;
    c->points[c->n] = (struct point){ fidelity, last ? last->sum + value : value,
        last && last->best < value ? last->best : value };
    c->n++;
    return ASSAY_OK;
}

static int take(assay_ctx *ctx, const assay_event *e)
{
    struct curve *c;
    const int code = curve_of(ctx, e->trial, &c);
    if (code != ASSAY_OK) return code;
    if (e->state == ASSAY_TRIAL_REPORTED && isfinite(e->value)) {
        return add_point(ctx, c, e->fidelity, e->value);
    }
    if (e->state == ASSAY_TRIAL_DONE) c->is_done = 1;
    return ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const int code = take(ctx, assay_event_at(events, i, stride));
        if (code != ASSAY_OK) return code;
    }
    return ASSAY_OK;
}

/* How many points of the curve are at `fidelity` or before. */
static uint64_t points_until(const struct curve *c, double fidelity)
{
    uint64_t low = 0, high = c->n;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (c->points[middle].fidelity <= fidelity)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Whether more than half of the trials that are done have a mean below the trial's best value. */
static int report(
    assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict)
{
    const struct median *h = hyper;
    const struct scene *s = ctx->self;
    uint64_t n = 0, n_better = 0;
    *out_verdict = ASSAY_VERDICT_GO;
    if (event->trial >= s->n || event->fidelity < h->warm_up) return ASSAY_OK;
    const struct curve *own = &s->curves[event->trial];
    if (!own->n) return ASSAY_OK;
    const double best = own->points[own->n - 1].best;
    for (uint64_t i = 0; i < s->n; i++) {
        const struct curve *c = &s->curves[i];
        if (!c->is_done || i == event->trial) continue;
        const uint64_t k = points_until(c, event->fidelity);
        if (!k) continue;
        n++;
        n_better += c->points[k - 1].sum / (double)k < best;
    }
    if (n >= (uint64_t)h->min_trials && n_better > n / 2) *out_verdict = ASSAY_VERDICT_STOP;
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_PRUNER(median, "0.1.0", "stops a trial that is worse than the median of the others' means",
    ASSAY_HYPERS(median, hypers), .open = start, .tell = tell, .report = report, .close = end);
