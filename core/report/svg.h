/* A small SVG writer: well-formed XML, the same text for the same calls, colours for light and dark screens. */
#ifndef ASSAY_CORE_REPORT_SVG_H
#define ASSAY_CORE_REPORT_SVG_H

#include "base/text.h"

/* Lines that tell series apart: a colour each (Okabe and Ito 2008), and a dash pattern each for those who see none. Both
 * repeat with different periods. */
enum { SVG_COLOURS = 7, SVG_DASHES = 6 };

typedef enum svg_anchor { SVG_START, SVG_MIDDLE, SVG_END } svg_anchor;

/* An image of that size in pixels. `title` and `description` are what a screen reader says. */
void svg_begin(text *t, double width, double height, const char *title, const char *description);
void svg_end(text *t);

/* `class` is one of svg.c's style sheet: "axis", "grid", "mark", "label", "tick", "title", ... */
void svg_line(text *t, const char *class, double x0, double y0, double x1, double y1);
void svg_rect(text *t, const char *class, double x, double y, double width, double height);
void svg_text(text *t, const char *class, svg_anchor anchor, double x, double y, const char *s);

/* The same, read upwards. */
void svg_text_upwards(text *t, const char *class, double x, double y, const char *s);

/* What follows up to svg_clip_end is seen within the rectangle alone. */
void svg_clip_begin(text *t, double x, double y, double width, double height);
void svg_clip_end(text *t);

/* How a series is drawn. `is_faint`: thin and pale, behind what matters. */
typedef struct svg_stroke {
    size_t colour, dash;
    bool is_faint;
} svg_stroke;

void svg_series_line(text *t, svg_stroke s, double x0, double y0, double x1, double y1);
void svg_dot(text *t, svg_stroke s, double x, double y);

/* A path in pieces: begin, points, end. A break starts a new piece; a piece of one point is seen as a dot. */
typedef struct svg_path {
    text *out;
    size_t n_in_piece;
    double x, y; /* of the last point */
} svg_path;

svg_path svg_path_begin(text *t, svg_stroke s);
void svg_path_point(svg_path *p, double x, double y);
void svg_path_break(svg_path *p);
void svg_path_end(svg_path *p);

#endif
