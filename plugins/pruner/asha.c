/* Asynchronous successive halving as a pruner: of the trials that another strategy proposes, one in eta goes on at each rung.
 *
 * Li et al. 2020, "A system for massively parallel hyperparameter tuning", section 3, in the form that stops for good: a trial that
 * reaches a rung, at min_fidelity eta^(k + skip), goes on if its value is among the best 1 / eta of those that have reached it so far,
 * its own included, or the best of them. The rule is that of the strategy `asha` with variant = "stop"; here the points come from a
 * strategy of its own, which is told what was stopped and where: with a model of the points this is what Falkner et al. 2018, "BOHB",
 * do in their most eager bracket.
 *
 * Without partial values, in a study whose trials have no fidelity, it stops nothing.
 *
 * Defaults: those of the strategy. */
#include "../shared/halving.h"

struct asha {
    double eta;
    int64_t skip;
};

static const assay_hyper hypers[] = {
    ASSAY_REAL(asha, eta, 3, 1.1, 100, "one of eta goes on at each rung"),
    ASSAY_INT(asha, skip, 0, 0, 60, "rungs that are left out at the beginning", .unit = "rungs"),
};

static int start(assay_ctx *ctx, const void *hyper, const assay_search_plan *plan)
{
    const struct asha *a = hyper;
    return halving_prune_open(ctx, plan, a->eta, (uint64_t)a->skip, 1);
}

ASSAY_PRUNER(asha, "0.1.0", "lets one trial in eta go on at each rung", ASSAY_HYPERS(asha, hypers),
    .open = start, .tell = halving_prune_tell, .report = halving_prune_report,
    .close = halving_prune_close);
