/* The caller's error.
 *
 * A message is formatted straight into the caller's struct: no allocation (so that running out of
 * memory can be reported), no thread-local slot. Control characters, which a user's file or a plugin
 * may smuggle in through %s, become spaces: a message is one line wherever it is shown. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void one_line(char *s)
{
    for (; *s; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) *s = ' ';
    }
}

static void write_message(error *err, const char *prefix, const char *format, va_list args)
    PRINTF_LIKE(3, 0);

static void write_message(error *err, const char *prefix, const char *format, va_list args)
{
    size_t n = strlen(prefix);
    if (n >= sizeof err->text) n = sizeof err->text - 1;
    memcpy(err->text, prefix, n);
    err->text[n] = '\0';
    vsnprintf(err->text + n, sizeof err->text - n, format, args);
    one_line(err->text);
}

#undef fail
#undef fail_at
#undef fail_nomem
#undef fail_errno

status fail(error *err, status code, const char *format, ...)
{
    if (!err) return code;
    va_list args;
    va_start(args, format);
    write_message(err, "", format, args);
    va_end(args);
    err->code = code;
    return code;
}

status fail_at(error *err, status code, const origin *at, const char *format, ...)
{
    if (!err) return code;
    char prefix[ERROR_TEXT_BYTES] = "";
    if (at && at->file && at->line > 0) {
        snprintf(prefix, sizeof prefix, "%s:%d: ", at->file, at->line);
    } else if (at && at->file) {
        snprintf(prefix, sizeof prefix, "%s: ", at->file);
    }
    va_list args;
    va_start(args, format);
    write_message(err, prefix, format, args);
    va_end(args);
    err->code = code;
    return code;
}

status fail_nomem(error *err, const char *what)
{
    return fail(err, E_NOMEM, "%s: out of memory", what);
}

status fail_errno(error *err, int error_number, const char *path, const char *what)
{
    char reason[128];
    if (strerror_r(error_number, reason, sizeof reason) != 0) {
        snprintf(reason, sizeof reason, "error %d of the system", error_number);
    }
    const status code = error_number == ENOMEM ? E_NOMEM : E_IO;
    return fail(err, code, "%s: %s: %s", path, what, reason);
}

status error_where(error *err, const char *format, ...)
{
    if (!err) return E_INTERNAL;
    char old[ERROR_TEXT_BYTES];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    write_message(err, "", format, args);
    va_end(args);
    const size_t n = strlen(err->text);
    snprintf(err->text + n, sizeof err->text - n, ": %s", old);
    return err->code;
}

const char *status_name(status code)
{
    switch (code) {
    case OK: return "ok";
    case E_NOMEM: return "out of memory";
    case E_IO: return "input or output";
    case E_PARSE: return "syntax";
    case E_TYPE: return "wrong type";
    case E_RANGE: return "out of range";
    case E_UNKNOWN: return "unknown name";
    case E_MISSING: return "missing";
    case E_CONFLICT: return "conflict";
    case E_SHAPE: return "shape mismatch";
    case E_CORRUPT: return "corrupt";
    case E_UNSUPPORTED: return "unsupported";
    case E_PLUGIN: return "plugin fault";
    case E_ABI: return "abi mismatch";
    case E_NUMERIC: return "numeric";
    case E_INTERRUPTED: return "interrupted";
    case E_USAGE: return "usage";
    case E_INTERNAL: return "internal fault";
    }
    return "no such status";
}
