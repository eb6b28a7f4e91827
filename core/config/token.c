/* The words of a config file, one at a time.
 *
 * libconfig has its own scanner, but 1.5 wraps integers in silence and names neither the word that it
 * stumbled over nor, inside includes, the file. So every file is read here first, with the same words as
 * libconfig's, but for these: a number must end where a word could, a string ends on its line (an
 * unclosed one is then found where it is), a hex number may have a sign. */
#include "config/internal.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { SHOWN_BYTES = 40 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_key_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*';
}

static bool is_key_part(char c)
{
    return is_key_start(c) || is_digit(c) || c == '-' || c == '_';
}

bool is_key(const char *s, size_t n)
{
    if (n == 0 || !is_key_start(s[0])) return false;
    for (size_t i = 1; i < n; i++) {
        if (!is_key_part(s[i])) return false;
    }
    return !(n == 4 && strncasecmp(s, "true", 4) == 0) &&
        !(n == 5 && strncasecmp(s, "false", 5) == 0);
}

static int hex_value(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

static void skip_line(cursor *c)
{
    while (c->p < c->end && *c->p != '\n')
        c->p++;
}

static status skip_block_comment(cursor *c, error *err)
{
    origin begin = c->at;
    for (c->p += 2; c->p < c->end; c->p++) {
        if (*c->p == '\n') c->at.line++;
        if (c->p[0] == '*' && c->p[1] == '/') {
            c->p += 2;
            return OK;
        }
    }
    return fail_at(err, E_PARSE, &begin, "the comment that begins here is never closed by */");
}

/* To the next word, over space and comments. */
static status skip_space(cursor *c, error *err)
{
    status st = OK;
    while (c->p < c->end) {
        if (*c->p == '\n') {
            c->at.line++;
            c->p++;
        } else if (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\f') {
            c->p++;
        } else if (!c->is_piece && (c->p[0] == '#' || (c->p[0] == '/' && c->p[1] == '/'))) {
            skip_line(c);
        } else if (!c->is_piece && c->p[0] == '/' && c->p[1] == '*') {
            TRY(skip_block_comment(c, err));
        } else {
            break;
        }
    }
done:
    return st;
}

static status take_string(cursor *c, token *t, error *err)
{
    const char *p = c->p + 1;
    for (; p < c->end && *p != '"' && *p != '\n'; p++) {
        if (*p != '\\' || p + 1 == c->end || p[1] == '\n') continue;
        if ((p[1] == 'x' || p[1] == 'X') && p[2] == '0' && p[3] == '0') {
            return fail_at(err, E_PARSE, &c->at, "a string cannot hold the character \\x00");
        }
        p++;
    }
    if (p == c->end || *p != '"') {
        return fail_at(err, E_PARSE, &c->at,
            "the string that begins here is not closed on its line (a line break is written \\n)");
    }
    t->kind = TOKEN_STRING;
    t->n = (size_t)(p + 1 - c->p);
    return OK;
}

static status out_of_range(const token *t, const char *what, error *err)
{
    return fail_at(
        err, E_RANGE, &t->at, "%.*s does not fit %s", (int)(t->n < 80 ? t->n : 80), t->s, what);
}

/* Digits of `base` at *p; false when they do not fit. Built up below zero, where there is room for one
 * more value. */
static bool take_integer(const char **p, int base, bool negative, int64_t *out)
{
    int64_t sum = 0;
    bool fits = true;
    for (int digit; (digit = hex_value(**p)) >= 0 && digit < base; ++*p) {
        fits = fits && sum >= (INT64_MIN + digit) / base;
        if (fits) sum = sum * base - digit;
    }
    if (!negative && sum == INT64_MIN) fits = false;
    *out = negative || !fits ? sum : -sum;
    return fits;
}

/* The end of a real that begins at p, or p when there is none. */
static const char *real_end(const char *p)
{
    const char *q = p;
    size_t n_digits = 0;
    bool is_real = false;
    for (; is_digit(*q); q++)
        n_digits++;
    if (*q == '.') {
        is_real = true;
        for (q++; is_digit(*q); q++)
            n_digits++;
    }
    if (n_digits == 0) return p;
    if (*q == 'e' || *q == 'E') {
        const char *exponent = q + 1;
        if (*exponent == '+' || *exponent == '-') exponent++;
        if (is_digit(*exponent)) {
            is_real = true;
            for (q = exponent; is_digit(*q); q++)
                continue;
        }
    }
    return is_real ? q : p;
}

/* Everything that sticks to a number that is none. */
static void take_junk(const cursor *c, const char *p, token *t)
{
    while (is_key_part(*p) || *p == '.')
        p++;
    t->kind = TOKEN_JUNK;
    t->n = (size_t)(p - c->p);
}

static status take_number(const cursor *c, token *t, error *err)
{
    const char *p = c->p;
    bool negative = *p == '-';
    if (*p == '-' || *p == '+') p++;
    const char *end = real_end(p);
    bool fits = true;
    t->kind = TOKEN_REAL;
    if (end == p) {
        t->kind = TOKEN_INT;
        bool is_hex = p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && hex_value(p[2]) >= 0;
        end = is_hex ? p + 2 : p;
        fits = take_integer(&end, is_hex ? 16 : 10, negative, &t->integer);
        for (int i = 0; i < 2 && *end == 'L'; i++)
            end++;
    }
    t->n = (size_t)(end - c->p);
    if (end == p || is_key_start(*end) || *end == '.' || *end == '_') {
        take_junk(c, end, t);
        return OK;
    }
    if (t->kind == TOKEN_REAL) {
        return isfinite(text_to_real(t->s, NULL)) ? OK : out_of_range(t, "a 64-bit real", err);
    }
    return fits ? OK : out_of_range(t, "a 64-bit integer", err);
}

/* @include "x" */
static void take_include(cursor *c, token *t)
{
    const char *p = c->p + strlen("@include");
    while (*p == ' ' || *p == '\t')
        p++;
    const char *end = *p == '"' ? p + 1 : p;
    while (end < c->end && *end != '"' && *end != '\n')
        end++;
    if (*p != '"' || *end != '"') {
        t->n = strlen("@include");
        return;
    }
    t->kind = TOKEN_INCLUDE;
    t->s = p + 1;
    t->n = (size_t)(end - t->s);
    c->p = p + 1;
}

static token_kind kind_of(char c)
{
    switch (c) {
    case '(':
    case '[':
    case '{': return TOKEN_OPEN;
    case ')':
    case ']':
    case '}': return TOKEN_CLOSE;
    case '=':
    case ':': return TOKEN_EQUALS;
    case ',': return TOKEN_COMMA;
    case ';': return TOKEN_SEMICOLON;
    default: return TOKEN_JUNK;
    }
}

static void take_name(const cursor *c, token *t)
{
    const char *p = c->p;
    while (is_key_part(*p))
        p++;
    t->n = (size_t)(p - c->p);
    t->kind = is_key(c->p, t->n) ? TOKEN_NAME : TOKEN_BOOL;
}

status token_next(cursor *c, token *out, error *err)
{
    status st = OK;
    TRY(skip_space(c, err));
    *out = (token){ .kind = TOKEN_END, .s = c->p, .at = c->at };
    if (c->p == c->end) return OK;
    if (is_key_start(*c->p)) {
        take_name(c, out);
    } else if (*c->p == '"') {
        TRY(take_string(c, out, err));
    } else if (is_digit(*c->p) || *c->p == '+' || *c->p == '-' ||
        (*c->p == '.' && is_digit(c->p[1]))) {
        TRY(take_number(c, out, err));
    } else {
        out->kind = kind_of(*c->p);
        out->n = 1;
        if (strncmp(c->p, "@include", strlen("@include")) == 0) take_include(c, out);
        if (out->kind == TOKEN_JUNK && out->n == 1) {
            while (((unsigned char)out->s[out->n] & 0xC0u) == 0x80u)
                out->n++; /* UTF-8 */
        }
    }
    c->p = out->s + out->n;
    if (out->kind == TOKEN_INCLUDE) c->p++;
done:
    return st;
}

void token_show(const token *t, text *out)
{
    char head[SHOWN_BYTES + 1];
    if (t->kind == TOKEN_END) {
        text_add(out, "the end");
        return;
    }
    size_t n = t->n < SHOWN_BYTES ? t->n : SHOWN_BYTES;
    memcpy(head, t->s, n);
    head[n] = '\0';
    if (t->kind == TOKEN_STRING) {
        text_add(out, head);
    } else {
        text_add_quoted(out, head);
    }
    if (n < t->n) text_add(out, "...");
}
