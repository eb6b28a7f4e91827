/* Tables of text. Widths are counted in places of the screen; the last column is not filled up, so lines end where their text does. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/study.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_LAST = 30 };

size_t table_column(table *t, const char *title, bool is_right, int weight)
{
    const char *copy = arena_strdup(&t->memory, title);
    t->has_failed = t->has_failed || !copy;
    t->column[t->n_columns].title = copy ? copy : "";
    t->column[t->n_columns].is_right = is_right;
    t->column[t->n_columns].weight = weight;
    return t->n_columns++;
}

void table_row(table *t)
{
    if (t->n_rows == t->capacity) {
        const size_t more = t->capacity ? 2 * t->capacity : 16;
        const char ***rows = arena_alloc_array(&t->memory, more, sizeof *rows);
        if (!rows) {
            t->has_failed = true;
            return;
        }
        if (t->n_rows) memcpy((void *)rows, (void *)t->row, t->n_rows * sizeof *rows);
        t->row = rows;
        t->capacity = more;
    }
    const char **cells = arena_alloc_array(&t->memory, TABLE_COLUMNS, sizeof *cells);
    if (cells) t->row[t->n_rows++] = cells;
    t->has_failed = t->has_failed || !cells;
}

void table_cell(table *t, size_t column, const char *format, ...)
{
    va_list args;
    if (t->has_failed) return;
    va_start(args, format);
    const int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *s = n >= 0 ? arena_alloc(&t->memory, (size_t)n + 1) : NULL;
    va_start(args, format);
    if (s) vsnprintf(s, (size_t)n + 1, format, args);
    va_end(args);
    t->row[t->n_rows - 1][column] = s;
    t->has_failed = !s;
}

static const char *cell_of(const table *t, size_t i, size_t k)
{
    return t->row[i][k] ? t->row[i][k] : "";
}

/* Columns that say nothing go, too. */
static void measure(table *t)
{
    for (size_t k = 0; k < t->n_columns; k++) {
        size_t most = 0;
        for (size_t i = 0; i < t->n_rows; i++) {
            const size_t n = text_columns(cell_of(t, i, k));
            most = n > most ? n : most;
        }
        const size_t title = text_columns(t->column[k].title);
        t->column[k].is_left_out = most == 0;
        t->column[k].width = title > most ? title : most;
    }
}

/* The last column may be broken into lines, but not to less than that. */
static size_t whole_width(const table *t)
{
    const size_t last = t->n_columns - 1, width = t->column[last].width;
    size_t n = 0;
    for (size_t k = 0; k < last; k++)
        n += t->column[k].is_left_out ? 0 : t->column[k].width + 2;
    return n + (t->column[last].is_left_out ? 0 : 2 + (width < LEAST_LAST ? width : LEAST_LAST));
}

static void fit(table *t, size_t width)
{
    while (whole_width(t) > width) {
        size_t least = t->n_columns;
        for (size_t k = 0; k < t->n_columns; k++) {
            if (t->column[k].is_left_out || t->column[k].weight == 0) continue;
            const bool is_less =
                least == t->n_columns || t->column[k].weight <= t->column[least].weight;
            if (is_less) least = k;
        }
        if (least == t->n_columns) return;
        t->column[least].is_left_out = true;
    }
}

static size_t last_column(const table *t)
{
    size_t last = 0;
    for (size_t k = 0; k < t->n_columns; k++) {
        if (!t->column[k].is_left_out) last = k;
    }
    return last;
}

static void blanks(text *out, size_t n)
{
    for (; n > 0; n--)
        text_add(out, " ");
}

/* Broken at blanks into lines of `room` columns, each below the first. */
static void put_wrapped(const char *s, size_t indent, size_t room, text *out)
{
    size_t used = 0;
    while (*s) {
        char word[512];
        const size_t bytes = strcspn(s, " ");
        snprintf(
            word, sizeof word, "%.*s", (int)(bytes < sizeof word ? bytes : sizeof word - 1), s);
        const size_t n = text_columns(word);
        if (used && used + 1 + n > room) {
            text_add(out, "\n");
            blanks(out, indent);
            used = 0;
        }
        if (used) text_add(out, " ");
        text_add_bytes(out, s, bytes);
        used += n + (used > 0);
        s += bytes + (s[bytes] == ' ');
    }
}

static void put_cell(const table *t, size_t k, const char *s, text *out)
{
    const size_t n = text_columns(s), width = t->column[k].width;
    if (t->column[k].is_right && n < width) blanks(out, width - n);
    text_add(out, s);
    if (!t->column[k].is_right && n < width && k != last_column(t)) blanks(out, width - n);
}

/* `width` 0: as wide as it needs. */
static void put_row(const table *t, size_t i, size_t width, text *out)
{
    const size_t last = last_column(t);
    size_t used = 0;
    for (size_t k = 0; k < t->n_columns; k++) {
        if (t->column[k].is_left_out) continue;
        const char *s = i == t->n_rows ? t->column[k].title : cell_of(t, i, k);
        text_add(out, "  ");
        used += 2;
        const bool is_wrapped = width && k == last && used + text_columns(s) > width;
        if (is_wrapped && width > used) {
            put_wrapped(s, used, width - used, out);
        } else {
            put_cell(t, k, s, out);
        }
        used += t->column[k].width;
    }
    while (out->n && out->s[out->n - 1] == ' ')
        out->s[--out->n] = '\0';
}

void table_end(table *t, const terminal *style, text *out)
{
    const size_t width = style->is_tty ? terminal_width(style) : 0;
    out->failed = out->failed || t->has_failed;
    if (!t->has_failed && t->n_rows > 0) {
        measure(t);
        if (width) fit(t, width);
        text_add(out, terminal_style(style, STYLE_DIM));
        put_row(t, t->n_rows, width, out);
        text_printf(out, "%s\n", terminal_style(style, STYLE_PLAIN));
        for (size_t i = 0; i < t->n_rows; i++) {
            put_row(t, i, width, out);
            text_add(out, "\n");
        }
    }
    arena_release(&t->memory);
    *t = (table){ 0 };
}
#else
typedef int no_studies; /* a file holds something */
#endif
