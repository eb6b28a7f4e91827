/* Hyperband: asynchronous successive halving in several brackets at once, of which some stop early and some late, so that neither a curve
 * that learns slowly nor one that looks bad at first is lost in all of them.
 *
 * Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter optimization", section 3, with asynchronous brackets as Li et
 * al. 2020, "A system for massively parallel hyperparameter tuning", section 3.3, propose: bracket b has the rungs min_fidelity
 * eta^(k + skip) with k >= b, and the last none: it runs whole trials. New trials are dealt out so that each bracket costs about the same; each compares its
 * own trials alone, by the rule of `asha`.
 *
 * One sampler is asked for the points of all brackets and is told of all results: with a model in it this is Falkner et al. 2018, "BOHB:
 * robust and efficient hyperparameter optimization at scale", without its rounds and without its share of random points.
 *
 * Deviation: new trials are dealt out all the time instead of bracket after bracket, the brackets that stop early first.
 *
 * Defaults: eta as in the paper; all brackets; the rest as in `asha`. */
#include "shared/ladder.h"

struct hyperband {
    double eta;
    int64_t skip, brackets, variant, fidelity, startup;
    const assay_instance *sampler;
};

static const char *const variants[] = { "stop", "promote" };
static const char *const ways[] = { "dimension", "rank" };

static const assay_hyper hypers[] = {
    ASSAY_REAL(hyperband, eta, 3, 1.1, 100, "one of eta goes on at each rung"),
    ASSAY_INT(
        hyperband, skip, 0, 0, 60, "rungs that are left out at the beginning", .unit = "rungs"),
    ASSAY_INT(hyperband, brackets, 64, 1, 64, "never more brackets than that"),
    ASSAY_ENUM(hyperband, variant, LADDER_PROMOTE, variants, "what becomes of the others"),
    ASSAY_COMPONENT(hyperband, sampler, "search", "proposes new points; none: random points"),
    ASSAY_INT(hyperband, startup, 16, 0, 1 << 20, "random points before the sampler is asked"),
    ASSAY_ENUM(
        hyperband, fidelity, SAMPLER_AS_DIMENSION, ways, "how the sampler learns from parts"),
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct hyperband *h = hyper;
    const struct ladder settings = { .variant = h->variant,
        .sampler = { .inner = h->sampler, .way = h->fidelity, .n_first = (uint64_t)h->startup } };
    return ladder_open(ctx, plan, &settings, h->eta, (uint64_t)h->skip, (uint64_t)h->brackets);
}

ASSAY_SEARCH(hyperband, "0.1.0",
    "successive halving in brackets that stop early and brackets that stop late",
    ASSAY_HYPERS(hyperband, hypers),
    .can = ASSAY_SEARCH_CATEGORIES | ASSAY_SEARCH_CONDITIONS | ASSAY_SEARCH_FIDELITY, .open = start,
    .ask = ladder_ask, .tell = ladder_tell, .close = ladder_close, .report = ladder_report,
    .explain = ladder_explain);
