/* Line plots of plain arrays: as SVG, and as one line of a terminal. */
#ifndef ASSAY_CORE_REPORT_CURVES_H
#define ASSAY_CORE_REPORT_CURVES_H

#include "base/text.h"
#include "report/svg.h"

typedef struct curve {
    const char *name; /* in the legend; NULL: not there */
    const double *x,
        *y; /* [n]; a pair that is not finite (or not positive on a log axis) leaves a gap */
    size_t n;
    svg_stroke stroke;
    bool is_background; /* may run out of the picture: the scale is made for the others */
} curve;

/* Something to point at. */
typedef struct mark {
    double x, y; /* a dot; with y NaN a vertical line */
    const char *label; /* may be NULL */
    svg_stroke stroke; /* of a dot */
} mark;

typedef struct axis {
    const char *label;
    bool is_log;
} axis;

typedef struct figure {
    const char *title, *description;
    axis x, y;
    const curve *curves;
    size_t n_curves;
    const mark *marks;
    size_t n_marks;
    const char *note; /* a line below the legend; may be NULL */
} figure;

/* Adds the figure to `out`. E_MISSING when no curve has a point that can be drawn; E_NOMEM. */
status figure_svg(const figure *f, text *out, error *err) MUST_CHECK;

/* Where an axis is labelled: at most `most` numbers within [low, high], low < high; returns how many. The steps are 1, 2 or 5
 * times a power of ten; on a log axis (low > 0) decades, or several a decade where it is short. */
enum { MOST_TICKS = 16 };
size_t axis_ticks(double low, double high, bool is_log, size_t most, double out[MOST_TICKS]);

/* `n` values as `width` (or n, if that is less) characters, lowest to highest; each shows the mean of those it stands for. A
 * stretch without a finite value is a blank. `utf8`: eighths of a block; otherwise _.-=*#. */
void sparkline(const double *y, size_t n, size_t width, bool utf8, text *out);

#endif
