/* Never stops a trial, and does something else in one of its calls: `act` in call `place` about trial `at`. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_pruner {
    const char *act, *place;
    int64_t at;
};

static const assay_hyper hypers[] = {
    ASSAY_STRING(hostile_pruner, act, "nothing", "what it does"),
    ASSAY_STRING(hostile_pruner, place, "report", "in which call"),
    ASSAY_INT(hostile_pruner, at, 3, 0, 1000, "about which trial"),
};

static void act_if(const struct hostile_pruner *h, const char *place, uint64_t trial)
{
    if (strcmp(h->place, place) != 0 || trial != (uint64_t)h->at) return;
    if (strcmp(h->act, "verdict") != 0) act(h->act);
}

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct hostile_pruner *h = hyper;
    (void)ctx;
    (void)plan;
    act_if(h, "open", (uint64_t)h->at);
    return ASSAY_OK;
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
    const struct hostile_pruner *h = hyper;
    (void)ctx;
    act_if(h, "report", event->trial);
    const int is_due = strcmp(h->act, "verdict") == 0 && event->trial == (uint64_t)h->at;
    *out_verdict = is_due ? UINT64_MAX : ASSAY_VERDICT_GO;
    return ASSAY_OK;
}

static void end(assay_ctx *ctx)
{
    (void)ctx;
}

ASSAY_PRUNER(hostile_pruner, "0.1.0", "does something else in one of its calls",
    ASSAY_HYPERS(hostile_pruner, hypers), .open = start, .tell = tell, .report = report,
    .close = end);
