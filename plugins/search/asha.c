/* Asynchronous successive halving: new points run for a little while, and of those that have come as far as a rung one in eta goes on.
 *
 * Li et al. 2020, "A system for massively parallel hyperparameter tuning", section 3; rungs at min_fidelity eta^(k + skip), below the
 * whole of a trial. Nothing waits for a rung to fill.
 *
 *   stop     a trial that reaches a rung goes on if its value is among the best 1 / eta of those that have reached it so far, its own included,
 *            or the best, and is stopped for good if not. No checkpoint need be kept and a worker never changes trials.
 *   promote  algorithm 2: a trial is paused at each rung; an ask continues one that is among the best 1 / eta of its rung, from the
 *            highest rung down, before it begins a new one. What looked bad beside the first few can go on later.
 *
 * New points come from `sampler`, which is told what became of them (shared/sampler.h); none: random points. With a model in it this is
 * what Falkner et al. 2018, "BOHB", propose, in its most eager bracket.
 *
 * With min_fidelity 0 the first rung is at max_fidelity / eta^4.
 *
 * Defaults: eta 3, which lies nearest to the best eta, e, of Jamieson and Talwalkar 2016; every rung is used, as Li et al. advise. The others by
 * median regret on the curves of bench_search pruning, 30 seeds. To promote: with random points both variants have 0.158 after 20 whole
 * trials' worth of epochs, with tpe 0.110 (to promote) and 0.114 there and 0.151 and 0.177 after 10. Random points: scrambled Sobol' points made no
 * difference (0.152). Parts by rank are better for tpe (0.110 beside 0.176), as a dimension for gp (in hyperband 0.089 beside 0.198, of 5 and 8
 * seeds alone), and gp is the better of the two after 50. */
#include "shared/ladder.h"

struct asha {
    double eta;
    int64_t skip, variant, fidelity, startup;
    const assay_instance *sampler;
};

static const char *const variants[] = { "stop", "promote" };
static const char *const ways[] = { "dimension", "rank" };

static const assay_hyper hypers[] = {
    ASSAY_REAL(asha, eta, 3, 1.1, 100, "one of eta goes on at each rung"),
    ASSAY_INT(asha, skip, 0, 0, 60, "rungs that are left out at the beginning", .unit = "rungs"),
    ASSAY_ENUM(asha, variant, LADDER_PROMOTE, variants, "what becomes of the others"),
    ASSAY_COMPONENT(asha, sampler, "search", "proposes new points; none: random points"),
    ASSAY_INT(asha, startup, 16, 0, 1 << 20, "random points before the sampler is asked"),
    ASSAY_ENUM(asha, fidelity, SAMPLER_AS_DIMENSION, ways, "how the sampler learns from parts"),
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct asha *h = hyper;
    const struct ladder settings = { .variant = h->variant,
        .sampler = { .inner = h->sampler, .way = h->fidelity, .n_first = (uint64_t)h->startup } };
    return ladder_open(ctx, plan, &settings, h->eta, (uint64_t)h->skip, 1);
}

ASSAY_SEARCH(asha, "0.2.0",
    "many points for a little while, of which one in eta goes on at each rung",
    ASSAY_HYPERS(asha, hypers),
    .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_FIDELITY, .open = start,
    .ask = ladder_ask, .tell = ladder_tell, .close = ladder_close, .report = ladder_report,
    .explain = ladder_explain);
