/* Asynchronous successive halving, the variant that stops: random points, each run as long as it is among the best at every rung.
 *
 * Li et al. 2020, "A system for massively parallel hyperparameter tuning", section 3; rungs at min_fidelity eta^(k + skip), below the
 * whole of a trial. A trial that reaches a rung goes on if its value is among the best 1 / eta of those that have reached it so far, its own
 * included, and is stopped for good if not. Nothing waits for a rung to fill.
 *
 * Deviations: the paper pauses trials and promotes them later; here a verdict is final, so that no checkpoint need be kept and a
 * worker never changes trials. While fewer than eta trials have reached a rung the best one so far goes on. A report counts for
 * all rungs at or below its fidelity that the trial had not reached. A trial that diverges counts as worse than any at the next rung.
 *
 * With min_fidelity 0 the first rung is at max_fidelity / eta^4.
 *
 * Defaults: eta 3, which lies nearest to the best eta, e, of Jamieson and Talwalkar 2016; every rung is used, as Li et al. advise. */
#include "shared/codec.h"
#include "shared/draw.h"

#include <string.h>

enum { MOST_RUNGS = 64 };

struct asha {
    double eta;
    int64_t skip;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(asha, eta, 3, 1.1, 100, "one of eta goes on at each rung"),
    ASSAY_INT(asha, skip, 0, 0, 60, "rungs that are left out at the beginning", .unit = "rungs"),
};

struct rung {
    double fidelity;
    double *values; // [room] of the trials that have reached it, rising
    uint64_t n, room;
};

/* Of a trial: how many rungs it has reached, and whether it went on at the last of them. */
struct runner {
    uint64_t n_rungs, is_out;
};

struct scene {
    const assay_search_plan *plan;
    double *u; // [n_dimensions]
    struct rung rungs[MOST_RUNGS];
    uint64_t n_rungs;
    struct runner *runners; // [room] by number of trial
    uint64_t n, room;
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct asha *h = hyper;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    s->u = ctx->host->alloc(ctx, (plan->n_dimensions + 1) * sizeof *s->u);
    if (!s->u) return ASSAY_E_NOMEM;
    const double least =
        plan->min_fidelity > 0 ? plan->min_fidelity : plan->max_fidelity / pow(h->eta, 4);
    double at = least * pow(h->eta, (double)h->skip);
    for (; s->n_rungs < MOST_RUNGS && at < plan->max_fidelity * (1 - 1e-9); at *= h->eta)
        s->rungs[s->n_rungs++].fidelity = at;
    ctx->self = s;
    return ASSAY_OK;
}

static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    const struct scene *s = ctx->self;
    (void)hyper;
    for (uint64_t i = 0; i < want; i++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + i * stride);
        draw_units(ctx, number + i, 0, s->u, s->plan->n_dimensions);
        codec_point(s->plan, s->u, p->x);
    }
    *out_n = want;
    *out_is_over = 0;
    return ASSAY_OK;
}

/* `old` of `n` items in a place with room for `room`; NULL when memory is out. */
static void *moved(assay_ctx *ctx, const void *old, uint64_t n, uint64_t room, uint64_t bytes)
{
    void *out = room < (1ull << 40) / bytes ? ctx->host->alloc(ctx, room * bytes) : NULL;
    if (out && n) memcpy(out, old, n * bytes);
    return out;
}

static int runner_of(assay_ctx *ctx, uint64_t trial, struct runner **out)
{
    struct scene *s = ctx->self;
    if (trial >= s->room) {
        const uint64_t room = trial < 32 ? 64 : 2 * trial;
        struct runner *runners = moved(ctx, s->runners, s->n, room, sizeof *runners);
        if (!runners) return ASSAY_E_NOMEM;
        s->runners = runners;
        s->room = room;
    }
    if (trial >= s->n) s->n = trial + 1;
    *out = &s->runners[trial];
    return ASSAY_OK;
}

/* Puts a value in its place; *out_is_good: it is among the best 1 / eta, or the best. */
static int reach(assay_ctx *ctx, double eta, struct rung *r, double v, int *out_is_good)
{
    if (r->n == r->room) {
        const uint64_t room = r->room ? 2 * r->room : 64;
        double *values = moved(ctx, r->values, r->n, room, sizeof *values);
        if (!values) return ASSAY_E_NOMEM;
        r->values = values;
        r->room = room;
    }
    uint64_t low = 0, high = r->n;
    while (low < high) {
        const uint64_t middle = (low + high) / 2;
        if (r->values[middle] < v)
            low = middle + 1;
        else
            high = middle;
    }
    memmove(r->values + low + 1, r->values + low, (r->n - low) * sizeof *r->values);
    r->values[low] = v;
    r->n++;
    *out_is_good = isfinite(v) && (double)low < fmax(1, floor((double)r->n / eta));
    return ASSAY_OK;
}

static int take(assay_ctx *ctx, const struct asha *h, const assay_event *e)
{
    struct scene *s = ctx->self;
    struct runner *t;
    int code = runner_of(ctx, e->trial, &t), is_good = 1;
    if (code != ASSAY_OK || t->is_out) return code;
    if (e->state == ASSAY_TRIAL_DIVERGED && t->n_rungs < s->n_rungs) {
        t->is_out = 1;
        return reach(ctx, h->eta, &s->rungs[t->n_rungs++], ASSAY_INF, &is_good);
    }
    if (e->state != ASSAY_TRIAL_REPORTED || !isfinite(e->value)) return ASSAY_OK;
    while (!t->is_out && t->n_rungs < s->n_rungs) {
        struct rung *r = &s->rungs[t->n_rungs];
        if (e->fidelity < r->fidelity * (1 - 1e-9)) break;
        code = reach(ctx, h->eta, r, e->value, &is_good);
        if (code != ASSAY_OK) return code;
        t->n_rungs++;
        t->is_out = !is_good;
    }
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
    const struct scene *s = ctx->self;
    (void)hyper;
    const int is_out = event->trial < s->n && s->runners[event->trial].is_out;
    *out_verdict = is_out ? ASSAY_VERDICT_STOP : ASSAY_VERDICT_GO;
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = NULL;
}

ASSAY_SEARCH(asha, "0.1.0", "random points, of which one in eta goes on at each rung",
    ASSAY_HYPERS(asha, hypers),
    .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_FIDELITY, .open = start,
    .ask = ask, .tell = tell, .close = end, .report = report);
