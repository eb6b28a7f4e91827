/* Text: a growable string, and the small things config, messages and tables need. */
#ifndef ASSAY_CORE_BASE_TEXT_H
#define ASSAY_CORE_BASE_TEXT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growable string, always NUL-terminated once something was added. After an allocation fails it
 * stays as it was and `failed` is set: check once, at the end. */
typedef struct text {
    char *s; /* NULL while empty */
    size_t n, capacity;
    bool failed;
} text;

void text_init(text *t);
void text_release(text *t);
void text_clear(text *t);
void text_add(text *t, const char *s);
void text_add_bytes(text *t, const char *s, size_t n);
void text_printf(text *t, const char *format, ...) PRINTF_LIKE(2, 3);

/* OK, or E_NOMEM when an addition failed. */
status text_check(const text *t, error *err) MUST_CHECK;

/* A real that reads back to the same double, as short as that permits, always with '.' or 'e' (or
 * inf, -inf, nan), whatever the locale. */
void text_add_real(text *t, double v);

/* strtod in the C locale whatever the process locale; *end as strtod. */
double text_to_real(const char *s, const char **end);

/* The candidate closest to `word` (edit distance, at most a third of its length + 1), or NULL. */
const char *text_nearest(const char *word, const char *const *candidates, size_t n);

/* Whether `s` matches a shell-like pattern with * and ?. */
bool text_matches(const char *pattern, const char *s);

/* "1.2k", "3.4M": counts for people. "12.3 MiB": bytes for people. "1m 23s": durations. `out` holds 32. */
void text_count(char out[32], double count);
void text_bytes(char out[32], double bytes);
void text_duration(char out[32], double seconds);

#endif
