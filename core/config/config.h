/* A configuration: typed values that remember their file and line for ever.
 *
 * libconfig 1.5 does the grammar; this room hides its sharp edges: `lr = 1` reads as a real, integers
 * that do not fit 32 bits are kept, `@include` and paths are relative to the file that holds them, reals
 * are written so that they read back equal. No other room names libconfig. */
#ifndef ASSAY_CORE_CONFIG_CONFIG_H
#define ASSAY_CORE_CONFIG_CONFIG_H

#include "base/arena.h"
#include "base/error.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum value_kind {
    VALUE_BOOL,
    VALUE_INT,
    VALUE_REAL,
    VALUE_STRING,
    VALUE_LIST, /* ( ... ) and [ ... ] alike */
    VALUE_GROUP, /* { ... } */
} value_kind;

typedef struct value value;

struct value {
    value_kind kind;
    const char *name; /* its key in the group; NULL in a list and for the root */
    origin at; /* where it was written; {"default", 0} for one that a schema filled in */
    bool is_default; /* filled in by a schema, not written by the user */
    union {
        bool boolean;
        int64_t integer;
        double real;
        const char *string;
    } as;
    value **item; /* of a group or list */
    size_t n;
    value *parent; /* NULL for the root */
};

typedef struct config config;

/* Reads a file with its includes. The grammar is libconfig's, but that kinds may mix in an array, a last
 * comma is fine, integers need no L, and a string ends on its line. Errors name file:line: E_PARSE,
 * E_RANGE (a number that 64 bits do not hold), E_CONFLICT (a key set twice, an include loop), E_IO. */
status config_load(const char *path, config **out, error *err) MUST_CHECK;

/* The same from memory; `name` stands for the file name, and relative includes start at the working
 * directory. */
status config_parse(const char *name, const char *written, config **out, error *err) MUST_CHECK;
/* The same as if `written` stood in the file `path`, which is not read: relative includes and paths start at its folder. */
status config_parse_as(const char *path, const char *written, config **out, error *err) MUST_CHECK;
void config_free(config *c);

/* The root group; borrowed. */
value *config_root(const config *c);

/* Values live in the config's arena; those who add to the tree allocate there. */
arena *config_arena(config *c);

/* One override as in Hydra: `a.b[1].c=V` sets (the group must exist; the key may be new), `+a.b=V` adds
 * (an error if it is there; groups on the way are made, and the place after a list's last item is one
 * that is not there), `~a.b` deletes (an error if it is not). A component written as a bare string
 * becomes a group with that `type` when a path goes below it. V is read as a value of a file would be;
 * if that fails it is a string, unless it begins with ( [ { or ": then it is an error. The new value's
 * origin is {"command line", 0}. Setting a `type` to another component keeps the other keys; a key the
 * new component does not know is then reported by the binder as unknown. On an error the tree stays as
 * it was. */
status config_override(config *c, const char *assignment, error *err) MUST_CHECK;

/* Finds by key in a group; NULL when absent or when `group` is NULL. */
value *value_find(const value *group, const char *key);

/* Where one of a thing may stand without a list around it: how many there are, 0 of NULL; the i-th of them. */
size_t value_n_items(const value *v);
value *value_item(const value *v, size_t i);

/* Typed reads: an int is accepted as a real, never the other way (1.0 is not an int); the strings "inf",
 * "-inf" and "nan", which libconfig cannot write as numbers, are accepted as reals. On the wrong kind
 * E_TYPE: `file:line: path: expected a real number, found "abc"`. */
status value_to_bool(const value *v, bool *out, error *err) MUST_CHECK;
status value_to_int(const value *v, int64_t *out, error *err) MUST_CHECK;
status value_to_real(const value *v, double *out, error *err) MUST_CHECK;
status value_to_string(const value *v, const char **out, error *err) MUST_CHECK;

/* "optimizer.inner.lr", "model[2].units". `t` is added to. */
void value_path(const value *v, text *t);

/* What it is, for messages: `"abc"`, `3`, `a group`, `a list`. */
void value_describe(const value *v, text *t);

/* Adds a child (name NULL for a list) at the end; NULL when memory is out. The caller fills kind and content in;
 * origin is {"default", 0} and is_default true until it says otherwise. */
value *value_add(config *c, value *parent, const char *name);

/* Removes a child by key; true when it was there. The value itself lives on in the arena. */
bool value_remove(value *group, const char *key);

/* The folder that relative paths of this value start from: that of its file; the working directory
 * for the command line and defaults. In the config's arena; NULL when memory is out. */
const char *value_dir(config *c, const value *v);

/* The whole tree as text in libconfig's grammar, added to `out`, such that it reads back equal
 * (value_equal). Short groups and lists are written on one line. */
status config_to_text(const config *c, text *out, error *err) MUST_CHECK;

/* One value on one line, in the same grammar; added to `out`. */
void value_to_text(const value *v, text *out);

/* The same content: kinds, numbers bit for bit, items in order, keys in any order. Names of `a` and `b`
 * themselves, origins and `is_default` do not count. A real that is not finite equals the string that
 * config_to_text writes for it. */
bool value_equal(const value *a, const value *b);

/* A deep copy of a subtree below `parent` of config `c`. NULL when memory is out. */
value *value_copy(config *c, value *parent, const char *name, const value *from);

#endif
