/* Words stand apart, white space between them says nothing, and a line's end is a token of its own; characters and bytes stand as
 * they are. A byte that cannot be shown has the name \xNN: it is written as the byte that it is, and read from that byte or
 * from its name. A word that the vocabulary lacks is <unk> where there is one, as when the data are read. */
#include "cli/notation.h"

#include "base/json_in.h"

#include <string.h>

static const char end_of_line[] = "<eos>", unknown[] = "<unk>";
static const char blanks[] = " \t\r\v\f", ends_of_words[] = " \t\r\v\f\n";

static bool has_words(const notation *w)
{
    return w->input->separator[0] != '\0';
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that a name \xNN spells; -1: it is no such name. */
static int spelled_byte(const notation *w, const char *name)
{
    const bool fits = w->bytes && strlen(name) == 4 && name[0] == '\\' && name[1] == 'x';
    return fits && hex(name[2]) >= 0 && hex(name[3]) >= 0 ? hex(name[2]) * 16 + hex(name[3]) : -1;
}

/* -- writing -- */

void notation_put_token(notation *w, FILE *to, size_t token)
{
    const char *name = w->input->tokens ? w->input->tokens[token] : NULL;
    const int byte = name ? spelled_byte(w, name) : -1;
    if (!name) {
        fprintf(to, "%s%zu", w->is_fresh ? "" : " ", token);
    } else if (byte >= 0) {
        putc(byte, to);
    } else if (has_words(w) && strcmp(name, end_of_line) == 0) {
        putc('\n', to);
    } else {
        fprintf(to, "%s%s", w->is_fresh ? "" : w->input->separator, name);
    }
    w->is_fresh = name && has_words(w) && strcmp(name, end_of_line) == 0;
}

void notation_put_frame(notation *w, FILE *to, const float *frame)
{
    bool any = false;
    fputs(w->is_fresh ? "" : " ", to);
    for (size_t i = 0; i < w->n; i++) {
        if (frame[i] == 0) continue;
        fprintf(to, "%s%zu", any ? "," : "", i);
        any = true;
    }
    if (!any) putc('-', to);
    w->is_fresh = false;
}

/* -- reading tokens -- */

/* The token of that name; n: there is none. */
static size_t named(const notation *w, const char *name, size_t n_bytes)
{
    size_t i = 0;
    while (i < w->n &&
        (strlen(w->input->tokens[i]) != n_bytes ||
            memcmp(w->input->tokens[i], name, n_bytes) != 0)) {
        i++;
    }
    return i;
}

/* The word at `s`, and its bytes; n: there is none. */
static size_t word_at(const notation *w, const char *s, size_t *out_bytes)
{
    *out_bytes = *s == '\n' ? 1 : strcspn(s, ends_of_words);
    if (*s == '\n') {
        return named(w, end_of_line, sizeof end_of_line - 1);
    }
    const size_t found = named(w, s, *out_bytes);
    return found < w->n ? found : named(w, unknown, sizeof unknown - 1);
}

/* The longest token at `s`, and its bytes; n: there is none. */
static size_t characters_at(const notation *w, const char *s, size_t *out_bytes)
{
    size_t found = w->n;
    *out_bytes = 0;
    for (size_t i = 0; i < w->n; i++) {
        const char *name = w->input->tokens[i];
        const size_t n = strlen(name);
        const bool is_byte = *out_bytes < 1 && spelled_byte(w, name) == (unsigned char)*s;
        if (is_byte || (n > *out_bytes && strncmp(name, s, n) == 0)) {
            found = i;
            *out_bytes = is_byte ? 1 : n;
        }
    }
    return found;
}

status notation_next_token(
    const notation *w, const char **at, size_t *out_token, bool *out_more, error *err)
{
    const char *s = *at + (has_words(w) ? strspn(*at, blanks) : 0);
    size_t n_bytes = 0;
    *out_more = *s != '\0';
    if (!*out_more) {
        return OK;
    }
    *out_token = has_words(w) ? word_at(w, s, &n_bytes) : characters_at(w, s, &n_bytes);
    if (*out_token == w->n) {
        const quoted shown = quote_name(*s == '\n' ? "a line's end" : s);
        return fail(
            err, E_USAGE, "sample: --prime: no token of the run's vocabulary fits %s", shown.s);
    }
    *at = s + n_bytes;
    return OK;
}

size_t notation_first(const notation *w)
{
    size_t first = 0;
    for (size_t i = 0; w->input->tokens && i < w->n; i++) {
        const char *name = w->input->tokens[i];
        if (strcmp(name, "\n") == 0 || spelled_byte(w, name) == '\n' ||
            (has_words(w) && strcmp(name, end_of_line) == 0)) {
            first = i;
        }
    }
    return first;
}

/* -- reading frames -- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "60,64,67" or "-" of n_bytes. */
static bool read_frame(const notation *w, const char *s, size_t n_bytes, float *frame)
{
    const char *end = s + n_bytes;
    memset(frame, 0, w->n * sizeof *frame);
    if (n_bytes == 1 && *s == '-') {
        return true;
    }
    for (;; s++) { /* over the comma */
        size_t key = 0;
        if (s == end || !is_digit(*s)) return false;
        for (; s < end && is_digit(*s) && key < w->n; s++) {
            key = key * 10 + (size_t)(*s - '0');
        }
        if (key >= w->n) return false;
        frame[key] = 1;
        if (s == end || *s != ',') return s == end;
    }
}

status notation_next_frame(
    const notation *w, const char **at, float *frame, bool *out_more, error *err)
{
    const char *s = *at + strspn(*at, " ");
    const size_t n = strcspn(s, " ");
    *out_more = n > 0;
    if (n > 0 && !read_frame(w, s, n, frame)) {
        return fail(err, E_USAGE,
            "sample: --prime: expected frames of keys from 0 to %zu with commas between them, or "
            "-; found \"%.*s\"",
            w->n - 1, (int)(n < 60 ? n : 60), s);
    }
    *at = s + n;
    return OK;
}
