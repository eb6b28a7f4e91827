/* A step length that satisfies the strong Wolfe conditions, along a line of which value and slope can be asked for.
 *
 *   f(t) <= f(0) + c1 t f'(0)   and   |f'(t)| <= c2 |f'(0)|
 *
 * Nocedal and Wright 2006, "Numerical optimization", algorithms 3.5 (an interval that holds such a point) and 3.6 (its
 * narrowing), trial points by the cubic of equation 3.59. What they leave open is chosen as in Schmidt's minFunc and
 * torch.optim.LBFGS: growing goes on by at least a hundredth of the last stretch, and to 10 times the last point at most; a
 * trial point that comes near an end of the interval a second time moves a tenth of its length inwards. A value that is not
 * finite counts as too high, and the interval is halved. */
#ifndef ASSAY_PLUGINS_OPTIMIZER_SHARED_LINE_SEARCH_H
#define ASSAY_PLUGINS_OPTIMIZER_SHARED_LINE_SEARCH_H

#include <math.h>
#include <stdint.h>

typedef struct line_point {
    double t, f, slope;
} line_point;

typedef struct line_search {
    void *self;
    int (*evaluate)(void *self, double t, double *out_f, double *out_slope); /* a code; 0: fine */
    void (*keep)(void *self); /* the point evaluated last is the best so far */
    double c1, c2;
    double least; /* length of an interval that is not narrowed any more */
    uint64_t max_evaluations, n_evaluations;
    line_point start, best,
        other; /* best: the lowest of those worth keeping; with `other` the interval */
} line_search;

static inline int line_evaluate(line_search *l, double t, line_point *out)
{
    *out = (line_point){ .t = t };
    l->n_evaluations++;
    const int code = l->evaluate(l->self, t, &out->f, &out->slope);
    if (!isfinite(out->f) || !isfinite(out->slope)) {
        out->f = HUGE_VAL;
    }
    return code;
}

static inline int line_is_high(const line_search *l, const line_point *p)
{
    return !(p->f <= l->start.f + l->c1 * p->t * l->start.slope);
}

static inline int line_is_flat(const line_search *l, const line_point *p)
{
    return fabs(p->slope) <= -l->c2 * l->start.slope;
}

static inline void line_keep(line_search *l, const line_point *p)
{
    l->best = *p;
    l->keep(l->self);
}

/* Where the cubic through two values and slopes is lowest, within [low, high]; the middle where there is none (then t is NaN) or
 * they are not finite. */
static inline double line_cubic(const line_point *a, const line_point *b, double low, double high)
{
    const double d1 = a->slope + b->slope - 3 * (a->f - b->f) / (a->t - b->t);
    const double d2 = copysign(sqrt(d1 * d1 - a->slope * b->slope), b->t - a->t);
    const double t = b->t - (b->t - a->t) * ((b->slope + d2 - d1) / (b->slope - a->slope + 2 * d2));
    return isfinite(t) ? fmin(fmax(t, low), high) : (low + high) / 2;
}

/* Algorithm 3.5: 1 in *out_done when a point is found, else best and other are an interval (or evaluations have run out). */
static inline int line_grow(line_search *l, double t, int *out_done)
{
    line_point now;
    int code = line_evaluate(l, t, &now);
    for (int is_first = 1; code == 0; is_first = 0) {
        const int is_high = line_is_high(l, &now) || (!is_first && now.f >= l->best.f);
        *out_done = !is_high && line_is_flat(l, &now);
        if (is_high && l->best.f <= now.f) {
            l->other = now;
            return code;
        }
        l->other = l->best;
        line_keep(l, &now);
        if (is_high || *out_done || now.slope >= 0 || l->n_evaluations >= l->max_evaluations) {
            return code;
        }
        t = line_cubic(&l->other, &now, now.t + 0.01 * (now.t - l->other.t), 10 * now.t);
        code = line_evaluate(l, t, &now);
    }
    return code;
}

/* A trial point inside of the interval. */
static inline double line_trial(const line_search *l, int *was_near)
{
    const double low = fmin(l->best.t, l->other.t), high = fmax(l->best.t, l->other.t);
    const double tenth = 0.1 * (high - low), t = line_cubic(&l->best, &l->other, low, high);
    if (fmin(high - t, t - low) >= tenth) {
        *was_near = 0;
        return t;
    }
    if (!*was_near && t < high && t > low) {
        *was_near = 1;
        return t;
    }
    *was_near = 0;
    return high - t < t - low ? high - tenth : low + tenth;
}

/* Algorithm 3.6. */
static inline int line_narrow(line_search *l)
{
    int code = 0, done = 0, was_near = 0;
    while (
        !done && l->n_evaluations < l->max_evaluations && fabs(l->other.t - l->best.t) > l->least) {
        line_point now;
        code = line_evaluate(l, line_trial(l, &was_near), &now);
        if (code != 0) {
            return code;
        }
        const int is_high = line_is_high(l, &now);
        if (now.f >= l->best.f) {
            l->other = now;
            continue;
        }
        done = !is_high && line_is_flat(l, &now);
        if (is_high || now.slope * (l->other.t - l->best.t) >= 0) {
            l->other = l->best;
        }
        line_keep(l, &now);
    }
    return code;
}

/* From the first step t on, with `start` set; the result is `best`, whose t is 0 where nothing lower was found. */
static inline int line_search_run(line_search *l, double t)
{
    int done = 0;
    l->n_evaluations = 0;
    l->best = l->other = l->start;
    const int code = line_grow(l, t, &done);
    return code == 0 && !done ? line_narrow(l) : code;
}

#endif
