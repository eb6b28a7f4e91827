/* Where words go: what a stream can show, and how it is shown. */
#ifndef ASSAY_CORE_CLI_TERMINAL_H
#define ASSAY_CORE_CLI_TERMINAL_H

#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct terminal {
    FILE *file;
    bool is_tty;
    bool moves; /* a terminal that can repaint a line (a tty, and not TERM=dumb) */
    bool color;
    bool utf8;
} terminal;

typedef enum style {
    STYLE_PLAIN,
    STYLE_BOLD,
    STYLE_DIM,
    STYLE_RED,
    STYLE_GREEN,
    STYLE_YELLOW,
    STYLE_CYAN
} text_style;

/* `color` is "auto", "always", "never" or NULL (auto: a terminal, no NO_COLOR, TERM not dumb). */
terminal terminal_open(FILE *file, const char *color);

/* Columns at this moment, 80 where they are not known. */
size_t terminal_width(const terminal *t);

/* The escape sequence that begins a style, or "" without colour; STYLE_PLAIN ends any. */
const char *terminal_style(const terminal *t, text_style s);

/* Writes text; where the locale is not UTF-8, characters that assay uses beyond ASCII are spelled in it. */
void terminal_write(const terminal *t, const char *s);
void terminal_printf(const terminal *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* Places that a string takes on the screen: code points, escape sequences not counted. */
size_t text_columns(const char *s);

#endif
