/* Does something while it is loaded: HOSTILE_ACT in its constructor, or in its entry where HOSTILE_IN_ENTRY is defined. Built
 * once for each act of the list in CMakeLists.txt. */
#include "../acts.h"

#include <assay/plugin.h>

struct hostile_loading {
    double lr;
};

static const assay_hyper hypers[] = { ASSAY_LR(hostile_loading, 1e-2, 1e-4, 1) };

__attribute__((constructor)) static void begin(void)
{
#ifndef HOSTILE_IN_ENTRY
    act(HOSTILE_ACT);
#endif
}

static int update(assay_ctx *ctx, const void *hyper, const assay_step *step, const assay_span *s)
{
    const struct hostile_loading *h = hyper;
    (void)ctx;
    (void)step;
    for (uint64_t i = 0; i < s->n; i++)
        s->w[i] -= (float)h->lr * s->g[i];
    return ASSAY_OK;
}

#ifdef HOSTILE_IN_ENTRY
/* The entry that ASSAY_OPTIMIZER makes gets another name; the real one acts first. */
static const assay_plugin *honest_entry(const assay_host *host);

const assay_plugin *ASSAY_ENTRY(const assay_host *host)
{
    act(HOSTILE_ACT);
    return honest_entry(host);
}

#undef ASSAY_ENTRY
#define ASSAY_ENTRY honest_entry
#endif

ASSAY_OPTIMIZER(hostile_loading, "0.1.0", "does something while it is loaded",
    ASSAY_HYPERS(hostile_loading, hypers), .elem = update);
