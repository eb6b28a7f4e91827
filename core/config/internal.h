/* What the files of this room share: the text that libconfig gets to see, and the values made of it. */
#ifndef ASSAY_CORE_CONFIG_INTERNAL_H
#define ASSAY_CORE_CONFIG_INTERNAL_H

#include "config/config.h"

/* A file that values come from, by the name that messages give it. */
typedef struct config_file {
    const char *name;
    const char *dir; /* where its relative paths start */
    struct config_file *next;
} config_file;

struct config {
    arena memory;
    config_file *files;
    value *root;
};

typedef enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_BOOL,
    TOKEN_INT,
    TOKEN_REAL,
    TOKEN_STRING, /* with its quotes */
    TOKEN_OPEN, /* ( [ { */
    TOKEN_CLOSE, /* ) ] } */
    TOKEN_EQUALS, /* = : */
    TOKEN_COMMA,
    TOKEN_SEMICOLON,
    TOKEN_INCLUDE, /* @include "x"; the token is x */
    TOKEN_JUNK, /* nothing that the grammar knows */
} token_kind;

typedef struct token {
    token_kind kind;
    const char *s; /* [n], inside the text that is read */
    size_t n;
    int64_t integer; /* of TOKEN_INT */
    origin at;
} token;

/* A place in a text; `at` is that of `p`. */
typedef struct cursor {
    const char *p, *end; /* *end is NUL */
    origin at;
    bool
        is_piece; /* of a command line: knows no comments, as # and // belong to names and addresses */
} cursor;

/* The next token. Errors: E_PARSE for strings and comments that do not end, E_RANGE for numbers that no
 * int64_t or double holds. */
status token_next(cursor *c, token *out, error *err) MUST_CHECK;

/* A short printable form, for messages. */
void token_show(const token *t, text *out);

/* A list of origins on the heap. */
typedef struct origins {
    origin *item; // [n]
    size_t n, capacity;
} origins;

/* A file and all it includes as one text in the grammar of libconfig 1.5. */
typedef struct source {
    text text;
    origins lines; /* line k + 1 of the text was written at lines.item[k] */
    origins values; /* where each value was written, in document order */
} source;

/* Reads `path`, with its includes. `out` is released by the caller, whatever happens. */
status source_load(config *c, const char *path, source *out, error *err) MUST_CHECK;

/* The same from memory. With `name` NULL the text is a piece of the command line: no includes, and
 * messages name no place. */
status source_parse(
    config *c, const char *name, const char *written, source *out, error *err) MUST_CHECK;
void source_release(source *s);

/* The settings of `s` as values of `c`. */
status tree_read(config *c, const source *s, value **out, error *err) MUST_CHECK;

/* The file by its name, made known with `dir` (NULL: the folder of the name) when it is new. NULL when
 * memory is out. */
config_file *config_file_get(config *c, const char *name, const char *dir);

/* Makes room for one more item at the end of a list or group. */
bool value_push(config *c, value *parent, value *item);

/* Takes item `i` out. */
void value_take(value *parent, size_t i);

/* "abc" with quotes and libconfig's escapes. */
void text_add_quoted(text *t, const char *s);

/* Whether libconfig takes s[0..n) as a key. */
bool is_key(const char *s, size_t n);

#endif
