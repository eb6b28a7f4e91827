/* The one-cycle schedule: up from 1 / div to 1, then down to 1 / (div final_div), in the length of the run.
 *
 *   up while x <= p, p = pct_start n - 1, done = x / p;  then down, done = (x - p) / (n - 1 - p)
 *   factor = from + (to - from) done (linear), or to + (from - to) (1 + cos(pi done)) / 2 (cos)
 *
 * Smith 2018, "A disciplined approach to neural network hyper-parameters: part 1", section 4, in the two phases of
 * torch.optim.lr_scheduler.OneCycleLR, after fastai. The optimizer's own learning rate is the *largest*, max_lr. n is `over`,
 * or the whole run; the last unit, n - 1, has the smallest factor, and so have all after it.
 *
 * The momentum, which goes the other way, is a second block: { type = "one_cycle"; target = "momentum"; inverse = true; }
 * falls from 1 to `low` while the rate rises and is back at 1 at the end; the optimizer's own momentum is the largest.
 * For Adam the target is beta1.
 *
 * x and n count from the end of a warm-up, of which there is rarely need, see shared/warmup.h. three_phase is not there.
 *
 * Defaults: torch 1.13's; low is its 0.85 as a share of its 0.95. */
#include "shared/warmup.h"

#include <math.h>

struct one_cycle {
    struct pace pace;
    int64_t over, anneal, inverse;
    double pct_start, div, final_div, low;
};

enum { COS, LINEAR };

static const char *const shapes[] = { [COS] = "cos", [LINEAR] = "linear" };

static const double pi = 3.14159265358979323846;

static const assay_hyper hypers[] = {
    ASSAY_REAL(one_cycle, pct_start, 0.3, 0, 1, "share of the time that the way up takes"),
    ASSAY_REAL(one_cycle, div, 25, 1, ASSAY_INF, "1 / div is the factor at the start"),
    ASSAY_REAL(one_cycle, final_div, 1e4, 1, ASSAY_INF,
        "how many times smaller the factor is at the end than at the start"),
    ASSAY_ENUM(one_cycle, anneal, COS, shapes, "half a cosine, or a straight line"),
    ASSAY_BOOL(one_cycle, inverse, 0, "from 1 down to low and back: for a momentum"),
    ASSAY_REAL(one_cycle, low, 0.85 / 0.95, 0, 1, "the smallest factor of the inverse shape"),
    PACE_OVER(one_cycle),
    PACE_HYPERS(one_cycle, PACE_STEP),
};

static double between(const struct one_cycle *h, double from, double to, double done)
{
    return h->anneal == LINEAR ? from + (to - from) * done
                               : to + (from - to) * (1 + cos(pi * done)) / 2;
}

/* After x of n units. A first phase that is over before it begins is left out. */
static double shape(const struct one_cycle *h, double x, double n)
{
    const double peak = h->pct_start * n - 1, last = n - 1;
    const double start = h->inverse ? 1 : 1 / h->div;
    const double top = h->inverse ? h->low : 1;
    const double end = h->inverse ? 1 : 1 / (h->div * h->final_div);
    if (peak > 0 && x <= peak) {
        return between(h, start, top, x / peak);
    }
    return x < last ? between(h, top, end, (x - peak) / (last - peak)) : (peak < last ? end : top);
}

static int factor(
    assay_ctx *ctx, const void *hyper, const assay_when *when, double *state, double *out_factor)
{
    const struct one_cycle *h = hyper;
    double n = 0;
    const int code = pace_units_left(ctx, &h->pace, when, h->over, &n);
    (void)state;
    if (code != ASSAY_OK) {
        return code;
    }
    *out_factor = pace_warmup(&h->pace, when) * shape(h, pace_time(&h->pace, when), n);
    return ASSAY_OK;
}

ASSAY_SCHEDULE(one_cycle, "0.1.0", "up to the full rate and far down again, once in a run",
    ASSAY_HYPERS(one_cycle, hypers), .factor = factor, .horizon = 1);
