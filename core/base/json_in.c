/* The strict JSON reader: what json_in.h promises, over a buffer of known length.
 *
 * A decoded string is never longer than its written form less one quote (every escape shrinks), so one
 * buffer as long as the input takes all strings, and a hostile header cannot make the reader allocate
 * more than it is long itself. */
#include "base/json_in.h"

#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_DEPTH = 32, NUMBER_BYTES = 64 };

enum { HIGH_SURROGATE = 0xD800, LOW_SURROGATE = 0xDC00, AFTER_SURROGATES = 0xE000 };

static bool is_between(unsigned char c, unsigned char first, unsigned char last)
{
    return c >= first && c <= last;
}

size_t utf8_sequence(const char *s, size_t n)
{
    unsigned char b[4] = { 0 }; /* bytes that are not there are no continuation */
    memcpy(b, s, n < 4 ? n : 4);
    if (n == 0) return 0;
    if (b[0] < 0x80) return 1;
    if (is_between(b[0], 0xC2, 0xDF)) return is_between(b[1], 0x80, 0xBF) ? 2 : 0;
    if (!is_between(b[2], 0x80, 0xBF)) return 0;
    if (is_between(b[0], 0xE0, 0xEF)) {
        const unsigned char first = b[0] == 0xE0 ? 0xA0 : 0x80; /* below: too long a form */
        const unsigned char last = b[0] == 0xED ? 0x9F : 0xBF; /* above: a surrogate */
        return is_between(b[1], first, last) ? 3 : 0;
    }
    if (!is_between(b[0], 0xF0, 0xF4) || !is_between(b[3], 0x80, 0xBF)) return 0;
    const unsigned char first = b[0] == 0xF0 ? 0x90 : 0x80;
    const unsigned char last = b[0] == 0xF4 ? 0x8F : 0xBF; /* above: beyond U+10FFFF */
    return is_between(b[1], first, last) ? 4 : 0;
}

quoted quote_name(const char *name)
{
    quoted q;
    const size_t most = sizeof q.s - sizeof "\"...\"";
    size_t n = 0, length = strlen(name);
    q.s[n++] = '"';
    while (*name) {
        size_t step = utf8_sequence(name, length);
        const bool is_plain =
            step > 0 && is_between((unsigned char)*name, 0x20, 0xFF) && *name != 0x7F;
        if (step == 0) step = 1;
        if (n + step > most) break;
        if (is_plain) {
            memcpy(q.s + n, name, step);
        } else {
            q.s[n] = '?'; /* control characters and stray bytes are one byte each */
        }
        n += step;
        name += step;
        length -= step;
    }
    snprintf(q.s + n, sizeof q.s - n, "%s\"", *name ? "..." : "");
    return q;
}

/* What stands at the cursor against what should. */
static status unexpected(const json_in *j, const char *expected, error *err)
{
    if (j->at >= j->n) return fail(err, E_PARSE, "%s ends, expected %s", j->what, expected);
    const char found[2] = { j->s[j->at], '\0' };
    return fail(err, E_PARSE, "%s byte %zu: got %s, expected %s", j->what, j->at,
        quote_name(found).s, expected);
}

static void skip_space(json_in *j)
{
    while (j->at < j->n && j->s[j->at] != '\0' && strchr(" \t\n\r", j->s[j->at]))
        j->at++;
}

static bool take(json_in *j, char c)
{
    if (j->at >= j->n || j->s[j->at] != c) return false;
    j->at++;
    return true;
}

status json_in_open(json_in *j, char bracket, error *err)
{
    skip_space(j);
    if (take(j, bracket)) return OK;
    return unexpected(j, bracket == '{' ? "an object" : "an array", err);
}

status json_in_more(json_in *j, char closing, size_t i_item, bool *out_more, error *err)
{
    skip_space(j);
    if (take(j, closing)) {
        *out_more = false;
        return OK;
    }
    if (i_item > 0 && !take(j, ',')) {
        return unexpected(j, closing == '}' ? "\",\" or \"}\"" : "\",\" or \"]\"", err);
    }
    *out_more = true;
    return OK;
}

static bool hex_digit(char c, uint32_t *value)
{
    const char digits[] = "0123456789abcdef";
    const char lower = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
    const char *found = lower ? strchr(digits, lower) : NULL;
    if (!found) return false;
    *value = 16 * *value + (uint32_t)(found - digits);
    return true;
}

/* The four digits after \u. */
static status read_unit(json_in *j, uint32_t *out, error *err)
{
    *out = 0;
    for (int i = 0; i < 4; i++) {
        if (j->at >= j->n || !hex_digit(j->s[j->at], out)) {
            return unexpected(j, "four hexadecimal digits after \\u", err);
        }
        j->at++;
    }
    return OK;
}

static size_t put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    const size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (char)(unsigned char)(0x80 | (code & 0x3F));
        code >>= 6;
    }
    out[0] = (char)(unsigned char)(lead[n] | code);
    return n;
}

/* After \u: one unit, or a pair of surrogates. */
static status read_code_point(json_in *j, size_t *n, error *err)
{
    status st = OK;
    uint32_t code, second;
    const size_t begin = j->at - 2;
    TRY(read_unit(j, &code, err));
    if (code >= HIGH_SURROGATE && code < LOW_SURROGATE && take(j, '\\') && take(j, 'u')) {
        TRY(read_unit(j, &second, err));
        if (second >= LOW_SURROGATE && second < AFTER_SURROGATES) {
            code = 0x10000 + ((code - HIGH_SURROGATE) << 10) + (second - LOW_SURROGATE);
        }
    }
    if (code >= HIGH_SURROGATE && code < AFTER_SURROGATES) {
        TRY(fail(
            err, E_PARSE, "%s byte %zu: got a lone surrogate, expected a pair", j->what, begin));
    }
    if (code == 0) {
        TRY(fail(
            err, E_PARSE, "%s byte %zu: got a NUL in a string, expected text", j->what, begin));
    }
    *n += put_utf8(j->strings + *n, code);
done:
    return st;
}

/* After the backslash. */
static status read_escape(json_in *j, size_t *n, error *err)
{
    const char written[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    if (take(j, 'u')) return read_code_point(j, n, err);
    const char *found = j->at < j->n && j->s[j->at] ? strchr(written, j->s[j->at]) : NULL;
    if (!found) return unexpected(j, "one of \" \\ / b f n r t u after a backslash", err);
    j->at++;
    j->strings[(*n)++] = meant[found - written];
    return OK;
}

status json_in_string(json_in *j, const char **out, error *err)
{
    status st = OK;
    size_t n = 0;
    skip_space(j);
    if (!take(j, '"')) TRY(unexpected(j, "a string", err));
    while (!take(j, '"')) {
        if (j->at >= j->n) TRY(unexpected(j, "the end of a string", err));
        if (take(j, '\\')) {
            TRY(read_escape(j, &n, err));
            continue;
        }
        const size_t step = utf8_sequence(j->s + j->at, j->n - j->at);
        if (step == 0) TRY(unexpected(j, "UTF-8", err));
        if ((unsigned char)j->s[j->at] < 0x20) {
            TRY(unexpected(j, "no bare control character in a string", err));
        }
        memcpy(j->strings + n, j->s + j->at, step);
        n += step;
        j->at += step;
    }
    j->strings[n] = '\0';
    *out = j->strings;
    j->strings += n + 1;
done:
    return st;
}

status json_in_key(json_in *j, const char **out, error *err)
{
    status st = OK;
    TRY(json_in_string(j, out, err));
    skip_space(j);
    if (!take(j, ':')) TRY(unexpected(j, "\":\"", err));
done:
    return st;
}

status json_in_u64(json_in *j, uint64_t *out, error *err)
{
    skip_space(j);
    const size_t begin = j->at;
    uint64_t v = 0;
    while (j->at < j->n && is_between((unsigned char)j->s[j->at], '0', '9')) {
        const uint64_t digit = (uint64_t)(j->s[j->at] - '0');
        if (v > (UINT64_MAX - digit) / 10) {
            return fail(err, E_PARSE, "%s byte %zu: got a number above 2^64 - 1", j->what, begin);
        }
        v = 10 * v + digit;
        j->at++;
    }
    if (j->at == begin) return unexpected(j, "a whole number, not negative", err);
    if (j->s[begin] == '0' && j->at > begin + 1) {
        return fail(
            err, E_PARSE, "%s byte %zu: got a leading 0, expected a whole number", j->what, begin);
    }
    *out = v;
    return OK;
}

/* Digits go on into `number`, as far as there is room. */
static status read_digits(json_in *j, char *number, size_t *n, error *err)
{
    const size_t begin = j->at;
    while (j->at < j->n && is_between((unsigned char)j->s[j->at], '0', '9')) {
        if (*n + 1 >= NUMBER_BYTES) {
            return fail(err, E_PARSE, "%s byte %zu: got a number of more than %d characters",
                j->what, begin, NUMBER_BYTES - 1);
        }
        number[(*n)++] = j->s[j->at++];
    }
    return j->at > begin ? OK : unexpected(j, "a digit", err);
}

/* One of `set`, kept in `number`. */
static bool take_one(json_in *j, const char *set, char *number, size_t *n)
{
    const bool is_there = j->at < j->n && j->s[j->at] != '\0' && strchr(set, j->s[j->at]);
    if (is_there && *n + 1 < NUMBER_BYTES) {
        number[(*n)++] = j->s[j->at++];
        return true;
    }
    return false;
}

static status read_number(json_in *j, double *out, error *err)
{
    char number[NUMBER_BYTES];
    size_t n = 0;
    status st = OK;
    (void)take_one(j, "-", number, &n);
    if (!take_one(j, "0", number, &n)) TRY(read_digits(j, number, &n, err));
    if (take_one(j, ".", number, &n)) TRY(read_digits(j, number, &n, err));
    if (take_one(j, "eE", number, &n)) {
        (void)take_one(j, "+-", number, &n);
        TRY(read_digits(j, number, &n, err));
    }
    number[n] = '\0';
    *out = text_to_real(number, NULL);
done:
    return st;
}

status json_in_real(json_in *j, double *out, error *err)
{
    const char *word;
    if (json_in_peek(j) != '"') return read_number(j, out, err);
    const size_t begin = j->at;
    status st = json_in_string(j, &word, err);
    if (st != OK) return st;
    const double sign = word[0] == '-' ? -1 : 1;
    if (strcmp(word, "nan") == 0) {
        *out = NAN;
    } else if (strcmp(word + (sign < 0), "inf") == 0) {
        *out = sign * INFINITY;
    } else {
        return fail(err, E_PARSE, "%s byte %zu: got %s, expected a number", j->what, begin,
            quote_name(word).s);
    }
    return OK;
}

char json_in_peek(json_in *j)
{
    skip_space(j);
    return j->at < j->n ? j->s[j->at] : '\0';
}

static status skip_word(json_in *j, error *err)
{
    static const char *const words[] = { "true", "false", "null" };
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const size_t n = strlen(words[i]);
        if (j->n - j->at >= n && memcmp(j->s + j->at, words[i], n) == 0) {
            j->at += n;
            return OK;
        }
    }
    return unexpected(j, "a value", err);
}

static status skip_value(json_in *j, int depth, error *err)
{
    const char first = json_in_peek(j), closing = first == '{' ? '}' : ']';
    const char *ignored;
    double number;
    status st = OK;
    if (first == '"') return json_in_string(j, &ignored, err);
    if (first == '-' || is_between((unsigned char)first, '0', '9')) {
        return read_number(j, &number, err);
    }
    if (first != '{' && first != '[') return skip_word(j, err);
    if (depth == MAX_DEPTH) {
        return fail(err, E_PARSE, "%s byte %zu: nested deeper than %d", j->what, j->at, MAX_DEPTH);
    }
    TRY(json_in_open(j, first, err));
    for (size_t i = 0;; i++) {
        bool more;
        TRY(json_in_more(j, closing, i, &more, err));
        if (!more) break;
        if (first == '{') TRY(json_in_key(j, &ignored, err));
        TRY(skip_value(j, depth + 1, err));
    }
done:
    return st;
}

status json_in_skip(json_in *j, error *err)
{
    return skip_value(j, 0, err);
}

status json_in_end(json_in *j, error *err)
{
    while (take(j, ' ')) {
    }
    return j->at == j->n ? OK : unexpected(j, "nothing but spaces behind it", err);
}
