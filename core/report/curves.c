/* Line plots as SVG.
 *
 * From top to bottom: title, plot, numbers and name of the x axis, legend in columns, note. The legend stands below so that
 * names of any length and number take nothing from the plot; the labels of vertical marks have a band of their own above the
 * curves, a row each, so that they touch neither each other nor the curves. */
#include "report/curves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double page_width = 860, plot_left = 78, plot_right = 836, plot_top = 46,
                    plot_height = 380, legend_row = 22, mark_row = 18, em = 7.3, sample = 34;
static const double near_zero = 0.2; /* an axis of steps that begins here begins at 0 */
enum { X_TICKS = 10, Y_TICKS = 8, LONGEST_NAME = 96 };

/* From numbers to pixels. */
typedef struct scale {
    double low, high, from, to;
    bool is_log;
} scale;

typedef struct plot {
    const figure *of;
    text *out;
    scale x, y;
    double bottom;
    size_t n_columns, n_rows; /* of the legend */
} plot;

static double at(const scale *s, double v)
{
    const double place =
        s->is_log ? log(v / s->low) / log(s->high / s->low) : (v - s->low) / (s->high - s->low);
    return s->from + place * (s->to - s->from);
}

static bool can_show(const scale *s, double v)
{
    return isfinite(v) && (!s->is_log || v > 0);
}

static void widen(scale *s, double v)
{
    s->low = v < s->low ? v : s->low;
    s->high = v > s->high ? v : s->high;
}

/* The range of what is drawn; background curves count where nothing else does. */
static bool find_range(plot *p, bool with_background)
{
    const figure *f = p->of;
    for (size_t i = 0; i < f->n_curves; i++) {
        const curve *c = &f->curves[i];
        for (size_t k = 0; k < c->n && (!c->is_background || with_background); k++) {
            if (can_show(&p->x, c->x[k]) && can_show(&p->y, c->y[k])) {
                widen(&p->x, c->x[k]);
                widen(&p->y, c->y[k]);
            }
        }
    }
    for (size_t i = 0; i < f->n_marks && p->x.low <= p->x.high; i++) {
        if (can_show(&p->x, f->marks[i].x)) widen(&p->x, f->marks[i].x);
        if (can_show(&p->y, f->marks[i].y)) widen(&p->y, f->marks[i].y);
    }
    return p->x.low <= p->x.high;
}

/* Air at both ends; a range of nothing gets some. */
static void add_air(scale *s, double share)
{
    if (s->is_log) {
        const double factor = s->high > s->low ? pow(s->high / s->low, share) : 2;
        s->low /= factor;
        s->high *= factor;
        return;
    }
    const double size = fmax(fabs(s->low), fabs(s->high));
    const double air = s->high - s->low > size * 1e-12 ? share * (s->high - s->low)
        : size > 0                                     ? size / 2
                                                       : 1;
    s->low -= air;
    s->high += air;
}

static size_t name_columns(const char *name)
{
    size_t n = 0;
    for (; *name; name++) {
        n += ((unsigned char)*name & 0xc0) != 0x80;
    }
    return n < LONGEST_NAME ? n : LONGEST_NAME;
}

static void plan_legend(plot *p)
{
    size_t longest = 0, n = 0;
    for (size_t i = 0; i < p->of->n_curves; i++) {
        const char *name = p->of->curves[i].name;
        if (!name) continue;
        const size_t columns = name_columns(name);
        longest = columns > longest ? columns : longest;
        n++;
    }
    const double width = sample + 26 + em * (double)longest;
    const size_t fit = (size_t)((plot_right - plot_left) / width);
    p->n_columns = fit < 1 ? 1 : fit > 4 ? 4 : fit;
    p->n_rows = (n + p->n_columns - 1) / p->n_columns;
}

static bool is_vertical(const mark *m)
{
    return !isfinite(m->y);
}

static status plan(plot *p, error *err)
{
    const figure *f = p->of;
    size_t n_labels = 0;
    p->x = (scale){ .low = INFINITY, .high = -INFINITY, .is_log = f->x.is_log };
    p->y = (scale){ .low = INFINITY, .high = -INFINITY, .is_log = f->y.is_log };
    if (!find_range(p, false) && !find_range(p, true)) {
        return fail(err, E_MISSING, "%s: there is no number to draw", f->title);
    }
    for (size_t i = 0; i < f->n_marks; i++) {
        n_labels += f->marks[i].label && is_vertical(&f->marks[i]);
    }
    if (!p->x.is_log && p->x.low > 0 && p->x.low < near_zero * p->x.high) p->x.low = 0;
    if (!(p->x.high > p->x.low)) add_air(&p->x, 0);
    add_air(&p->y, 0.05);
    p->bottom = plot_top + plot_height;
    p->x.from = plot_left;
    p->x.to = plot_right;
    p->y.from = p->bottom;
    p->y.to = plot_top + mark_row * (double)n_labels;
    plan_legend(p);
    return OK;
}

/* 0.02, 250, 1e-7, 2.5e6. */
static void tick_text(double v, char out[32])
{
    const double size = fabs(v);
    if (size == 0 || (size >= 1e-3 && size < 1e6)) {
        snprintf(out, 32, "%.6g", v);
        return;
    }
    const int exponent = (int)floor(log10(size) + 1e-9);
    snprintf(out, 32, "%.4ge%d", v / pow(10, exponent), exponent);
}

static void draw_axes(const plot *p)
{
    double tick[MOST_TICKS];
    char label[32];
    text *t = p->out;
    size_t n = axis_ticks(p->x.low, p->x.high, p->x.is_log, X_TICKS, tick);
    for (size_t i = 0; i < n; i++) {
        const double x = at(&p->x, tick[i]);
        tick_text(tick[i], label);
        svg_line(t, "grid", x, plot_top, x, p->bottom);
        svg_line(t, "axis", x, p->bottom, x, p->bottom + 5);
        svg_text(t, "tick", SVG_MIDDLE, x, p->bottom + 20, label);
    }
    n = axis_ticks(p->y.low, p->y.high, p->y.is_log, Y_TICKS, tick);
    for (size_t i = 0; i < n; i++) {
        const double y = at(&p->y, tick[i]);
        tick_text(tick[i], label);
        svg_line(t, "grid", plot_left, y, plot_right, y);
        svg_line(t, "axis", plot_left - 5, y, plot_left, y);
        svg_text(t, "tick", SVG_END, plot_left - 9, y + 4, label);
    }
    svg_line(t, "axis", plot_left, plot_top, plot_left, p->bottom);
    svg_line(t, "axis", plot_left, p->bottom, plot_right, p->bottom);
    svg_text(t, "label", SVG_MIDDLE, (plot_left + plot_right) / 2, p->bottom + 42, p->of->x.label);
    svg_text_upwards(t, "label", 20, plot_top + plot_height / 2, p->of->y.label);
}

static void draw_curve(const plot *p, const curve *c)
{
    svg_path path = svg_path_begin(p->out, c->stroke);
    for (size_t i = 0; i < c->n; i++) {
        if (can_show(&p->x, c->x[i]) && can_show(&p->y, c->y[i])) {
            svg_path_point(&path, at(&p->x, c->x[i]), at(&p->y, c->y[i]));
        } else {
            svg_path_break(&path);
        }
    }
    svg_path_end(&path);
}

static bool can_mark(const plot *p, const mark *m)
{
    return can_show(&p->x, m->x) && (is_vertical(m) || can_show(&p->y, m->y));
}

/* Whether a label stands to the left of its place: where there is more room. */
static bool is_leftward(const plot *p, const mark *m)
{
    return at(&p->x, m->x) > plot_left + 0.6 * (plot_right - plot_left);
}

/* The row of a vertical mark's label, from above. Labels grow away from the lines of those above them: first those that
 * stand to the right, from left to right, then those that stand to the left, from right to left. */
static size_t row_of(const plot *p, size_t i)
{
    const mark *mine = &p->of->marks[i];
    const bool is_left = is_leftward(p, mine);
    size_t row = 0;
    for (size_t k = 0; k < p->of->n_marks; k++) {
        const mark *m = &p->of->marks[k];
        if (k == i || !m->label || !is_vertical(m) || !can_mark(p, m)) continue;
        const bool same_side = is_leftward(p, m) == is_left;
        const bool is_outer = is_left ? m->x > mine->x : m->x < mine->x;
        row += same_side ? is_outer || (m->x == mine->x && k < i) : is_left;
    }
    return row;
}

/* Lines and dots first: labels have a rim in the colour of the page, which keeps them readable above lines. */
static void draw_marks(const plot *p)
{
    const figure *f = p->of;
    for (size_t i = 0; i < f->n_marks; i++) {
        const mark *m = &f->marks[i];
        if (!can_mark(p, m)) continue;
        const double x = at(&p->x, m->x);
        if (is_vertical(m)) {
            const double top = m->label ? plot_top + mark_row * (double)row_of(p, i) : p->y.to;
            svg_line(p->out, "mark", x, top + 2, x, p->bottom);
        } else {
            svg_dot(p->out, m->stroke, x, at(&p->y, m->y));
        }
    }
    for (size_t i = 0; i < f->n_marks; i++) {
        const mark *m = &f->marks[i];
        if (!can_mark(p, m) || !m->label) continue;
        const bool is_left = is_leftward(p, m);
        const double y =
            is_vertical(m) ? plot_top + mark_row * (double)row_of(p, i) + 13 : at(&p->y, m->y) - 9;
        svg_text(p->out, "note", is_left ? SVG_END : SVG_START,
            at(&p->x, m->x) + (is_left ? -8 : 8), y, m->label);
    }
}

/* The end of a long name tells more than its beginning. */
static void short_name(const char *name, char out[LONGEST_NAME * 4 + 8])
{
    size_t n = 0;
    for (const char *c = name; *c; c++) {
        n += ((unsigned char)*c & 0xc0) != 0x80;
    }
    const bool is_cut = n > LONGEST_NAME;
    for (; n >= LONGEST_NAME && is_cut && *name; name++) {
        n -= ((unsigned char)name[1] & 0xc0) != 0x80;
    }
    snprintf(out, LONGEST_NAME * 4 + 8, "%s%s", is_cut ? "…" : "", name);
}

static void draw_legend(const plot *p)
{
    char name[LONGEST_NAME * 4 + 8];
    const double top = p->bottom + 68, width = (plot_right - plot_left) / (double)p->n_columns;
    size_t n = 0;
    for (size_t i = 0; i < p->of->n_curves; i++) {
        const curve *c = &p->of->curves[i];
        if (!c->name) continue;
        const double x = plot_left + width * (double)(n % p->n_columns);
        const double y = top + legend_row * (double)(n / p->n_columns);
        svg_series_line(p->out, c->stroke, x, y, x + sample, y);
        short_name(c->name, name);
        svg_text(p->out, "legend", SVG_START, x + sample + 8, y + 4, name);
        n++;
    }
    if (p->of->note) {
        const double y = top + legend_row * (double)p->n_rows + 4;
        svg_text(p->out, "note", SVG_START, plot_left, y, p->of->note);
    }
}

status figure_svg(const figure *f, text *out, error *err)
{
    plot p = { .of = f, .out = out };
    status st = plan(&p, err);
    if (st != OK) {
        return st;
    }
    const size_t n_lines = p.n_rows + (f->note != NULL);
    svg_begin(
        out, page_width, p.bottom + 60 + legend_row * (double)n_lines, f->title, f->description);
    svg_text(out, "title", SVG_START, plot_left, 28, f->title);
    draw_axes(&p);
    svg_clip_begin(out, plot_left, p.y.to - 3, plot_right - plot_left + 6, p.bottom - p.y.to + 6);
    for (size_t i = 0; i < f->n_curves; i++) {
        if (f->curves[i].is_background) draw_curve(&p, &f->curves[i]);
    }
    for (size_t i = 0; i < f->n_curves; i++) {
        if (!f->curves[i].is_background) draw_curve(&p, &f->curves[i]);
    }
    svg_clip_end(out);
    draw_marks(&p);
    draw_legend(&p);
    svg_end(out);
    return text_check(out, err);
}
