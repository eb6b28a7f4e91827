/* The text of a config as one, such that it needs no other file and its lines stay what they were.
 *
 * The file has been read before: what stands here is known to follow the grammar. What is included loses its comments and is put on the
 * line of its @include, so that a message about the text names a line of the file that the user has. The block `study` of a run is
 * left out, with its lines left empty. */
#include "declaration/declaration_internal.h"

#include "base/file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* The end of a comment that begins at p, or p where none does. */
static const char *skip_comment(const char *p)
{
    if (p[0] == '#' || (p[0] == '/' && p[1] == '/')) return p + strcspn(p, "\n");
    if (p[0] == '/' && p[1] == '*') {
        const char *end = strstr(p + 2, "*/");
        return end ? end + 2 : p + strlen(p);
    }
    return p;
}

/* The end of a string in quotes that begins at p. */
static const char *skip_string(const char *p)
{
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1]) p++;
    }
    return *p ? p + 1 : p;
}

/* What is passed over is a blank, and lines stay lines. */
static void add_blank(const char *from, const char *to, bool keeps_lines, text *out)
{
    size_t lines = 0;
    for (; from < to; from++)
        lines += *from == '\n';
    text_add(out, " ");
    for (size_t i = 0; keeps_lines && i < lines; i++)
        text_add(out, "\n");
}

static status expand(arena *a, const char *path, bool is_included, text *out, error *err);

/* @include "x" */
static status expand_include(
    arena *a, const char *path, const char *p, const char **out_end, text *out, error *err)
{
    const char *quote = strchr(p, '"');
    const char *end = quote ? strchr(quote + 1, '"') : NULL;
    if (!end) return fail(err, E_PARSE, "%s: an @include has changed while it was read", path);
    const char *name = arena_strndup(a, quote + 1, (size_t)(end - quote - 1));
    const char *dir = path_dir(a, path);
    const char *inner = name && dir ? path_join(a, dir, name) : NULL;
    if (!inner) return fail_nomem(err, path);
    *out_end = end + 1;
    return expand(a, inner, true, out, err);
}

static status expand_text(
    arena *a, const char *path, const char *p, bool is_included, text *out, error *err)
{
    status st = OK;
    if (strncmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
    while (*p) {
        const char *end = skip_comment(p);
        if (end > p && is_included) {
            add_blank(p, end, false, out);
        } else if (end == p && strncmp(p, "@include", 8) == 0) {
            TRY(expand_include(a, path, p, &end, out, err));
        } else if (is_included && isspace((unsigned char)*p)) {
            end = p + 1;
            text_add(out, " ");
        } else {
            if (end == p) end = *p == '"' ? skip_string(p) : p + 1;
            text_add_bytes(out, p, (size_t)(end - p));
        }
        p = end;
    }
    if (is_included) text_add(out, " ");
done:
    return st;
}

static status expand(arena *a, const char *path, bool is_included, text *out, error *err)
{
    char *written = NULL;
    size_t n;
    status st = file_read(path, &written, &n, err);
    if (st == OK) st = expand_text(a, path, written, is_included, out, err);
    free(written);
    return st;
}

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '*';
}

/* One thing: a comment, a string, a word or a sign. */
static const char *skip_thing(const char *p)
{
    const char *end = skip_comment(p);
    if (end > p) return end;
    if (*p == '"') return skip_string(p);
    while (is_word(*end))
        end++;
    return end > p ? end : p + 1;
}

static const char *skip_blank(const char *p)
{
    for (;;) {
        while (isspace((unsigned char)*p))
            p++;
        const char *end = skip_comment(p);
        if (end == p) return p;
        p = end;
    }
}

/* The end of a setting whose key ends at p; its value is a group. */
static const char *skip_setting(const char *p)
{
    size_t depth = 0;
    while (*p) {
        depth += *p == '{' || *p == '(' || *p == '[';
        const bool closes = *p == '}' || *p == ')' || *p == ']';
        if (closes) depth--;
        p = skip_thing(p);
        if (closes && depth == 0) break;
    }
    const char *after = skip_blank(p);
    return *after == ';' || *after == ',' ? after + 1 : p;
}

static void without_study(const char *p, text *out)
{
    size_t depth = 0;
    while (*p) {
        const char *end = skip_thing(p);
        depth += *p == '{' || *p == '(' || *p == '[';
        depth -= *p == '}' || *p == ')' || *p == ']';
        if (depth == 0 && end - p == 5 && strncmp(p, "study", 5) == 0) {
            end = skip_setting(end);
            add_blank(p, end, true, out);
        } else {
            text_add_bytes(out, p, (size_t)(end - p));
        }
        p = end;
    }
}

status config_whole_text(arena *a, const char *path, bool drops_study, const char **out, error *err)
{
    text whole = { 0 }, kept = { 0 };
    status st = OK;
    TRY(expand(a, path, false, &whole, err));
    TRY(text_check(&whole, err));
    if (drops_study && whole.s) without_study(whole.s, &kept);
    TRY(text_check(&kept, err));
    const char *s = drops_study ? kept.s : whole.s;
    *out = arena_strdup(a, s ? s : "");
    if (!*out) st = fail_nomem(err, path);
done:
    text_release(&whole);
    text_release(&kept);
    return st;
}
