/* Proposes points that lie about evenly, and does something else in one of its calls: `act` in call `place` about trial `at`. With
 * HOSTILE_ACT it does that while it is loaded. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_search {
    const char *act, *place;
    int64_t at;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(hostile_search, act, "nothing", "what it does"),
    ASSAY_STRING(hostile_search, place, "ask", "in which call"),
    ASSAY_INT(hostile_search, at, 3, 0, 1000, "about which trial"),
};

#ifdef HOSTILE_ACT
__attribute__((constructor)) static void begin(void)
{
    act(HOSTILE_ACT);
}
#endif

static const assay_search_plan *the_plan;

/* What only a strategy can do wrong: done where proposals are made. */
static int is_own_act(const char *name)
{
    return strncmp(name, "propose_", 8) == 0 || strcmp(name, "verdict") == 0 ||
        strcmp(name, "code") == 0 || strcmp(name, "endless_line") == 0;
}

static int is_due(const struct hostile_search *h, const char *place, uint64_t trial)
{
    return strcmp(h->place, place) == 0 && trial == (uint64_t)h->at;
}

static void act_if(const struct hostile_search *h, const char *place, uint64_t trial)
{
    if (is_due(h, place, trial) && !is_own_act(h->act)) act(h->act);
}

static int validate(assay_ctx *ctx, const void *hyper)
{
    const struct hostile_search *h = hyper;
    (void)ctx;
    act_if(h, "validate", (uint64_t)h->at);
    return ASSAY_OK;
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct hostile_search *h = hyper;
    (void)ctx;
    the_plan = plan;
    act_if(h, "open", (uint64_t)h->at);
    return ASSAY_OK;
}

static void spoil(const char *name, assay_proposal *p, uint64_t want, uint64_t *out_n)
{
    if (strcmp(name, "propose_many") == 0) *out_n = want + 1000000;
    if (strcmp(name, "propose_nan") == 0) p->x[0] = (double)NAN;
    if (strcmp(name, "propose_infinite") == 0) p->x[0] = (double)INFINITY;
    if (strcmp(name, "propose_outside") == 0) p->x[0] = -1e300;
    if (strcmp(name, "propose_endless") == 0) p->fidelity = (double)INFINITY;
    if (strcmp(name, "propose_no_fidelity") == 0) p->fidelity = (double)NAN;
    if (strcmp(name, "propose_negative") == 0) p->fidelity = -1;
    if (strcmp(name, "propose_from_running") == 0) p->from_trial = 0;
    if (strcmp(name, "propose_from_future") == 0) p->from_trial = 77;
    if (strcmp(name, "propose_elsewhere") == 0) p->x = NULL;
}

static int ask(assay_ctx *ctx, const void *hyper, uint64_t number, uint64_t want,
    assay_proposal *out, uint64_t stride, uint64_t *out_n, uint64_t *out_is_over)
{
    const struct hostile_search *h = hyper;
    (void)ctx;
    *out_n = want;
    *out_is_over = 0;
    for (uint64_t k = 0; k < want; k++) {
        assay_proposal *p = (assay_proposal *)(void *)((char *)out + k * stride);
        for (uint64_t i = 0; i < the_plan->n_dimensions; i++) {
            const assay_dimension *d = assay_dimension_at(the_plan, i);
            p->x[i] = d->low + (d->high - d->low) * fmod(0.618 * (double)(number + k + i), 1);
        }
        act_if(h, "ask", number + k);
        if (is_due(h, "ask", number + k)) spoil(h->act, p, want, out_n);
    }
    return is_due(h, "ask", number) && strcmp(h->act, "code") == 0 ? 12345 : ASSAY_OK;
}

static int tell(
    assay_ctx *ctx, const void *hyper, const assay_event *events, uint64_t n, uint64_t stride)
{
    (void)ctx;
    for (uint64_t k = 0; k < n; k++)
        act_if(hyper, "tell", assay_event_at(events, k, stride)->trial);
    return ASSAY_OK;
}

static int report(
    assay_ctx *ctx, const void *hyper, const assay_event *event, uint64_t *out_verdict)
{
    const struct hostile_search *h = hyper;
    (void)ctx;
    act_if(h, "report", event->trial);
    *out_verdict = ASSAY_VERDICT_GO;
    if (is_due(h, "report", event->trial) && strcmp(h->act, "verdict") == 0) *out_verdict = 77;
    return ASSAY_OK;
}

static int explain(assay_ctx *ctx, const void *hyper, uint64_t trial, char *out, uint64_t bytes)
{
    const struct hostile_search *h = hyper;
    (void)ctx;
    act_if(h, "explain", trial);
    if (is_due(h, "explain", trial) && strcmp(h->act, "endless_line") == 0)
        memset(out, '\033', bytes);
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    (void)ctx;
}

ASSAY_SEARCH(hostile_search, "0.1.0", "does something else in one of its calls",
    ASSAY_HYPERS(hostile_search, hypers), .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS,
    .open = start, .ask = ask, .tell = tell, .close = end, .validate = validate, .report = report,
    .explain = explain);
