/* A strategy that draws points at random, and the same with one fault each. */
#include <assay/plugin.h>

#include <fenv.h>
#include <math.h>

typedef enum fault {
    NONE,
    OUTSIDE,
    BETWEEN_STEPS,
    KEEPS_INACTIVE,
    TOO_MANY,
    WRITES_BEHIND,
    COUNTS_IN_FILE,
    COUNTS_ASKS,
    ONE_POINT_PER_ASK,
    WAITS_FOR_EVER,
    NAN_AFTER_DIVERGED,
    CHANGES_MODE,
    ENDS,
    LONG_EXPLAIN,
    NEVER_FAILS,
} fault;

struct knobs {
    double knob;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(knobs, knob, 0.5, 0, 1, "is read by nobody"),
};

static uint64_t asks; /* a fault's */

struct scene {
    const assay_search_plan *plan;
    uint64_t n_asks, n_running, n_bad;
};

static int start(fault f, assay_ctx *ctx, const assay_search_plan *plan)
{
    static struct scene spare;
    struct scene *s = ctx->host->alloc(ctx, sizeof *s);
    if (!s && f == NEVER_FAILS) s = &spare;
    if (!s) return ASSAY_E_NOMEM;
    s->plan = plan;
    ctx->self = s;
    return ASSAY_OK;
}

static double draw(assay_ctx *ctx, uint64_t stream, uint64_t place)
{
    uint32_t bits;
    ctx->host->random_u32(ctx, stream, place, &bits, 1);
    return (double)bits / 4294967296.0;
}

static double value_at(const assay_dimension *d, double u, fault f)
{
    const double step = d->step > 0 ? d->step : d->type == ASSAY_SPACE_REAL ? 0 : 1;
    if (f == BETWEEN_STEPS || step == 0) return d->low + u * (d->high - d->low);
    return fmin(d->low + step * floor(u * (floor((d->high - d->low) / step + 1e-9) + 1)), d->high);
}

static void propose(fault f, assay_ctx *ctx, uint64_t stream, double *x)
{
    const assay_search_plan *plan = ((struct scene *)ctx->self)->plan;
    for (uint64_t i = 0; i < plan->n_dimensions; i++) {
        const assay_dimension *d = assay_dimension_at(plan, i);
        const double choice = d->parent == ASSAY_NO_PARENT ? 0 : x[d->parent];
        const int is_active = d->parent == ASSAY_NO_PARENT ||
            (choice >= 0 && (d->parent_choices >> (uint64_t)choice & 1));
        x[i] = is_active || f == KEEPS_INACTIVE ? value_at(d, draw(ctx, stream, i), f) : NAN;
        if (f == OUTSIDE && stream == 11) x[i] = d->high + 0.5;
    }
    if (f == WRITES_BEHIND) x[plan->n_dimensions] = 1;
}

static int ask_with(fault f, assay_ctx *ctx, uint64_t number, uint64_t want, assay_proposal *out,
    uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    struct scene *s = ctx->self;
    *out_n = f == WAITS_FOR_EVER && s->n_running > 20 ? 0 : want;
    if (f == CHANGES_MODE) fesetround(FE_UPWARD);
    for (uint64_t i = 0; i < *out_n; i++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + i * stride);
        uint64_t stream = number + i;
        if (f == COUNTS_IN_FILE) stream = asks++;
        if (f == COUNTS_ASKS) stream = s->n_asks;
        if (f == ONE_POINT_PER_ASK) stream = number;
        propose(f, ctx, stream, p->x);
        if (f == NAN_AFTER_DIVERGED && s->n_bad && s->plan->n_dimensions) p->x[0] = NAN;
        s->n_asks++;
    }
    if (f == TOO_MANY) *out_n = want + 1;
    *out_is_over = f == ENDS && number > 30;
    return ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    struct scene *s = ctx->self;
    (void)hyper;
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t state = assay_event_at(events, i, stride)->state;
        s->n_running += state == ASSAY_TRIAL_RUNNING;
        s->n_bad += state == ASSAY_TRIAL_DIVERGED;
    }
    return ASSAY_OK;
}

static int explain(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    (void)ctx;
    (void)hyper;
    (void)trial;
    for (uint64_t i = 0; i <= bytes; i++)
        out[i] = 'x';
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = 0;
}

#define SEARCH(id, fault_, hypers_, ...) \
    static int id##_open(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan) \
    { \
        (void)hyper; \
        return start(fault_, ctx, plan); \
    } \
    static int id##_ask(assay_ctx *ctx, const void *hyper, uint64_t ask, uint64_t want, \
        assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over) \
    { \
        (void)hyper; \
        return ask_with(fault_, ctx, ask, want, out, stride, out_n, out_is_over); \
    } \
    ASSAY_DEFINE_SEARCH(id, "0.1.0", "a strategy of the tests", hypers_, \
        .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS, .open = id##_open, \
        .ask = id##_ask, .tell = tell, .close = end, __VA_ARGS__)

SEARCH(none, NONE, ASSAY_NO_HYPERS, .report = 0);
SEARCH(outside, OUTSIDE, ASSAY_NO_HYPERS, .report = 0);
SEARCH(between_steps, BETWEEN_STEPS, ASSAY_NO_HYPERS, .report = 0);
SEARCH(keeps_inactive, KEEPS_INACTIVE, ASSAY_NO_HYPERS, .report = 0);
SEARCH(too_many, TOO_MANY, ASSAY_NO_HYPERS, .report = 0);
SEARCH(writes_behind, WRITES_BEHIND, ASSAY_NO_HYPERS, .report = 0);
SEARCH(counts_in_file, COUNTS_IN_FILE, ASSAY_NO_HYPERS, .report = 0);
SEARCH(counts_asks, COUNTS_ASKS, ASSAY_NO_HYPERS, .report = 0);
SEARCH(one_point_per_ask, ONE_POINT_PER_ASK, ASSAY_NO_HYPERS, .report = 0);
SEARCH(waits_for_ever, WAITS_FOR_EVER, ASSAY_NO_HYPERS, .report = 0);
SEARCH(nan_after_diverged, NAN_AFTER_DIVERGED, ASSAY_NO_HYPERS, .report = 0);
SEARCH(changes_mode, CHANGES_MODE, ASSAY_NO_HYPERS, .report = 0);
SEARCH(ends, ENDS, ASSAY_NO_HYPERS, .report = 0);
SEARCH(long_explain, LONG_EXPLAIN, ASSAY_NO_HYPERS, .explain = explain);
SEARCH(never_fails, NEVER_FAILS, ASSAY_NO_HYPERS, .report = 0);
SEARCH(idle_hyper, NONE, ASSAY_HYPERS(knobs, hypers), .report = 0);

ASSAY_PLUGIN(faulty_searches, "0.1.0", &none_component, &outside_component,
    &between_steps_component, &keeps_inactive_component, &too_many_component,
    &writes_behind_component, &counts_in_file_component, &counts_asks_component,
    &one_point_per_ask_component, &waits_for_ever_component, &nan_after_diverged_component,
    &changes_mode_component, &ends_component, &long_explain_component, &never_fails_component,
    &idle_hyper_component);
