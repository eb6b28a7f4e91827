/* Binding: a config group read against a table into the author's struct.
 *
 * First every key of the group must be somebody's; then the rows are read in their order. What the
 * user did not write is written into the tree with its default, so that the tree afterwards is the
 * resolved config. A message says where, whose, which, what was expected and what was found:
 *
 *     digits.cfg:11: optimizer "adam": lr: expected a real number in [0, inf), found -1 */
#include "registry/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* One call of hyper_bind. */
typedef struct binder {
    config *c;
    value *group;
    const hyper_table *table;
    const hyper_bind_options *o;
    char *out;
    instance **nested; // [n_nested], NULL after them
    size_t n_nested;
    error *err;
} binder;

static bool is_reserved(const binder *b, const char *key)
{
    for (const char *const *r = b->o->reserved; r && *r; r++) {
        if (strcmp(*r, key) == 0) return true;
    }
    return false;
}

/* Whether it was written on the command line. */
static bool is_typed(const value *v)
{
    return !v->is_default && v->at.file && v->at.line == 0;
}

/* Whether the key stands in the file, and `type` alone was changed on the command line. */
static bool is_left_over(const binder *b, const value *v)
{
    const value *type = value_find(b->group, "type");
    return type && type->kind == VALUE_STRING && is_typed(type) && !is_typed(v);
}

static void add_way_out(const binder *b, const value *v, text *t)
{
    const char *type = value_find(b->group, "type")->as.string;
    text group = { 0 }, key = { 0 };
    value_path(b->group, &group);
    value_path(v, &key);
    text_printf(t,
        "it was meant for the type in the file; %s=%s leaves out all of that one's keys, ~%s only "
        "this",
        group.s ? group.s : "", type, key.s ? key.s : "");
    text_release(&group);
    text_release(&key);
}

static status fail_unknown_key(const binder *b, const value *v)
{
    size_t n_reserved = 0;
    while (b->o->reserved && b->o->reserved[n_reserved])
        n_reserved++;
    const char **known = malloc((b->table->n + n_reserved + 1) * sizeof *known);
    if (!known) return fail_nomem(b->err, v->name);
    size_t n = 0;
    for (size_t i = 0; i < b->table->n; i++)
        known[n++] = hyper_row(b->table, i)->name;
    size_t n_listed = n;
    for (size_t i = 0; i < n_reserved; i++)
        known[n++] = b->o->reserved[i];
    if (b->o->noun) n_listed = n; /* a block of the host's: the groups in it are its own, too */
    const char *noun = b->o->noun ? b->o->noun : "hyperparameter";
    const char *nearest = text_nearest(v->name, known, n);
    text t;
    text_init(&t);
    if (is_left_over(b, v)) {
        add_way_out(b, v, &t);
    } else if (nearest) {
        text_printf(&t, "did you mean \"%s\"?", nearest);
    } else if (n_listed == 0) {
        text_add(&t, "it has none");
    } else {
        for (size_t i = 0; i < n_listed; i++)
            text_printf(&t, "%s%s", i ? ", " : "known are ", known[i]);
    }
    const status st = fail_at(b->err, E_UNKNOWN, &v->at, "%s: unknown %s \"%s\": %s", b->o->what,
        noun, v->name, t.s ? t.s : "");
    text_release(&t);
    free(known);
    return st;
}

static status check_keys(const binder *b)
{
    for (size_t i = 0; i < b->group->n; i++) {
        const value *v = b->group->item[i];
        if (!hyper_find(b->table, v->name) && !is_reserved(b, v->name))
            return fail_unknown_key(b, v);
    }
    return OK;
}

/* "lr" or "milestones[1]". */
static void add_name(const assay_hyper *row, const value *v, text *t)
{
    text_add(t, row->name);
    const value *list = v->parent;
    if (v->name || !list || list->kind != VALUE_LIST) return;
    for (size_t i = 0; i < list->n; i++) {
        if (list->item[i] == v) text_printf(t, "[%zu]", i);
    }
}

static status fail_value(
    const binder *b, const assay_hyper *row, const value *v, status code, const char *expected)
{
    text t;
    text_init(&t);
    add_name(row, v, &t);
    text_printf(&t, ": expected %s, found ", expected);
    value_describe(v, &t);
    const status st = fail_at(b->err, code, &v->at, "%s: %s", b->o->what, t.s ? t.s : row->name);
    text_release(&t);
    return st;
}

/* `article` with the row's range after it. */
static status fail_number(
    const binder *b, const assay_hyper *row, const value *v, status code, const char *article)
{
    text t;
    text_init(&t);
    text_printf(&t, "%s in ", article);
    hyper_range_text(row, &t);
    const status st = fail_value(b, row, v, code, t.s ? t.s : article);
    text_release(&t);
    return st;
}

static status read_real(const binder *b, const assay_hyper *row, const value *v, double *out)
{
    double x;
    if (value_to_real(v, &x, NULL) != OK) return fail_number(b, row, v, E_TYPE, "a real number");
    if (!hyper_in_range(row, x)) return fail_number(b, row, v, E_RANGE, "a real number");
    *out = x;
    return OK;
}

static status read_int(const binder *b, const assay_hyper *row, const value *v, int64_t *out)
{
    int64_t x;
    if (value_to_int(v, &x, NULL) != OK) return fail_number(b, row, v, E_TYPE, "a whole number");
    if (!hyper_in_range(row, (double)x)) return fail_number(b, row, v, E_RANGE, "a whole number");
    *out = x;
    return OK;
}

/* Strings that are paths become absolute, in the tree too. */
static status read_string(const binder *b, const assay_hyper *row, value *v, const char **out)
{
    if (v->kind != VALUE_STRING) {
        return fail_value(
            b, row, v, E_TYPE, row->flags & ASSAY_PATH ? "a path in quotes" : "a string");
    }
    if ((row->flags & ASSAY_PATH) && v->as.string[0]) {
        const char *dir = value_dir(b->c, v);
        const char *path = dir ? path_join(config_arena(b->c), dir, v->as.string) : NULL;
        path = path ? path_absolute(config_arena(b->c), path) : NULL;
        if (!path) return fail_nomem(b->err, row->name);
        v->as.string = path;
    }
    *out = v->as.string;
    return OK;
}

static status fail_choice(const binder *b, const assay_hyper *row, const value *v)
{
    text t;
    text_init(&t);
    hyper_type_text(row, &t);
    const bool is_string = v->kind == VALUE_STRING;
    const status st =
        fail_value(b, row, v, is_string ? E_UNKNOWN : E_TYPE, t.s ? t.s : "one of its choices");
    text_release(&t);
    const char *nearest =
        is_string ? text_nearest(v->as.string, row->choices, (size_t)row->n_choices) : NULL;
    if (nearest && b->err) {
        const error found = *b->err;
        return fail(b->err, st, "%s: did you mean \"%s\"?", found.text, nearest);
    }
    return st;
}

static status read_choice(const binder *b, const assay_hyper *row, const value *v, int64_t *out)
{
    for (uint64_t i = 0; v->kind == VALUE_STRING && i < row->n_choices; i++) {
        if (strcmp(row->choices[i], v->as.string) == 0) {
            *out = (int64_t)i;
            return OK;
        }
    }
    return fail_choice(b, row, v);
}

/* The three lists have one layout: a pointer and a count. */
typedef struct any_list {
    void *item;
    uint64_t n;
} any_list;

_Static_assert(sizeof(any_list) == sizeof(assay_reals) && sizeof(any_list) == sizeof(assay_ints) &&
        sizeof(any_list) == sizeof(assay_strings),
    "a list is a pointer and a count");

static const char *list_text(const assay_hyper *row)
{
    return row->type == ASSAY_TYPE_REALS ? "a list of real numbers"
        : row->type == ASSAY_TYPE_INTS   ? "a list of whole numbers"
                                         : "a list of strings";
}

static status read_list(const binder *b, const assay_hyper *row, value *v, any_list *out)
{
    if (v->kind != VALUE_LIST) return fail_value(b, row, v, E_TYPE, list_text(row));
    hyper_item *items = arena_alloc_array(config_arena(b->c), v->n + 1, sizeof *items);
    if (!items) return fail_nomem(b->err, row->name);
    for (size_t i = 0; i < v->n; i++) {
        const status st = row->type == ASSAY_TYPE_REALS
            ? read_real(b, row, v->item[i], &items[i].real)
            : row->type == ASSAY_TYPE_INTS ? read_int(b, row, v->item[i], &items[i].integer)
                                           : read_string(b, row, v->item[i], &items[i].string);
        if (st != OK) return st;
    }
    *out = (any_list){ items, v->n };
    return OK;
}

_Static_assert(sizeof(hyper_item) == sizeof(double), "items of a list lie side by side");

static status read_component(binder *b, const assay_hyper *row, value *v, instance **out)
{
    if (v->kind != VALUE_GROUP && v->kind != VALUE_STRING) {
        text t;
        text_init(&t);
        text_printf(&t, "a block { type = ...; } or the name of one (kind %s)", row->kind);
        const status st = fail_value(b, row, v, E_TYPE, t.s ? t.s : "a block");
        text_release(&t);
        return st;
    }
    if (!b->o->registry) {
        return fail_at(
            b->err, E_INTERNAL, &v->at, "%s: %s: no registry to find it in", b->o->what, row->name);
    }
    /* Random numbers of its own; but a strategy in another proposes what it would alone. */
    const char *outer = b->o->purpose ? b->o->purpose : "";
    const bool is_search = strcmp(row->kind, ASSAY_KIND_SEARCH) == 0;
    const char *purpose =
        is_search ? outer : arena_printf(config_arena(b->c), "%s/%s", outer, row->name);
    if (!purpose) return fail_nomem(b->err, row->name);
    const status st =
        instance_new(b->o->registry, b->c, row->kind, v, NULL, b->o->seed, purpose, out, b->err);
    assert(b->nested); /* laid out for a table that has components */
    if (st == OK) b->nested[b->n_nested++] = *out;
    return st;
}

/* Reads `v` and writes it where the row says. */
static status bind_value(binder *b, const assay_hyper *row, value *v)
{
    union {
        double real;
        int64_t integer;
        bool boolean;
        const char *string;
        any_list list;
        instance *component;
    } read = { .list = { NULL, 0 } };
    size_t bytes = sizeof(double);
    status st = OK;
    switch (row->type) {
    case ASSAY_TYPE_REAL: st = read_real(b, row, v, &read.real); break;
    case ASSAY_TYPE_INT: st = read_int(b, row, v, &read.integer); break;
    case ASSAY_TYPE_BOOL:
        if (value_to_bool(v, &read.boolean, NULL) != OK) {
            st = fail_value(b, row, v, E_TYPE, "true or false");
        } else {
            read.integer = read.boolean ? 1 : 0;
        }
        break;
    case ASSAY_TYPE_ENUM: st = read_choice(b, row, v, &read.integer); break;
    case ASSAY_TYPE_STRING: st = read_string(b, row, v, &read.string); break;
    case ASSAY_TYPE_COMPONENT: st = read_component(b, row, v, &read.component); break;
    default:
        bytes = sizeof(any_list);
        st = read_list(b, row, v, &read.list);
        break;
    }
    if (st == OK) memcpy(b->out + row->offset, &read, bytes);
    return st;
}

static bool add_default_items(const binder *b, const assay_hyper *row, value *list)
{
    hyper_item *items;
    size_t n;
    if (hyper_default_items(row, config_arena(b->c), &items, &n, NULL) != OK) return false;
    for (size_t i = 0; i < n; i++) {
        value *v = value_add(b->c, list, NULL);
        if (!v) return false;
        if (row->type == ASSAY_TYPE_REALS) {
            v->kind = VALUE_REAL;
            v->as.real = items[i].real;
        } else if (row->type == ASSAY_TYPE_INTS) {
            v->kind = VALUE_INT;
            v->as.integer = items[i].integer;
        } else {
            v->kind = VALUE_STRING;
            v->as.string = items[i].string;
        }
    }
    return true;
}

/* Writes the default into the tree; *out NULL where there is none to write. */
static status add_default(const binder *b, const assay_hyper *row, value **out)
{
    *out = NULL;
    const bool is_named = row->type == ASSAY_TYPE_STRING || row->type == ASSAY_TYPE_COMPONENT;
    if (is_named && !row->def_string) return OK;
    value *v = value_add(b->c, b->group, row->name);
    if (!v) return fail_nomem(b->err, row->name);
    switch (row->type) {
    case ASSAY_TYPE_REAL:
        v->kind = VALUE_REAL;
        v->as.real = row->def;
        break;
    case ASSAY_TYPE_INT:
        v->kind = VALUE_INT;
        v->as.integer = (int64_t)row->def;
        break;
    case ASSAY_TYPE_BOOL:
        v->kind = VALUE_BOOL;
        v->as.boolean = row->def != 0;
        break;
    case ASSAY_TYPE_ENUM:
        v->kind = VALUE_STRING;
        v->as.string = row->choices[(size_t)row->def];
        break;
    case ASSAY_TYPE_STRING:
    case ASSAY_TYPE_COMPONENT: /* which stands for { type = ...; } */
        v->kind = VALUE_STRING;
        v->as.string = arena_strdup(config_arena(b->c), row->def_string);
        if (!v->as.string) return fail_nomem(b->err, row->name);
        break;
    default:
        v->kind = VALUE_LIST;
        if (!add_default_items(b, row, v)) return fail_nomem(b->err, row->name);
        break;
    }
    *out = v;
    return OK;
}

static status bind_row(binder *b, const assay_hyper *row)
{
    value *v = value_find(b->group, row->name);
    if (v && !v->is_default && (row->flags & ASSAY_DEPRECATED)) {
        registry_note(b->o->registry, ASSAY_LOG_WARNING, "%s: %s is deprecated: %s", b->o->what,
            row->name, row->doc);
    }
    if (!v && (row->flags & ASSAY_REQUIRED)) {
        return fail_at(b->err, E_MISSING, &b->group->at, "%s: \"%s\" is required: %s", b->o->what,
            row->name, row->doc);
    }
    if (!v) {
        const status st = add_default(b, row, &v);
        if (st != OK) return st;
    }
    return v ? bind_value(b, row, v) : OK;
}

status hyper_bind(config *c, value *group, const hyper_table *t, const hyper_bind_options *o,
    void *out_struct, struct instance ***out_nested, error *err)
{
    binder b = { c, group, t, o, out_struct, NULL, 0, err };
    size_t n_components = 0;
    memset(out_struct, 0, t->bytes);
    for (size_t i = 0; i < t->n; i++)
        n_components += hyper_row(t, i)->type == ASSAY_TYPE_COMPONENT;
    if (n_components > 0) {
        b.nested = arena_alloc_array(config_arena(c), n_components + 1, sizeof(instance *));
        if (!b.nested) return fail_nomem(err, o->what);
    }
    status st = check_keys(&b);
    for (size_t i = 0; st == OK && i < t->n; i++)
        st = bind_row(&b, hyper_row(t, i));
    if (st != OK) {
        for (size_t i = 0; i < b.n_nested; i++)
            instance_free(b.nested[i]);
        return st;
    }
    if (out_nested) *out_nested = b.n_nested ? b.nested : NULL;
    return OK;
}
