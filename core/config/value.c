/* The tree of values: finding, adding, removing, copying, naming.
 *
 * Values and their arrays live in the config's arena and are never given back one by one. An array of
 * items holds the next power of two, at least four, so its capacity follows from its length. */
#include "config/internal.h"

#include <math.h>
#include <string.h>

enum { SHOWN_BYTES = 40 }; /* of a string, in messages */

static const char default_name[] = "default";

bool value_push(config *c, value *parent, value *item)
{
    size_t n = parent->n;
    if (n == 0 || (n >= 4 && (n & (n - 1)) == 0)) {
        size_t capacity = 0;
        if (!size_product(n < 4 ? 2 : n, 2, &capacity)) return false;
        value **grown = arena_alloc_array(&c->memory, capacity, sizeof(*grown));
        if (!grown) return false;
        if (n > 0) memcpy(grown, parent->item, n * sizeof(*grown));
        parent->item = grown;
    }
    parent->item[parent->n++] = item;
    item->parent = parent;
    return true;
}

void value_take(value *parent, size_t i)
{
    memmove(parent->item + i, parent->item + i + 1, (parent->n - i - 1) * sizeof(value *));
    parent->n--;
}

value *value_find(const value *group, const char *key)
{
    if (!group || group->kind != VALUE_GROUP) return NULL;
    for (size_t i = 0; i < group->n; i++) {
        if (strcmp(group->item[i]->name, key) == 0) return group->item[i];
    }
    return NULL;
}

size_t value_n_items(const value *v)
{
    return !v ? 0 : v->kind == VALUE_LIST ? v->n : 1;
}

value *value_item(const value *v, size_t i)
{
    return v->kind == VALUE_LIST ? v->item[i] : (value *)(uintptr_t)v;
}

value *value_add(config *c, value *parent, const char *name)
{
    value *v = arena_alloc(&c->memory, sizeof(*v));
    if (!v) return NULL;
    if (name && !(v->name = arena_strdup(&c->memory, name))) return NULL;
    v->at.file = default_name;
    v->is_default = true;
    return value_push(c, parent, v) ? v : NULL;
}

bool value_remove(value *group, const char *key)
{
    const value *v = value_find(group, key);
    if (!v) return false;
    size_t i = 0;
    while (group->item[i] != v)
        i++;
    value_take(group, i);
    return true;
}

static bool copy_content(config *c, value *to, const value *from)
{
    to->kind = from->kind;
    to->is_default = from->is_default;
    to->at = from->at;
    if (from->at.file && strcmp(from->at.file, default_name) != 0) {
        const config_file *file = config_file_get(c, from->at.file, NULL);
        if (!file) return false;
        to->at.file = file->name;
    }
    if (from->kind == VALUE_STRING) {
        to->as.string = arena_strdup(&c->memory, from->as.string);
        return to->as.string != NULL;
    }
    to->as = from->as;
    for (size_t i = 0; i < from->n; i++) {
        if (!value_copy(c, to, from->item[i]->name, from->item[i])) return false;
    }
    return true;
}

value *value_copy(config *c, value *parent, const char *name, const value *from)
{
    value *v = value_add(c, parent, name);
    return v && copy_content(c, v, from) ? v : NULL;
}

void value_path(const value *v, text *t)
{
    if (!v->parent) return;
    value_path(v->parent, t);
    if (v->name) {
        if (v->parent->parent) text_add(t, ".");
        text_add(t, v->name);
        return;
    }
    size_t i = 0;
    while (i < v->parent->n && v->parent->item[i] != v)
        i++;
    text_printf(t, "[%zu]", i);
}

static void describe_string(const char *s, text *t)
{
    char head[SHOWN_BYTES + 1];
    size_t n = strlen(s);
    if (n <= SHOWN_BYTES) {
        text_add_quoted(t, s);
        return;
    }
    n = SHOWN_BYTES;
    while (n > 0 && ((unsigned char)s[n] & 0xC0u) == 0x80u)
        n--; /* not inside a UTF-8 sequence */
    memcpy(head, s, n);
    head[n] = '\0';
    text_add_quoted(t, head);
    text_add(t, "...");
}

void value_describe(const value *v, text *t)
{
    switch (v->kind) {
    case VALUE_BOOL: text_add(t, v->as.boolean ? "true" : "false"); break;
    case VALUE_INT: text_printf(t, "%lld", (long long)v->as.integer); break;
    case VALUE_REAL: text_add_real(t, v->as.real); break;
    case VALUE_STRING: describe_string(v->as.string, t); break;
    case VALUE_LIST: text_add(t, "a list"); break;
    case VALUE_GROUP: text_add(t, "a group"); break;
    }
}

static bool is_spelled(double real, const char *s)
{
    if (isnan(real)) return strcmp(s, "nan") == 0;
    return isinf(real) && strcmp(s, real < 0 ? "-inf" : "inf") == 0;
}

static bool same_real(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && !signbit(a) == !signbit(b));
}

static bool same_items(const value *a, const value *b)
{
    if (a->n != b->n) return false;
    for (size_t i = 0; i < a->n; i++) {
        const value *other = a->kind == VALUE_GROUP ? value_find(b, a->item[i]->name) : b->item[i];
        if (!other || !value_equal(a->item[i], other)) return false;
    }
    return true;
}

bool value_equal(const value *a, const value *b)
{
    if (a->kind == VALUE_REAL && b->kind == VALUE_STRING) {
        return is_spelled(a->as.real, b->as.string);
    }
    if (a->kind == VALUE_STRING && b->kind == VALUE_REAL) return value_equal(b, a);
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case VALUE_BOOL: return a->as.boolean == b->as.boolean;
    case VALUE_INT: return a->as.integer == b->as.integer;
    case VALUE_REAL: return same_real(a->as.real, b->as.real);
    case VALUE_STRING: return strcmp(a->as.string, b->as.string) == 0;
    case VALUE_LIST:
    case VALUE_GROUP: return same_items(a, b);
    }
    return false;
}
