/* JSON out. The text below it collects failures, so nothing here returns one.
 *
 * Bytes that are not UTF-8 (a file name, a plugin's doc) become U+FFFD: the output is valid JSON
 * whatever goes in. */
#include "base/json.h"

#include "base/json_in.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

void json_init(json *j, text *out)
{
    *j = (json){ .out = out };
}

/* The comma before an item, where one is due. */
static void begin_item(json *j)
{
    if (!j->after_key && j->depth > 0) {
        if (j->has_item[j->depth]) text_add_bytes(j->out, ", ", 2);
        j->has_item[j->depth] = 1;
    }
    j->after_key = false;
}

static void begin_container(json *j, const char *bracket)
{
    begin_item(j);
    text_add(j->out, bracket);
    j->depth++;
    assert(j->depth < (int)sizeof j->has_item);
    j->has_item[j->depth] = 0;
}

static void end_container(json *j, const char *bracket)
{
    assert(j->depth > 0 && !j->after_key);
    j->depth--;
    text_add(j->out, bracket);
}

void json_begin_object(json *j)
{
    begin_container(j, "{");
}

void json_end_object(json *j)
{
    end_container(j, "}");
}

void json_begin_array(json *j)
{
    begin_container(j, "[");
}

void json_end_array(json *j)
{
    end_container(j, "]");
}

static const char *short_escape(char c)
{
    switch (c) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    }
    return NULL;
}

/* How many of the first bytes go in as they are: ASCII that has a form. */
static size_t plain_bytes(const char *s)
{
    size_t n = 0;
    while (s[n] >= 0x20 && s[n] < 0x7f && s[n] != '"' && s[n] != '\\') {
        n++;
    }
    return n;
}

static void add_quoted(text *out, const char *s)
{
    text_add_bytes(out, "\"", 1);
    for (;;) {
        const size_t n_plain = plain_bytes(s);
        text_add_bytes(out, s, n_plain);
        s += n_plain;
        if (!*s) break;
        const unsigned char first = (unsigned char)*s;
        const size_t n = utf8_sequence(s, strnlen(s, 4));
        const char *escape = short_escape(*s);
        if (escape) {
            text_add(out, escape);
        } else if (n == 0) {
            text_add(out, "\\ufffd");
        } else if (first < 0x20 || first == 0x7f) {
            text_printf(out, "\\u%04x", (unsigned)first);
        } else {
            text_add_bytes(out, s, n);
        }
        s += n ? n : 1;
    }
    text_add_bytes(out, "\"", 1);
}

void json_key(json *j, const char *key)
{
    assert(!j->after_key);
    begin_item(j);
    add_quoted(j->out, key);
    text_add(j->out, ": ");
    j->after_key = true;
}

void json_string(json *j, const char *value)
{
    if (!value) {
        json_null(j);
        return;
    }
    begin_item(j);
    add_quoted(j->out, value);
}

void json_real(json *j, double value)
{
    const bool is_number = isfinite(value);
    begin_item(j);
    if (!is_number) text_add(j->out, "\"");
    text_add_real(j->out, value);
    if (!is_number) text_add(j->out, "\"");
}

/* Most of a histogram is zeros, which come in runs. */
void json_reals(json *j, const double *values, size_t n)
{
    static const char zeros[] = ", 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0";
    enum { ZERO = 5, MOST = (sizeof zeros - 1) / ZERO };
    json_begin_array(j);
    for (size_t i = 0, run; i < n; i += run) {
        run = 0;
        while (i > 0 && i + run < n && run < MOST && values[i + run] == 0 &&
            !signbit(values[i + run])) {
            run++;
        }
        text_add_bytes(j->out, zeros, run * ZERO);
        if (run == 0) {
            json_real(j, values[i]);
            run = 1;
        }
    }
    json_end_array(j);
}

void json_int(json *j, int64_t value)
{
    begin_item(j);
    text_printf(j->out, "%" PRId64, value);
}

void json_bool(json *j, bool value)
{
    begin_item(j);
    text_add(j->out, value ? "true" : "false");
}

void json_null(json *j)
{
    begin_item(j);
    text_add(j->out, "null");
}

void json_key_string(json *j, const char *key, const char *value)
{
    json_key(j, key);
    json_string(j, value);
}

void json_key_real(json *j, const char *key, double value)
{
    json_key(j, key);
    json_real(j, value);
}

void json_key_int(json *j, const char *key, int64_t value)
{
    json_key(j, key);
    json_int(j, value);
}

void json_key_bool(json *j, const char *key, bool value)
{
    json_key(j, key);
    json_bool(j, value);
}
