/* A file and all that it includes, as one text that libconfig 1.5 reads without loss.
 *
 * Word by word (token.c) the text is written anew: includes in place, whole lines kept apart so that a line
 * of the text belongs to one line of one file, integers in decimal with the L that 1.5 needs beyond 32 bits,
 * arrays as lists so that kinds may mix, no comma before a closing bracket. On the way the order of
 * words is checked: it takes little more than the bracket stack that the commas need anyway, and lets a
 * message name the word, what was expected there, and the bracket that is still open. What is written
 * where is noted per value, because the lines that libconfig keeps are those of the word *after* a string.
 *
 * Keys are compared within their group as they come, as libconfig names only the second of two. */
#include "config/internal.h"

#include "base/file.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_NESTING = 64, /* brackets in brackets; libconfig and the walks over the tree recurse */
    MAX_INCLUDES = 16 /* files in files */
};

typedef struct seen_key {
    const char *s;
    size_t n;
    origin at;
    struct seen_key *next;
} seen_key;

typedef struct bracket {
    char sign; /* '{', '(' or '[' */
    origin at;
    seen_key *keys;
    token key; /* the last one */
} bracket;

/* What the next word may be. */
typedef enum expectation {
    EXPECT_KEY, /* or the group's end */
    EXPECT_EQUALS,
    EXPECT_VALUE,
    EXPECT_MORE, /* in a group after a value: ; or , or a key or the end */
    EXPECT_ITEM, /* or the list's end */
    EXPECT_COMMA, /* or the list's end */
} expectation;

/* A file that is being read. */
typedef struct unit {
    const config_file *file;
    const char *absolute;
    const struct unit *from; /* the file that includes this one */
} unit;

typedef struct reader {
    config *c;
    source *out;
    arena scratch; /* texts and keys, until all is read */
    bool may_include;
    bracket open[MAX_NESTING + 1]; /* [0] stands for the file */
    size_t depth;
    expectation expect;
    token_kind before; /* the last word */
    bool comma_due; /* the next item of this list is not its first */
    origin line; /* of the text's last line */
} reader;

static status origins_add(origins *list, const origin *at, error *err)
{
    if (list->n == list->capacity) {
        size_t capacity = list->n == 0 ? 64 : 2 * list->n;
        size_t bytes = 0;
        if (!size_product(capacity, sizeof(*list->item), &bytes)) {
            return fail_nomem(err, "the config's line table");
        }
        origin *grown = realloc(list->item, bytes);
        if (!grown) return fail_nomem(err, "the config's line table");
        list->item = grown;
        list->capacity = capacity;
    }
    list->item[list->n++] = *at;
    return OK;
}

/* One word of the text; on a line of its own file line. */
static status put(reader *r, const origin *at, const char *s, size_t n, error *err)
{
    status st = OK;
    if (at->line != r->line.line || at->file != r->line.file || r->out->lines.n == 0) {
        if (r->out->lines.n > 0) text_add(&r->out->text, "\n");
        TRY(origins_add(&r->out->lines, at, err));
        r->line = *at;
    }
    text_add_bytes(&r->out->text, s, n);
    text_add(&r->out->text, " ");
done:
    return st;
}

static status put_integer(reader *r, const token *t, error *err)
{
    char digits[32];
    bool is_long = t->integer > INT32_MAX || t->integer < INT32_MIN;
    int n = snprintf(digits, sizeof(digits), "%lld%s", (long long)t->integer, is_long ? "L" : "");
    return put(r, &t->at, digits, (size_t)n, err);
}

static status unexpected(const token *t, error *err, const char *format, ...) PRINTF_LIKE(3, 4);

static status unexpected(const token *t, error *err, const char *format, ...)
{
    text near;
    char hint[256];
    va_list args;
    va_start(args, format);
    vsnprintf(hint, sizeof(hint), format, args);
    va_end(args);
    text_init(&near);
    token_show(t, &near);
    status st = text_check(&near, err);
    if (st == OK) st = fail_at(err, E_PARSE, &t->at, "syntax error near %s: %s", near.s, hint);
    text_release(&near);
    return st;
}

/* " of digits.cfg:7"; nothing for the command line. */
static const char *place(char out[128], const char *before, const origin *at)
{
    out[0] = '\0';
    if (at->file) snprintf(out, 128, "%s%s:%d", before, at->file, at->line);
    return out;
}

/* A word for messages, cut where it is long. */
static int shown(const token *t)
{
    return t->n < 60 ? (int)t->n : 60;
}

static status unexpected_value(const reader *r, const token *t, error *err)
{
    const token *key = &r->open[r->depth].key;
    char after[80] = "in this list";
    if (r->expect == EXPECT_VALUE) {
        snprintf(after, sizeof(after), "after \"%.*s =\"", shown(key), key->s);
    }
    if (t->kind == TOKEN_NAME) {
        static const char *const switches[] = { "yes", "no", "on", "off" };
        for (size_t i = 0; i < sizeof(switches) / sizeof(*switches); i++) {
            if (t->n == strlen(switches[i]) && memcmp(t->s, switches[i], t->n) == 0) {
                return unexpected(t, err, "expected true or false");
            }
        }
        return unexpected(t, err, "text is written in quotes, \"%.*s\"", shown(t), t->s);
    }
    if (t->kind == TOKEN_JUNK && t->n == 3 && memcmp(t->s, "\xE2\x80", 2) == 0) {
        return unexpected(t, err, "the quotes of text are the straight ones, \"");
    }
    if (t->kind == TOKEN_JUNK && t->n > 1) {
        return unexpected(t, err, "this is no number, and text is written in quotes");
    }
    return unexpected(t, err, "expected a value %s", after);
}

static status add_key(reader *r, const token *t, error *err)
{
    bracket *group = &r->open[r->depth];
    char where[128];
    for (const seen_key *k = group->keys; k; k = k->next) {
        if (k->n != t->n || memcmp(k->s, t->s, t->n) != 0) continue;
        return fail_at(err, E_CONFLICT, &t->at, "\"%.*s\" is already set%s", shown(t), t->s,
            place(where, " at ", &k->at));
    }
    seen_key *k = arena_alloc(&r->scratch, sizeof(*k));
    if (!k) return fail_nomem(err, "a config key");
    *k = (seen_key){ .s = t->s, .n = t->n, .at = t->at, .next = group->keys };
    group->keys = k;
    group->key = *t;
    r->expect = EXPECT_EQUALS;
    return put(r, &t->at, t->s, t->n, err);
}

/* What may follow once a value is complete. */
static expectation after_value(const reader *r)
{
    return r->depth == 0 || r->open[r->depth].sign == '{' ? EXPECT_MORE : EXPECT_COMMA;
}

static status open_bracket(reader *r, const token *t, error *err)
{
    if (r->depth == MAX_NESTING) {
        return fail_at(err, E_PARSE, &t->at, "brackets nest deeper than %d levels", MAX_NESTING);
    }
    r->open[++r->depth] = (bracket){ .sign = t->s[0], .at = t->at };
    bool is_group = t->s[0] == '{';
    r->expect = is_group ? EXPECT_KEY : EXPECT_ITEM;
    r->comma_due = false;
    return put(r, &t->at, is_group ? "{" : "(", 1, err);
}

static status close_bracket(reader *r, const token *t, error *err)
{
    const token *key = &r->open[r->depth].key;
    const bracket *open = &r->open[r->depth];
    if (r->depth == 0) return unexpected(t, err, "no bracket is open here");
    char closing = (char)(open->sign == '(' ? ')' : open->sign + 2); /* [\] and {|} */
    if (t->s[0] != closing) {
        char where[128];
        return unexpected(
            t, err, "the \"%c\"%s is still open", open->sign, place(where, " of ", &open->at));
    }
    if (r->expect == EXPECT_EQUALS) {
        return unexpected(t, err, "expected \"=\" after \"%.*s\"", shown(key), key->s);
    }
    if (r->expect == EXPECT_VALUE) return unexpected_value(r, t, err);
    r->depth--;
    r->expect = after_value(r);
    return put(r, &t->at, closing == '}' ? "}" : ")", 1, err);
}

/* A value where one is expected. */
static status take_value(reader *r, const token *t, error *err)
{
    const token *key = &r->open[r->depth].key;
    status st = OK;
    bool is_value = t->kind == TOKEN_BOOL || t->kind == TOKEN_INT || t->kind == TOKEN_REAL ||
        t->kind == TOKEN_STRING || t->kind == TOKEN_OPEN;
    if (!is_value) return unexpected_value(r, t, err);
    if (r->expect == EXPECT_ITEM && r->comma_due) TRY(put(r, &t->at, ",", 1, err));
    TRY(origins_add(&r->out->values, r->expect == EXPECT_ITEM ? &t->at : &key->at, err));
    if (t->kind == TOKEN_OPEN) return open_bracket(r, t, err);
    r->expect = after_value(r);
    if (t->kind == TOKEN_INT) return put_integer(r, t, err);
    st = put(r, &t->at, t->s, t->n, err);
done:
    return st;
}

/* Between two settings of a group. */
static status take_key(reader *r, const token *t, error *err)
{
    const token *key = &r->open[r->depth].key;
    if (t->kind == TOKEN_NAME) return add_key(r, t, err);
    bool is_separator = t->kind == TOKEN_SEMICOLON || t->kind == TOKEN_COMMA;
    if (r->expect == EXPECT_MORE && is_separator) {
        r->expect = EXPECT_KEY;
        return put(r, &t->at, ";", 1, err);
    }
    if (r->expect == EXPECT_MORE) {
        return unexpected(t, err, "expected \";\" after the value of \"%.*s\"", shown(key), key->s);
    }
    return unexpected(t, err, "expected a key%s", t->kind == TOKEN_OPEN ? " and \"=\"" : "");
}

static status take_equals(reader *r, const token *t, error *err)
{
    const token *key = &r->open[r->depth].key;
    if (t->kind == TOKEN_EQUALS) {
        r->expect = EXPECT_VALUE;
        return put(r, &t->at, "=", 1, err);
    }
    if (t->n == 1 && t->s[0] == '.') {
        return unexpected(t, err, "a key has no dots, write %.*s = { ... }", shown(key), key->s);
    }
    return unexpected(t, err, "expected \"=\" after \"%.*s\"", shown(key), key->s);
}

static status take_comma(reader *r, const token *t, error *err)
{
    if (t->kind == TOKEN_COMMA) {
        r->expect = EXPECT_ITEM;
        r->comma_due = true;
        return OK;
    }
    const bracket *open = &r->open[r->depth];
    char where[128];
    return unexpected(t, err, "expected \",\" or \"%c\" in the list%s",
        open->sign == '(' ? ')' : ']', place(where, " of ", &open->at));
}

static status take_word(reader *r, const token *t, error *err)
{
    if (t->kind == TOKEN_JUNK && t->s[0] == '@') {
        return unexpected(t, err, "it is written @include \"name.cfg\"");
    }
    bool is_continued = t->kind == TOKEN_STRING && r->before == TOKEN_STRING;
    if (t->kind == TOKEN_CLOSE) return close_bracket(r, t, err);
    if (is_continued) return put(r, &t->at, t->s, t->n, err); /* "a" "b" is one string */
    switch (r->expect) {
    case EXPECT_KEY:
    case EXPECT_MORE: return take_key(r, t, err);
    case EXPECT_EQUALS: return take_equals(r, t, err);
    case EXPECT_VALUE:
    case EXPECT_ITEM: return take_value(r, t, err);
    case EXPECT_COMMA: return take_comma(r, t, err);
    }
    return fail(err, E_INTERNAL, "a config word without a state");
}

static status read_unit(reader *r, const unit *u, const char *s, size_t n, error *err);

/* Reads a file into the scratch arena. */
static status read_text(reader *r, const char *path, char **out, size_t *out_n, error *err)
{
    char *heap = NULL;
    size_t n = 0;
    status st = file_read(path, &heap, &n, err);
    if (st != OK) return st;
    const char *nul = memchr(heap, '\0', n);
    if (nul) {
        st = fail(err, E_PARSE, "%s: a NUL byte at offset %td: a config is text", path, nul - heap);
        free(heap);
        return st;
    }
    char *s = n < SIZE_MAX ? arena_alloc(&r->scratch, n + 1) : NULL;
    if (s) memcpy(s, heap, n); /* the arena's bytes are zero, so s ends with NUL */
    free(heap);
    if (!s) return fail_nomem(err, path);
    *out = s;
    *out_n = n;
    return OK;
}

/* "a.cfg -> b.cfg -> a.cfg" */
static void add_chain(const unit *u, const char *absolute, text *t)
{
    if (strcmp(u->absolute, absolute) != 0) add_chain(u->from, absolute, t);
    text_add(t, u->file->name);
    text_add(t, " -> ");
}

/* OK when `absolute` may be read from within `u`. */
static status check_loop(
    const unit *u, const char *absolute, const char *name, const origin *at, error *err)
{
    int depth = 0;
    for (const unit *above = u; above; above = above->from, depth++) {
        if (!above->absolute || strcmp(above->absolute, absolute) != 0) continue;
        text chain;
        text_init(&chain);
        add_chain(u, absolute, &chain);
        status st = text_check(&chain, err);
        if (st == OK) {
            st =
                fail_at(err, E_CONFLICT, at, "these files include each other: %s%s", chain.s, name);
        }
        text_release(&chain);
        return st;
    }
    if (depth <= MAX_INCLUDES) return OK;
    return fail_at(err, E_RANGE, at, "includes nest deeper than %d files", MAX_INCLUDES);
}

static status take_include(reader *r, const unit *u, const token *t, error *err)
{
    status st = OK;
    if (!r->may_include) return unexpected(t, err, "files are included by files only");
    char *name = arena_strndup(&r->scratch, t->s, t->n);
    if (!name) return fail_nomem(err, "an include");
    char *path = path_join(&r->scratch, u->file->dir, name);
    char *absolute = path ? path_absolute(&r->scratch, path) : NULL;
    if (!absolute) return fail_nomem(err, "an include");
    TRY(check_loop(u, absolute, path, &t->at, err));
    char *s = NULL;
    size_t n = 0;
    st = read_text(r, path, &s, &n, err);
    if (st != OK) return error_where(err, "%s:%d: @include", t->at.file, t->at.line);
    unit inner = { .file = config_file_get(r->c, path, NULL), .absolute = absolute, .from = u };
    if (!inner.file) return fail_nomem(err, "an include");
    TRY(read_unit(r, &inner, s, n, err));
done:
    return st;
}

static status read_unit(reader *r, const unit *u, const char *s, size_t n, error *err)
{
    status st = OK;
    bool has_mark = n >= 3 && memcmp(s, "\xEF\xBB\xBF", 3) == 0; /* a byte order mark */
    cursor c = { .p = has_mark ? s + 3 : s, .end = s + n, .at = { u->file->name, 1 } };
    if (!r->may_include) {
        c.at = (origin){ NULL, 0 };
        c.is_piece = true;
    }
    for (token t = { 0 };;) {
        TRY(token_next(&c, &t, err));
        if (t.kind == TOKEN_INCLUDE) {
            TRY(take_include(r, u, &t, err));
            continue;
        }
        if (t.kind == TOKEN_END && u->from) break;
        if (t.kind == TOKEN_END && r->depth > 0) {
            const bracket *open = &r->open[r->depth];
            return fail_at(err, E_PARSE, &open->at, "the \"%c\" here is never closed", open->sign);
        }
        if (t.kind == TOKEN_END && r->expect != EXPECT_EQUALS && r->expect != EXPECT_VALUE) break;
        TRY(take_word(r, &t, err));
        r->before = t.kind;
    }
done:
    return st;
}

static status read_all(reader *r, const unit *u, const char *s, size_t n, error *err)
{
    status st = OK;
    TRY(read_unit(r, u, s, n, err));
    text_add(&r->out->text, "\n"); /* never empty */
    TRY(text_check(&r->out->text, err));
done:
    return st;
}

status source_load(config *c, const char *path, source *out, error *err)
{
    *out = (source){ 0 };
    reader r = { .c = c, .out = out, .may_include = true };
    arena_init(&r.scratch);
    char *s = NULL;
    size_t n = 0;
    status st = OK;
    TRY(read_text(&r, path, &s, &n, err));
    unit u = { .file = config_file_get(c, path, NULL),
        .absolute = path_absolute(&r.scratch, path) };
    if (!u.file || !u.absolute) {
        st = fail_nomem(err, path);
        goto done;
    }
    TRY(read_all(&r, &u, s, n, err));
done:
    arena_release(&r.scratch);
    return st;
}

status source_parse(config *c, const char *name, const char *written, source *out, error *err)
{
    *out = (source){ 0 };
    reader r = { .c = c, .out = out, .may_include = name != NULL };
    arena_init(&r.scratch);
    status st = OK;
    unit u = { .file = config_file_get(c, name ? name : "command line", ".") };
    if (!u.file) {
        st = fail_nomem(err, "a config");
        goto done;
    }
    TRY(read_all(&r, &u, written, strlen(written), err));
done:
    arena_release(&r.scratch);
    return st;
}

void source_release(source *s)
{
    text_release(&s->text);
    free(s->lines.item);
    free(s->values.item);
    *s = (source){ 0 };
}
