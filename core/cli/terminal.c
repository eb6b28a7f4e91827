/* What a stream can show.
 *
 * A stream is asked once whether it is a terminal; its width is asked at every use, so that a resized window needs no
 * signal. Escape sequences go out only where colour is on (styles) or a line can be repainted (progress.c). */
#include "cli/terminal.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { USUAL_WIDTH = 80, LEAST_WIDTH = 20 };

static bool is_set(const char *name)
{
    const char *v = getenv(name);
    return v && v[0];
}

terminal terminal_open(FILE *file, const char *color)
{
    const char *kind = getenv("TERM");
    const bool is_dumb = !kind || strcmp(kind, "dumb") == 0;
    terminal t = { .file = file, .is_tty = isatty(fileno(file)) == 1 };
    t.moves = t.is_tty && !is_dumb;
    t.color = t.moves && !is_set("NO_COLOR");
    if (color && strcmp(color, "always") == 0) t.color = true;
    if (color && strcmp(color, "never") == 0) t.color = false;
    t.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    return t;
}

size_t terminal_width(const terminal *t)
{
    struct winsize size = { 0 };
    if (t->is_tty && ioctl(fileno(t->file), TIOCGWINSZ, &size) == 0 && size.ws_col >= LEAST_WIDTH) {
        return size.ws_col;
    }
    return USUAL_WIDTH;
}

const char *terminal_style(const terminal *t, text_style s)
{
    static const char *const codes[] = { "\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m",
        "\033[33m", "\033[36m" };
    return t->color ? codes[s] : "";
}

/* How the few characters beyond ASCII that assay prints are spelled without them. */
static const char *in_ascii(const char *s, size_t *out_bytes)
{
    static const char *const spelled[][2] = { { "─", "-" }, { "━", "=" }, { "╸", ">" },
        { "±", "+-" }, { "≥", ">=" }, { "≤", "<=" }, { "×", "x" }, { "·", "-" }, { "★", "*" },
        { "✓", "ok" }, { "µ", "u" } };
    for (size_t i = 0; i < sizeof spelled / sizeof spelled[0]; i++) {
        const size_t n = strlen(spelled[i][0]);
        if (strncmp(s, spelled[i][0], n) == 0) {
            *out_bytes = n;
            return spelled[i][1];
        }
    }
    return NULL;
}

void terminal_write(const terminal *t, const char *s)
{
    while (!t->utf8 && *s) {
        const size_t plain = strcspn(s, "\xc2\xc3\xe2");
        fwrite(s, 1, plain, t->file);
        s += plain;
        size_t n = 1;
        const char *as = *s ? in_ascii(s, &n) : NULL;
        if (as) {
            fputs(as, t->file);
        } else if (*s) {
            fputc(*s, t->file);
        } else {
            return;
        }
        s += n;
    }
    fputs(s, t->file);
}

void terminal_printf(const terminal *t, const char *format, ...)
{
    char line[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    terminal_write(t, line);
}

size_t text_columns(const char *s)
{
    size_t n = 0;
    for (; *s; s++) {
        if (*s == '\033') {
            s += strcspn(s, "m");
            if (!*s) return n;
            continue;
        }
        n += ((unsigned char)*s & 0xc0) != 0x80;
    }
    return n;
}
