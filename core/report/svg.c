/* SVG as text.
 *
 * Coordinates are written in hundredths of a pixel from integers, so that neither a locale nor a printf shows in the file. All
 * looks are in one style sheet with the light colours first: a viewer that knows no media queries shows those. Nothing is
 * fetched from anywhere: fonts are the viewer's own. */
#include "report/svg.h"

#include <math.h>
#include <string.h>

static const char sheet[] =
    "text{font-family:system-ui,-apple-system,'Segoe UI','DejaVu Sans',Helvetica,Arial,sans-serif;"
    "fill:#222}\n"
    ".page{fill:#fff}\n"
    ".title{font-size:16px;font-weight:600}\n"
    ".label{font-size:13px}\n"
    ".tick,.legend,.note{font-size:12px}\n"
    ".tick,.note{fill:#555}\n"
    ".note{stroke:#fff;stroke-width:4px;stroke-linejoin:round;paint-order:stroke}\n"
    ".axis{stroke:#555;stroke-width:1;fill:none}\n"
    ".grid{stroke:#e4e4e4;stroke-width:1}\n"
    ".mark{stroke:#777;stroke-width:1;stroke-dasharray:2 3}\n"
    ".c{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\n"
    ".faint{stroke-width:1.1;stroke-opacity:.5}\n"
    ".dot{stroke:#fff;stroke-width:1.5}\n"
    ".c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#cc79a7}"
    ".c4{stroke:#e69f00}.c5{stroke:#56b4e9}.c6{stroke:#222}\n"
    ".f0{fill:#0072b2}.f1{fill:#d55e00}.f2{fill:#009e73}.f3{fill:#cc79a7}"
    ".f4{fill:#e69f00}.f5{fill:#56b4e9}.f6{fill:#222}\n"
    ".d1{stroke-dasharray:9 5}.d2{stroke-dasharray:2 5}.d3{stroke-dasharray:9 5 2 5}"
    ".d4{stroke-dasharray:16 5}.d5{stroke-dasharray:5 5}\n"
    "@media (prefers-color-scheme:dark){\n"
    "text{fill:#e8e8e8}.page{fill:#16181c}.tick,.note{fill:#a8adb5}.note{stroke:#16181c}\n"
    ".axis{stroke:#a8adb5}.grid{stroke:#2e3238}.mark{stroke:#8a8f98}.dot{stroke:#16181c}\n"
    ".c0{stroke:#3d9bd9}.f0{fill:#3d9bd9}.c6{stroke:#e8e8e8}.f6{fill:#e8e8e8}\n"
    "}\n";

static void add_number(text *t, double v)
{
    const double limit = 1e7;
    const long long hundredths = llround((v > limit ? limit : v > -limit ? v : -limit) * 100);
    const long long size = hundredths < 0 ? -hundredths : hundredths;
    text_printf(t, "%s%lld", hundredths < 0 ? "-" : "", size / 100);
    if (size % 100)
        text_printf(t, size % 10 ? ".%02lld" : ".%lld", size % 10 ? size % 100 : size % 100 / 10);
}

static void add_attribute(text *t, const char *name, double v)
{
    text_printf(t, " %s=\"", name);
    add_number(t, v);
    text_add(t, "\"");
}

/* Bytes of one well-formed UTF-8 character that XML 1.0 permits, at s; 0 when there is none. */
static size_t character_bytes(const unsigned char *s)
{
    const unsigned c = s[0];
    const size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : 4;
    if (c < 0x20) return c == '\t' || c == '\n' ? 1 : 0;
    if (c >= 0x80 && (c < 0xc2 || c > 0xf4)) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
    }
    const bool too_long = (c == 0xe0 && s[1] < 0xa0) || (c == 0xf0 && s[1] < 0x90);
    const bool no_character = (c == 0xed && s[1] >= 0xa0) || (c == 0xf4 && s[1] >= 0x90) ||
        (c == 0xef && s[1] == 0xbf && s[2] >= 0xbe);
    return too_long || no_character ? 0 : n;
}

/* Text as XML: names of files may hold anything. */
static void add_escaped(text *t, const char *s)
{
    while (*s) {
        const size_t n = character_bytes((const unsigned char *)s);
        switch (*s) {
        case '<': text_add(t, "&lt;"); break;
        case '>': text_add(t, "&gt;"); break;
        case '&': text_add(t, "&amp;"); break;
        case '"': text_add(t, "&quot;"); break;
        default:
            if (n)
                text_add_bytes(t, s, n);
            else
                text_add(t, "?");
        }
        s += n ? n : 1;
    }
}

void svg_begin(text *t, double width, double height, const char *title, const char *description)
{
    text_add(
        t, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"");
    add_attribute(t, "width", width);
    add_attribute(t, "height", height);
    text_add(t, " viewBox=\"0 0 ");
    add_number(t, width);
    text_add(t, " ");
    add_number(t, height);
    text_add(t, "\" role=\"img\" aria-labelledby=\"title description\">\n<title id=\"title\">");
    add_escaped(t, title);
    text_add(t, "</title>\n<desc id=\"description\">");
    add_escaped(t, description);
    text_printf(t, "</desc>\n<style>\n%s</style>\n", sheet);
    svg_rect(t, "page", 0, 0, width, height);
}

void svg_end(text *t)
{
    text_add(t, "</svg>\n");
}

static void add_line(text *t, double x0, double y0, double x1, double y1)
{
    add_attribute(t, "x1", x0);
    add_attribute(t, "y1", y0);
    add_attribute(t, "x2", x1);
    add_attribute(t, "y2", y1);
    text_add(t, "/>\n");
}

void svg_line(text *t, const char *class, double x0, double y0, double x1, double y1)
{
    text_printf(t, "<line class=\"%s\"", class);
    add_line(t, x0, y0, x1, y1);
}

static void add_rect(text *t, double x, double y, double width, double height)
{
    add_attribute(t, "x", x);
    add_attribute(t, "y", y);
    add_attribute(t, "width", width);
    add_attribute(t, "height", height);
    text_add(t, "/>");
}

void svg_rect(text *t, const char *class, double x, double y, double width, double height)
{
    text_printf(t, "<rect class=\"%s\"", class);
    add_rect(t, x, y, width, height);
    text_add(t, "\n");
}

void svg_text(text *t, const char *class, svg_anchor anchor, double x, double y, const char *s)
{
    static const char *const anchors[] = { "start", "middle", "end" };
    text_printf(t, "<text class=\"%s\" text-anchor=\"%s\"", class, anchors[anchor]);
    add_attribute(t, "x", x);
    add_attribute(t, "y", y);
    text_add(t, ">");
    add_escaped(t, s);
    text_add(t, "</text>\n");
}

void svg_text_upwards(text *t, const char *class, double x, double y, const char *s)
{
    text_printf(t, "<text class=\"%s\" text-anchor=\"middle\" transform=\"translate(", class);
    add_number(t, x);
    text_add(t, " ");
    add_number(t, y);
    text_add(t, ") rotate(-90)\">");
    add_escaped(t, s);
    text_add(t, "</text>\n");
}

void svg_clip_begin(text *t, double x, double y, double width, double height)
{
    text_add(t, "<clipPath id=\"plot\"><rect");
    add_rect(t, x, y, width, height);
    text_add(t, "</clipPath>\n<g clip-path=\"url(#plot)\">\n");
}

void svg_clip_end(text *t)
{
    text_add(t, "</g>\n");
}

static void add_stroke(text *t, svg_stroke s)
{
    text_printf(t, " class=\"c c%zu d%zu%s\"", s.colour % SVG_COLOURS, s.dash % SVG_DASHES,
        s.is_faint ? " faint" : "");
}

void svg_series_line(text *t, svg_stroke s, double x0, double y0, double x1, double y1)
{
    text_add(t, "<line");
    add_stroke(t, s);
    add_line(t, x0, y0, x1, y1);
}

void svg_dot(text *t, svg_stroke s, double x, double y)
{
    text_printf(t, "<circle class=\"dot f%zu\"", s.colour % SVG_COLOURS);
    add_attribute(t, "cx", x);
    add_attribute(t, "cy", y);
    text_add(t, " r=\"5\"/>\n");
}

svg_path svg_path_begin(text *t, svg_stroke s)
{
    text_add(t, "<path");
    add_stroke(t, s);
    text_add(t, " d=\"");
    return (svg_path){ .out = t };
}

void svg_path_point(svg_path *p, double x, double y)
{
    text_add(p->out, p->n_in_piece ? "L" : "M");
    add_number(p->out, x);
    text_add(p->out, " ");
    add_number(p->out, y);
    p->n_in_piece++;
    p->x = x;
    p->y = y;
}

void svg_path_break(svg_path *p)
{
    if (p->n_in_piece == 1) svg_path_point(p, p->x, p->y); /* round caps make it a dot */
    p->n_in_piece = 0;
}

void svg_path_end(svg_path *p)
{
    svg_path_break(p);
    text_add(p->out, "\"/>\n");
}
