/* Status codes, the caller's error, and where a user's value came from.
 *
 * What can fail returns a `status` and takes `error *err` last. Who detects a fault writes the
 * message; a room's border may add *where* once. See STYLE, "Errors". */
#ifndef ASSAY_CORE_BASE_ERROR_H
#define ASSAY_CORE_BASE_ERROR_H

typedef enum status {
    OK = 0,
    E_NOMEM, /* an allocation failed */
    E_IO, /* the system refused: open, read, write, map */
    E_PARSE, /* text that does not follow its grammar (config, CSV, JSON) */
    E_TYPE, /* a value of the wrong type */
    E_RANGE, /* a value outside its valid range */
    E_UNKNOWN, /* a name that nothing goes by: key, type, column, choice */
    E_MISSING, /* something required is not there */
    E_CONFLICT, /* two things that exclude each other, or a name taken twice */
    E_SHAPE, /* shapes or sizes that do not fit together */
    E_CORRUPT, /* a file whose content contradicts itself or its checksum */
    E_UNSUPPORTED, /* well-formed, but not something this build or component can do */
    E_PLUGIN, /* a plugin that cannot be loaded or broke the contract */
    E_ABI, /* a plugin built for another ABI */
    E_NUMERIC, /* a computation without a usable result */
    E_INTERRUPTED, /* stopped by the user */
    E_USAGE, /* a command line that makes no sense */
    E_INTERNAL, /* a bug in assay */
} status;

/* Where a user's value was written. `file` lives as long as the config (or is static text such as
 * "command line"); NULL means unknown. `line` counts from 1; 0 means the file as a whole. */
typedef struct origin {
    const char *file;
    int line;
} origin;

enum { ERROR_TEXT_BYTES = 1024 };

/* The caller's error: one line of text, no full stop. Untouched on success. */
typedef struct error {
    status code;
    char text[ERROR_TEXT_BYTES];
} error;

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Writes the message and returns `code`. `err` may be NULL. */
status fail(error *err, status code, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same with "file:line: " in front, where `at` is known. */
status fail_at(error *err, status code, const origin *at, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Out of memory; `what` names what was being made. */
status fail_nomem(error *err, const char *what);

/* The system's reason (errno text) for `path`: "path: what: No such file or directory". */
status fail_errno(error *err, int error_number, const char *path, const char *what);

/* Puts "where: " in front of the message; once, at a room's border. Returns err->code. */
status error_where(error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* An analyzer that reads one file at a time cannot know that none of these ever returns OK. */
#ifdef __clang_analyzer__
#define fail(err, code, ...) ((void)fail(err, code, __VA_ARGS__), (status)(code))
#define fail_at(err, code, at, ...) ((void)fail_at(err, code, at, __VA_ARGS__), (status)(code))
#define fail_nomem(err, what) ((void)fail_nomem(err, what), E_NOMEM)
#define fail_errno(err, number, path, what) ((void)fail_errno(err, number, path, what), E_IO)
#endif

/* The short name of a code ("out of range"), for tests and logs. */
const char *status_name(status code);

/* Jumps to `done:` with `st` set when `expr` does not return OK. The only macro that hides a jump. */
#define TRY(expr) \
    do { \
        st = (expr); \
        if (st != OK) goto done; \
    } while (0)

#endif
