/* A config from its text: libconfig parses, its settings become values of our own.
 *
 * The values live in an arena and know where they were written; libconfig's tree is gone when this file
 * is done. The only file of assay that names libconfig. */
#include "config/internal.h"

#include "base/file.h"

#include <libconfig.h>

#include <stdlib.h>
#include <string.h>

config_file *config_file_get(config *c, const char *name, const char *dir)
{
    for (config_file *f = c->files; f; f = f->next) {
        if (strcmp(f->name, name) == 0) return f;
    }
    config_file *f = arena_alloc(&c->memory, sizeof(*f));
    if (!f) return NULL;
    f->name = arena_strdup(&c->memory, name);
    f->dir = dir ? arena_strdup(&c->memory, dir) : path_dir(&c->memory, name);
    if (!f->name || !f->dir) return NULL;
    f->next = c->files;
    c->files = f;
    return f;
}

/* The settings in document order, which is that of source.values. */
typedef struct walk {
    config *c;
    const source *s;
    size_t i_value;
} walk;

static status read_items(walk *w, const config_setting_t *from, value *to, error *err);

static status read_setting(walk *w, const config_setting_t *from, value *to, error *err)
{
    if (w->i_value == w->s->values.n) return fail(err, E_INTERNAL, "a config value without a line");
    to->at = w->s->values.item[w->i_value++];
    to->is_default = false;
    switch (config_setting_type(from)) {
    case CONFIG_TYPE_BOOL:
        to->kind = VALUE_BOOL;
        to->as.boolean = config_setting_get_bool(from) != 0;
        return OK;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        to->kind = VALUE_INT;
        to->as.integer = config_setting_get_int64(from);
        return OK;
    case CONFIG_TYPE_FLOAT:
        to->kind = VALUE_REAL;
        to->as.real = config_setting_get_float(from);
        return OK;
    case CONFIG_TYPE_STRING:
        to->kind = VALUE_STRING;
        to->as.string = arena_strdup(&w->c->memory, config_setting_get_string(from));
        return to->as.string ? OK : fail_nomem(err, "a config string");
    case CONFIG_TYPE_GROUP: to->kind = VALUE_GROUP; break;
    default: to->kind = VALUE_LIST; break;
    }
    return read_items(w, from, to, err);
}

static status read_items(walk *w, const config_setting_t *from, value *to, error *err)
{
    int n = config_setting_length(from);
    for (int i = 0; i < n; i++) {
        const config_setting_t *item = config_setting_get_elem(from, (unsigned)i);
        value *v = value_add(w->c, to, config_setting_name(item));
        if (!v) return fail_nomem(err, "a config value");
        status st = read_setting(w, item, v, err);
        if (st != OK) return st;
    }
    return OK;
}

/* What libconfig still refuses, at the user's line. */
static status parse_error(const config_t *parsed, const source *s, error *err)
{
    int line = config_error_line(parsed);
    origin at = { 0 };
    if (line >= 1 && (size_t)line <= s->lines.n) at = s->lines.item[line - 1];
    const char *reason = config_error_text(parsed);
    return fail_at(err, E_PARSE, &at, "%s", reason ? reason : "syntax error");
}

status tree_read(config *c, const source *s, value **out, error *err)
{
    status st = OK;
    config_t parsed;
    config_init(&parsed);
    walk w = { .c = c, .s = s };
    value *root = arena_alloc(&c->memory, sizeof(*root));
    if (!root) {
        st = fail_nomem(err, "a config");
        goto done;
    }
    root->kind = VALUE_GROUP;
    if (config_read_string(&parsed, s->text.s) != CONFIG_TRUE) {
        st = parse_error(&parsed, s, err);
        goto done;
    }
    TRY(read_items(&w, config_root_setting(&parsed), root, err));
    if (w.i_value != s->values.n) {
        st = fail(err, E_INTERNAL, "a config line without a value");
        goto done;
    }
    *out = root;
done:
    config_destroy(&parsed);
    return st;
}

/* `written` NULL: the file `name`; is_file: it lies in `name`'s folder. */
static status make(const char *name, const char *written, bool is_file, config **out, error *err)
{
    status st = OK;
    source s = { 0 };
    config *c = calloc(1, sizeof(*c));
    if (!c) return fail_nomem(err, "a config");
    arena_init(&c->memory);
    /* Known before it is read, so that its folder is. */
    if (is_file && !config_file_get(c, name, NULL)) TRY(fail_nomem(err, "a config"));
    TRY(written ? source_parse(c, name, written, &s, err) : source_load(c, name, &s, err));
    TRY(tree_read(c, &s, &c->root, err));
    c->root->at.file = config_file_get(c, name, NULL)->name;
    *out = c;
    c = NULL;
done:
    source_release(&s);
    config_free(c);
    return st;
}

status config_load(const char *path, config **out, error *err)
{
    return make(path, NULL, true, out, err);
}

status config_parse(const char *name, const char *written, config **out, error *err)
{
    return make(name, written, false, out, err);
}

status config_parse_as(const char *path, const char *written, config **out, error *err)
{
    return make(path, written, true, out, err);
}

void config_free(config *c)
{
    if (!c) return;
    arena_release(&c->memory);
    free(c);
}

value *config_root(const config *c)
{
    return c->root;
}

arena *config_arena(config *c)
{
    return &c->memory;
}

const char *value_dir(config *c, const value *v)
{
    if (!v->at.file) return ".";
    for (const config_file *f = c->files; f; f = f->next) {
        if (strcmp(f->name, v->at.file) == 0) return f->dir;
    }
    return ".";
}
