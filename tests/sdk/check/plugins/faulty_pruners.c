/* A pruner that stops what is above the mean of what it has seen at the same place, and the same with one fault each. */
#include <assay/plugin.h>

#include <fenv.h>

typedef enum fault {
    NONE,
    NO_VERDICT,
    ODD_VERDICT,
    SILENT,
    IN_FILE,
    LEARNS_IN_REPORT,
    CHANGES_MODE,
    NEVER_FAILS,
} fault;

enum { PLACES = 16 };

struct sums {
    double sum[PLACES], n[PLACES];
};

struct knobs {
    double knob;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(knobs, knob, 0.5, 0, 1, "is read by nobody"),
};

static struct sums in_file; /* a fault's */

static int start(fault f, assay_ctx *ctx)
{
    struct sums *s = ctx->host->alloc(ctx, sizeof *s);
    if (!s && f == NEVER_FAILS) s = &in_file;
    if (!s) return ASSAY_E_NOMEM;
    ctx->self = f == IN_FILE ? &in_file : s;
    return ASSAY_OK;
}

static void add(struct sums *s, const assay_event *e)
{
    if (e->state != ASSAY_TRIAL_REPORTED || e->fidelity >= PLACES) return;
    s->sum[(int)e->fidelity] += e->value;
    s->n[(int)e->fidelity] += 1;
}

static int tell_with(
    fault f, assay_ctx *ctx, const assay_event *events, uint64_t n, uint64_t stride)
{
    for (uint64_t i = 0; i < n && f != LEARNS_IN_REPORT; i++)
        add(ctx->self, assay_event_at(events, i, stride));
    return ASSAY_OK;
}

static int report_with(fault f, assay_ctx *ctx, const assay_event *e, uint64_t *out_verdict)
{
    const struct sums *s = ctx->self;
    if (f == LEARNS_IN_REPORT) add(ctx->self, e);
    if (f == NO_VERDICT) return ASSAY_OK;
    if (f == SILENT && e->trial == 3) return ASSAY_E_INVALID;
    if (f == CHANGES_MODE) fesetround(FE_DOWNWARD);
    const int at = (int)e->fidelity;
    const int is_bad = at < PLACES && s->n[at] > 2 && e->value > s->sum[at] / s->n[at];
    *out_verdict = f == ODD_VERDICT ? 5 : is_bad ? ASSAY_VERDICT_STOP : ASSAY_VERDICT_GO;
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    ctx->self = 0;
}

#define PRUNER(id, fault_, hypers_) \
    static int id##_open(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan) \
    { \
        (void)hyper; \
        (void)plan; \
        return start(fault_, ctx); \
    } \
    static int id##_tell( \
        assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride) \
    { \
        (void)hyper; \
        return tell_with(fault_, ctx, events, n, stride); \
    } \
    static int id##_report( \
        assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict) \
    { \
        (void)hyper; \
        return report_with(fault_, ctx, event, out_verdict); \
    } \
    ASSAY_DEFINE_PRUNER(id, "0.1.0", "a pruner of the tests", hypers_, .open = id##_open, \
        .tell = id##_tell, .report = id##_report, .close = end)

PRUNER(none, NONE, ASSAY_NO_HYPERS);
PRUNER(no_verdict, NO_VERDICT, ASSAY_NO_HYPERS);
PRUNER(odd_verdict, ODD_VERDICT, ASSAY_NO_HYPERS);
PRUNER(silent, SILENT, ASSAY_NO_HYPERS);
PRUNER(in_one_place, IN_FILE, ASSAY_NO_HYPERS);
PRUNER(learns_in_report, LEARNS_IN_REPORT, ASSAY_NO_HYPERS);
PRUNER(changes_mode, CHANGES_MODE, ASSAY_NO_HYPERS);
PRUNER(never_fails, NEVER_FAILS, ASSAY_NO_HYPERS);
PRUNER(idle_hyper, NONE, ASSAY_HYPERS(knobs, hypers));

ASSAY_PLUGIN(faulty_pruners, "0.1.0", &none_component, &no_verdict_component,
    &odd_verdict_component, &silent_component, &in_one_place_component, &learns_in_report_component,
    &changes_mode_component, &never_fails_component, &idle_hyper_component);
