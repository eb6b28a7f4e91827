/* The unit cube of a space: each dimension as a coordinate in [0, 1] in which equal lengths are equal shares.
 *
 *   REAL       the range, or its logarithm; with a step cells of equal width
 *   INT        cells of equal width; on a logarithmic scale cells that reach half a step to both sides, so that the ends
 *              get their share, too
 *   CATEGORY   cells of equal width
 *
 * codec_value takes a coordinate to a value, codec_unit a value to the middle of its cell, and codec_value(codec_unit(x)) is x. A point
 * has NaN where it is inactive; as a coordinate that is 1/2. */
#ifndef ASSAY_PLUGINS_SEARCH_SHARED_CODEC_H
#define ASSAY_PLUGINS_SEARCH_SHARED_CODEC_H

#include <assay/plugin.h>

#include <math.h>

/* How many values a dimension has; 0: a continuum. */
static inline double codec_levels(const assay_dimension *d)
{
    if (d->type == ASSAY_SPACE_CATEGORY) return (double)d->n_choices;
    if (d->low == d->high) return 1;
    if (d->type == ASSAY_SPACE_REAL && !(d->step > 0)) return 0;
    const double step = d->step > 0 ? d->step : 1;
    return floor((d->high - d->low) / step * (1 + 1e-12) + 1e-9) + 1;
}

static inline double codec_step(const assay_dimension *d)
{
    return d->type != ASSAY_SPACE_CATEGORY && d->step > 0 ? d->step : 1;
}

/* Level k, of a dimension that has levels. */
static inline double codec_level(const assay_dimension *d, double k)
{
    return d->type == ASSAY_SPACE_CATEGORY ? k : fmin(d->low + k * codec_step(d), d->high);
}

static inline double codec_clip(double v, double low, double high)
{
    return fmin(fmax(v, low), high);
}

/* The ends of what is cut into cells: of levels on a logarithmic scale half a step beyond the first and the last. */
static inline void codec_log_ends(
    const assay_dimension *d, double levels, double *low, double *high)
{
    const double half = levels > 0 ? codec_step(d) / 2 : 0;
    *low = log(fmax(d->low - half, d->low / 2));
    *high = log(levels > 0 ? codec_level(d, levels - 1) + half : d->high);
}

/* The value at coordinate u, which is clipped to [0, 1]. Never outside of the dimension. */
static inline double codec_value(const assay_dimension *d, double u)
{
    const double at = codec_clip(u, 0, 1), levels = codec_levels(d);
    double low, high;
    if (levels == 1) return d->type == ASSAY_SPACE_CATEGORY ? 0 : d->low;
    if (levels == 0 && (at == 0 || at == 1)) return at == 0 ? d->low : d->high; /* to the bit */
    if (d->log) {
        codec_log_ends(d, levels, &low, &high);
        const double v = exp(low + at * (high - low));
        if (!(levels > 0)) return codec_clip(v, d->low, d->high);
        return codec_level(d, codec_clip(round((v - d->low) / codec_step(d)), 0, levels - 1));
    }
    if (levels > 0) return codec_level(d, fmin(floor(at * levels), levels - 1));
    return codec_clip(d->low + at * (d->high - d->low), d->low, d->high);
}

/* The coordinate of a value: of a level the middle of its cell (on a logarithmic scale its own place). NaN gives 1/2. */
static inline double codec_unit(const assay_dimension *d, double x)
{
    const double levels = codec_levels(d);
    double low, high;
    if (isnan(x) || levels == 1) return 0.5;
    if (d->log) {
        codec_log_ends(d, levels, &low, &high);
        return codec_clip((log(x) - low) / (high - low), 0, 1);
    }
    if (d->type == ASSAY_SPACE_CATEGORY) return codec_clip((x + 0.5) / levels, 0, 1);
    if (levels > 0) {
        return codec_clip((round((x - d->low) / codec_step(d)) + 0.5) / levels, 0, 1);
    }
    return codec_clip((x - d->low) / (d->high - d->low), 0, 1);
}

/* Whether dimension i has a meaning in x, of which x[0..i) counts. */
static inline int codec_is_active(const assay_search_plan *plan, const double *x, uint64_t i)
{
    const assay_dimension *d = assay_dimension_at(plan, i);
    if (d->parent == ASSAY_NO_PARENT) return 1;
    const double choice = x[d->parent]; /* NaN where the parent itself is inactive */
    return choice >= 0 && choice < 64 && (d->parent_choices >> (uint64_t)choice & 1);
}

/* The point of coordinates u[n_dimensions]; x and u may be the same memory. */
static inline void codec_point(const assay_search_plan *plan, const double *u, double *x)
{
    for (uint64_t i = 0; i < plan->n_dimensions; i++) {
        x[i] = codec_is_active(plan, x, i) ? codec_value(assay_dimension_at(plan, i), u[i])
                                           : (double)NAN;
    }
}

/* The coordinates of a point; x and u may be the same memory. */
static inline void codec_units(const assay_search_plan *plan, const double *x, double *u)
{
    for (uint64_t i = 0; i < plan->n_dimensions; i++) {
        u[i] = codec_unit(assay_dimension_at(plan, i), x[i]);
    }
}

#endif
