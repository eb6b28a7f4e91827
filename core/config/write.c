/* Values as text in libconfig's grammar, such that they read back equal.
 *
 * libconfig's own writer gives a real 15 digits and puts every setting on a line. Here reals are as
 * short as reads back to the same bits, integers beyond 32 bits carry the L that 1.5 wants, and what
 * fits a line stays on it. Infinities and nan, for which there is no number, are strings. */
#include "config/internal.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LINE_COLUMNS = 100, INDENT = 4 };

void text_add_quoted(text *t, const char *s)
{
    text_add(t, "\"");
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        switch (c) {
        case '"': text_add(t, "\\\""); break;
        case '\\': text_add(t, "\\\\"); break;
        case '\n': text_add(t, "\\n"); break;
        case '\r': text_add(t, "\\r"); break;
        case '\t': text_add(t, "\\t"); break;
        case '\f': text_add(t, "\\f"); break;
        default:
            if (c < 0x20 || c == 0x7F) {
                text_printf(t, "\\x%02X", c);
            } else {
                text_add_bytes(t, s, 1);
            }
        }
    }
    text_add(t, "\"");
}

static void write_real(double v, text *out)
{
    if (!isfinite(v)) text_add(out, "\"");
    text_add_real(out, v);
    if (!isfinite(v)) text_add(out, "\"");
}

static void write_integer(int64_t v, text *out)
{
    bool is_long = v > INT32_MAX || v < INT32_MIN;
    text_printf(out, "%lld%s", (long long)v, is_long ? "L" : "");
}

static void write_line(const value *v, text *out);

static void write_items_on_line(const value *v, text *out)
{
    bool is_group = v->kind == VALUE_GROUP;
    text_add(out, is_group ? "{ " : "( ");
    for (size_t i = 0; i < v->n; i++) {
        if (is_group) text_printf(out, "%s = ", v->item[i]->name);
        write_line(v->item[i], out);
        if (is_group) text_add(out, ";");
        text_add(out, is_group || i + 1 == v->n ? " " : ", ");
    }
    text_add(out, is_group ? "}" : ")");
}

/* The value, all on one line. */
static void write_line(const value *v, text *out)
{
    switch (v->kind) {
    case VALUE_BOOL: text_add(out, v->as.boolean ? "true" : "false"); break;
    case VALUE_INT: write_integer(v->as.integer, out); break;
    case VALUE_REAL: write_real(v->as.real, out); break;
    case VALUE_STRING: text_add_quoted(out, v->as.string); break;
    case VALUE_LIST:
    case VALUE_GROUP: write_items_on_line(v, out); break;
    }
}

static void new_line(size_t indent, text *out)
{
    text_printf(out, "\n%*s", (int)indent, "");
}

/* How much of the line that is being written is used. */
static size_t column(const text *out)
{
    size_t n = 0;
    while (n < out->n && out->s[out->n - n - 1] != '\n')
        n++;
    return n;
}

static void cut(text *out, size_t n)
{
    if (n == out->n) return;
    out->n = n;
    out->s[n] = '\0';
}

static bool is_compound(const value *v)
{
    return v->kind == VALUE_LIST || v->kind == VALUE_GROUP;
}

/* Whether what was added still leaves room for a comma or semicolon. */
static bool fits(const text *out)
{
    return column(out) < LINE_COLUMNS;
}

static void write_value(const value *v, size_t indent, text *out);

/* An item of a list on several lines; scalars share a line as long as they fit. */
static void write_list_item(const value *list, size_t i, size_t indent, text *out)
{
    const value *v = list->item[i];
    size_t before = out->n;
    bool may_share = i > 0 && !is_compound(v) && !is_compound(list->item[i - 1]);
    if (may_share) {
        text_add(out, " ");
        write_line(v, out);
    }
    if (!may_share || !fits(out)) {
        cut(out, before);
        new_line(indent, out);
        write_value(v, indent, out);
    }
    if (i + 1 < list->n) text_add(out, ",");
}

static void write_on_lines(const value *v, size_t indent, text *out)
{
    bool is_group = v->kind == VALUE_GROUP;
    text_add(out, is_group ? "{" : "(");
    for (size_t i = 0; i < v->n; i++) {
        if (!is_group) {
            write_list_item(v, i, indent + INDENT, out);
            continue;
        }
        new_line(indent + INDENT, out);
        text_printf(out, "%s = ", v->item[i]->name);
        write_value(v->item[i], indent + INDENT, out);
        text_add(out, ";");
    }
    new_line(indent, out);
    text_add(out, is_group ? "}" : ")");
}

static void write_value(const value *v, size_t indent, text *out)
{
    size_t before = out->n;
    write_line(v, out);
    if (!is_compound(v) || v->n == 0 || fits(out)) return;
    cut(out, before);
    write_on_lines(v, indent, out);
}

void value_to_text(const value *v, text *out)
{
    write_line(v, out);
}

status config_to_text(const config *c, text *out, error *err)
{
    for (size_t i = 0; i < c->root->n; i++) {
        const value *v = c->root->item[i];
        text_printf(out, "%s = ", v->name);
        write_value(v, 0, out);
        text_add(out, ";\n");
    }
    return text_check(out, err);
}
