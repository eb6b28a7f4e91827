/* A strict JSON reader: RFC 8259 and nothing more, pulled token by token.
 *
 * The caller asks for what the format demands at each place, so what is not demanded is an error where it stands, and
 * nesting is as deep as the caller's own calls: no input can make it deeper. Errors are E_PARSE with the place. */
#ifndef ASSAY_CORE_BASE_JSON_IN_H
#define ASSAY_CORE_BASE_JSON_IN_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct json_in {
    const char *what; /* is read, for messages: "header" */
    const char *s; /* [n], not NUL-terminated */
    size_t n, at;
    char *strings; /* [n]: where the next decoded string goes; together they never need more */
} json_in;

/* The next token must be this bracket. */
status json_in_open(json_in *j, char bracket, error *err) MUST_CHECK;

/* Whether another item follows; consumes the comma, or `closing`. `i_item` counts the items taken so far. */
status json_in_more(json_in *j, char closing, size_t i_item, bool *out_more, error *err) MUST_CHECK;

/* A string, decoded, with a NUL behind it. A NUL inside, a lone surrogate and bytes that are not UTF-8 are refused. */
status json_in_string(json_in *j, const char **out, error *err) MUST_CHECK;

/* A string and its colon. */
status json_in_key(json_in *j, const char **out, error *err) MUST_CHECK;

/* Digits only: no sign, fraction or exponent, no leading zero, at most 2^64 - 1. */
status json_in_u64(json_in *j, uint64_t *out, error *err) MUST_CHECK;

/* A number, or one of the strings that json_real writes for what is none: "nan", "inf", "-inf". */
status json_in_real(json_in *j, double *out, error *err) MUST_CHECK;

/* The first character of the next token; NUL at the end. */
char json_in_peek(json_in *j);

/* Passes over one value of any kind, well-formed and not nested deeper than 32. */
status json_in_skip(json_in *j, error *err) MUST_CHECK;

/* Nothing but spaces is left. */
status json_in_end(json_in *j, error *err) MUST_CHECK;

/* Bytes of the well-formed UTF-8 sequence at s[0..n), or 0 (Unicode 15, table 3-7). */
size_t utf8_sequence(const char *s, size_t n);

/* A name for a message: quoted, on one line, shortened. */
typedef struct quoted {
    char s[100];
} quoted;
quoted quote_name(const char *name);

#endif
