/* The plateau schedule: falls when the monitored metric has stopped improving.
 *
 *   At each check:  the value is better than the best so far by more than `threshold`:  best = value, n_bad = 0
 *                   else                                                                n_bad + 1
 *                   in cooldown:         n_bad = 0, one check less of it is left
 *                   n_bad > patience:    level = max(level * factor, min), cooldown starts, n_bad = 0
 *   factor = level
 *
 * torch.optim.lr_scheduler.ReduceLROnPlateau. Like there, a relative threshold is a share of the best value itself, so it
 * asks for less than nothing where a metric to be maximised is negative: use "absolute" then.
 *
 * Deviations: min is relative to the base value; there is no eps, below which torch skips a change.
 * The host calls before every update, so at most one new check is seen at a time; if there were more, the last one counts.
 *
 * Defaults: ReduceLROnPlateau 1.13. */
#include "shared/warmup.h"

struct plateau {
    struct pace pace;
    double factor, threshold, min;
    int64_t patience, cooldown, threshold_mode;
};

enum { RELATIVE, ABSOLUTE };

static const char *const threshold_modes[] = { [RELATIVE] = "relative", [ABSOLUTE] = "absolute" };

static const assay_hyper hypers[] = {
    ASSAY_REAL(
        plateau, factor, 0.1, 0, 1, "what the factor is multiplied by", .flags = ASSAY_OPEN_MAX),
    ASSAY_INT(plateau, patience, 10, 0, PACE_MOST,
        "how many checks without improvement are let pass", .unit = "checks"),
    ASSAY_REAL(plateau, threshold, 1e-4, 0, ASSAY_INF, "how much better counts as an improvement"),
    ASSAY_ENUM(plateau, threshold_mode, RELATIVE, threshold_modes,
        "whether the threshold is a share of the best value"),
    ASSAY_INT(plateau, cooldown, 0, 0, PACE_MOST, "how many checks after a fall are not counted",
        .unit = "checks"),
    ASSAY_REAL(plateau, min, 0, 0, 1, "smallest factor"),
    PACE_HYPERS(plateau, PACE_STEP),
};

/* The state: all zero at first. BEST and LEVEL hold once HAS_BEST and HAS_LEVEL are 1. */
enum { SEEN, HAS_BEST, BEST, BAD, COOLING, HAS_LEVEL, LEVEL, N_STATE };

static int is_better(const struct plateau *h, const assay_when *when, const double *state)
{
    const double value = when->monitored, best = state[BEST];
    if (state[HAS_BEST] == 0) {
        return when->monitor_is_max ? value > -ASSAY_INF : value < ASSAY_INF;
    }
    if (h->threshold_mode == ABSOLUTE) {
        return when->monitor_is_max ? value > best + h->threshold : value < best - h->threshold;
    }
    return when->monitor_is_max ? value > best * (1 + h->threshold)
                                : value < best * (1 - h->threshold);
}

static void fall(const struct plateau *h, double *state)
{
    const double level = state[LEVEL] * h->factor;
    state[LEVEL] = level > h->min ? level : h->min;
    state[COOLING] = (double)h->cooldown;
    state[BAD] = 0;
}

static void check(const struct plateau *h, const assay_when *when, double *state)
{
    if (is_better(h, when, state)) {
        state[HAS_BEST] = 1;
        state[BEST] = when->monitored;
        state[BAD] = 0;
    } else {
        state[BAD] += 1;
    }
    if (state[COOLING] > 0) {
        state[COOLING] -= 1;
        state[BAD] = 0;
    }
    if (state[BAD] > (double)h->patience) {
        fall(h, state);
    }
}

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct plateau *h = hyper;
    (void)ctx;
    if (state[HAS_LEVEL] == 0) {
        state[HAS_LEVEL] = 1;
        state[LEVEL] = 1;
    }
    if ((double)when->n_checks > state[SEEN]) {
        state[SEEN] = (double)when->n_checks;
        check(h, when, state);
    }
    *out_factor = pace_warmup(&h->pace, when) * state[LEVEL];
    return ASSAY_OK;
}

ASSAY_SCHEDULE(plateau, "0.1.0", "falls when the monitored metric stops improving",
    ASSAY_HYPERS(plateau, hypers), .factor = factor, .n_state = N_STATE);
