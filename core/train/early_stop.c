/* Early stopping.
 *
 * patience: stop after so many checks without an improvement of strictly more than min_delta.
 * Prechelt (1998, "Early stopping - but when?"): GL_alpha stops when the generalisation loss passes alpha percent; PQ_alpha
 * at the end of a strip of k checks when GL / P_k passes alpha; UP_s when the value at the end of a strip has risen over that of
 * the strip before, s strips in a row. All are functions of the recorded curve, so a run's curve can be judged again by
 * another rule. For values where larger is better the curve is negated; GL and PQ, which are quotients, are refused there. */
#include "train/early_stop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void early_stop_init(early_stop *e, const struct early_stop_options *o, bool larger_is_better)
{
    *e = (early_stop){ .options = *o, .best = EARLY_STOP_NONE };
    e->larger_is_better = o->mode == MODE_AUTO ? larger_is_better : o->mode == MODE_MAX;
}

void early_stop_release(early_stop *e)
{
    free(e->curve);
    free(e->training);
    *e = (early_stop){ .best = EARLY_STOP_NONE };
}

double prechelt_gl(const double *validation, size_t n)
{
    double least = INFINITY;
    for (size_t i = 0; i < n; i++) {
        least = validation[i] < least ? validation[i] : least;
    }
    return n ? 100 * (validation[n - 1] / least - 1) : 0;
}

double prechelt_progress(const double *training, size_t n, size_t k)
{
    double sum = 0, least = INFINITY;
    if (n < k) {
        return INFINITY;
    }
    for (size_t i = n - k; i < n; i++) {
        sum += training[i];
        least = training[i] < least ? training[i] : least;
    }
    return 1000 * (sum / (double)k / least - 1);
}

static status remember(early_stop *e, double monitored, double training, error *err)
{
    if (e->n == e->capacity) {
        const size_t more = e->capacity ? 2 * e->capacity : 64;
        double *curve = realloc(e->curve, more * sizeof *curve);
        if (!curve) {
            return fail_nomem(err, "the early-stopping curve");
        }
        e->curve = curve;
        double *train = realloc(e->training, more * sizeof *train);
        if (!train) {
            return fail_nomem(err, "the early-stopping curve");
        }
        e->training = train;
        e->capacity = more;
    }
    e->curve[e->n] = monitored;
    e->training[e->n] = training;
    e->n++;
    return OK;
}

/* Whether `value` improves on the best by strictly more than min_delta; what is not finite never does. */
static bool improves(const early_stop *e, double monitored)
{
    if (!isfinite(monitored)) {
        return false;
    }
    if (e->best == EARLY_STOP_NONE) {
        return true;
    }
    const double best = e->curve[e->best];
    const double delta =
        e->options.relative ? e->options.min_delta * fabs(best) : e->options.min_delta;
    return e->larger_is_better ? monitored - best > delta : best - monitored > delta;
}

static bool reaches_target(const early_stop *e, double monitored)
{
    const double target = e->options.target;
    return isfinite(target) && (e->larger_is_better ? monitored >= target : monitored <= target);
}

/* UP: at each strip's end, how many strips in a row have risen. */
static bool strips_rise(early_stop *e)
{
    const size_t k = (size_t)e->options.strip;
    if (e->n % k != 0 || e->n < 2 * k) {
        return false;
    }
    const double now = e->curve[e->n - 1], before = e->curve[e->n - 1 - k];
    const bool worse = e->larger_is_better ? now < before : now > before;
    e->rising = worse ? e->rising + 1 : 0;
    return e->rising >= (size_t)e->options.strips;
}

static bool rule_stops(early_stop *e)
{
    const size_t k = (size_t)e->options.strip;
    switch (e->options.rule) {
    case RULE_GL: return prechelt_gl(e->curve, e->n) > e->options.alpha;
    case RULE_PQ:
        return e->n % k == 0 &&
            prechelt_gl(e->curve, e->n) / prechelt_progress(e->training, e->n, k) >
            e->options.alpha;
    case RULE_UP: return strips_rise(e);
    default: return e->since_best >= (size_t)e->options.patience;
    }
}

status early_stop_check(early_stop *e, double monitored, double training, bool *out_best,
    stop_reason *out_stop, error *err)
{
    *out_best = false;
    *out_stop = STOP_NONE;
    if (++e->calls % (size_t)e->options.every != 0) {
        return OK;
    }
    const bool best = improves(e, monitored);
    status st = remember(e, monitored, training, err);
    if (st != OK) {
        return st;
    }
    if (best) {
        e->best = e->n - 1;
        e->since_best = 0;
    } else {
        e->since_best++;
    }
    *out_best = best;
    if (isnan(monitored) && e->options.stop_on_nan) {
        *out_stop = STOP_DIVERGED;
    } else if (reaches_target(e, monitored)) {
        *out_stop = STOP_TARGET;
    } else if (rule_stops(e)) {
        *out_stop = STOP_EARLY;
    }
    return OK;
}
