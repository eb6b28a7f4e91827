/* Hyperband as a pruner: the trials that another strategy proposes fall into brackets, some of which stop early and some late.
 *
 * Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter optimization", section 3, with the brackets run by
 * asynchronous successive halving as Li et al. 2020 propose (section 3.3): bracket b leaves out the first b rungs of the pruner `asha`,
 * the last has none and stops nothing. Trials are dealt out so that each bracket costs about the same. The strategy knows nothing of
 * brackets, so that one model learns from all of them.
 *
 * Deviation: new trials are dealt out all the time instead of bracket after bracket.
 *
 * Defaults: eta as in the paper; all brackets. */
#include "../shared/halving.h"

struct hyperband {
    double eta;
    int64_t brackets;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(hyperband, eta, 3, 1.1, 100, "one of eta goes on at each rung of a bracket"),
    ASSAY_INT(hyperband, brackets, 64, 1, 64, "never more brackets than that"),
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct hyperband *a = hyper;
    return halving_prune_open(ctx, plan, a->eta, 0, (uint64_t)a->brackets);
}

ASSAY_PRUNER(hyperband, "0.1.0", "stops trials early in some brackets and late in others",
    ASSAY_HYPERS(hyperband, hypers), .open = start, .tell = halving_prune_tell,
    .report = halving_prune_report, .close = halving_prune_close);
