/* Overrides from the command line: `optimizer.lr=0.1`, `+train.clip_norm=1`, `~schedule`.
 *
 * The right side is read first, by the same reader as a file's values, then the path is walked. What
 * could go wrong further down is looked at before anything is changed, so that a refused override
 * leaves the tree alone (but for memory running out). */
#include "config/internal.h"

#include <string.h>

enum { MAX_STEPS = 64 };

static const char command_line[] = "command line";

/* One part of a path: a key, or an index where `key` is NULL. */
typedef struct step {
    const char *key;
    size_t index;
} step;

typedef enum action {
    ACTION_SET,
    ACTION_ADD,
    ACTION_DELETE,
} action;

typedef struct override {
    config *c;
    action action;
    step step[MAX_STEPS];
    size_t n;
    const value *given; /* NULL to delete */
} override;

static status bad_path(error *err)
{
    return fail(err, E_USAGE, "expected a path and a value, as in model[2].units=64");
}

static status take_index(override *o, const char **p, error *err)
{
    size_t index = 0;
    const char *q = *p + 1;
    if (*q == ']') return bad_path(err);
    for (; *q >= '0' && *q <= '9'; q++) {
        if (!size_product(index, 10, &index) || !size_sum(index, (size_t)(*q - '0'), &index)) {
            return bad_path(err);
        }
    }
    if (*q != ']' || o->n == MAX_STEPS) return bad_path(err);
    o->step[o->n++] = (step){ .index = index };
    *p = q + 1;
    return OK;
}

static status take_key(override *o, const char **p, const char *end, error *err)
{
    size_t n = 0;
    while (*p + n < end && (*p)[n] != '.' && (*p)[n] != '[')
        n++;
    if (!is_key(*p, n) || o->n == MAX_STEPS) return bad_path(err);
    char *key = arena_strndup(&o->c->memory, *p, n);
    if (!key) return fail_nomem(err, command_line);
    o->step[o->n++] = (step){ .key = key };
    *p += n;
    return OK;
}

/* "model[2].units" */
static status parse_path(override *o, const char *p, const char *end, error *err)
{
    status st = OK;
    while (st == OK) {
        TRY(take_key(o, &p, end, err));
        while (p < end && *p == '[')
            TRY(take_index(o, &p, err));
        if (p == end) break;
        if (*p++ != '.') st = bad_path(err);
    }
done:
    return st;
}

static void mark(value *v)
{
    v->at = (origin){ command_line, 0 };
    for (size_t i = 0; i < v->n; i++)
        mark(v->item[i]);
}

/* "v = GIVEN" as a tree of one value; E_PARSE when it is not that. */
static status parse_value(config *c, const char *given, value **out, error *err)
{
    status st = OK;
    source s = { 0 };
    text line;
    value *root = NULL;
    text_init(&line);
    text_printf(&line, "v = %s", given);
    TRY(text_check(&line, err));
    TRY(source_parse(c, NULL, line.s, &s, err));
    TRY(tree_read(c, &s, &root, err));
    if (root->n != 1) {
        st = fail(err, E_PARSE, "expected one value");
        goto done;
    }
    *out = root->item[0];
done:
    source_release(&s);
    text_release(&line);
    return st;
}

static status read_given(override *o, const char *given, error *err)
{
    value *v = NULL;
    error trial = { 0 };
    status st = parse_value(o->c, given, &v, &trial);
    char first = given[strspn(given, " \t")];
    bool is_text = st == E_PARSE && (first == '\0' || !strchr("([{\"", first));
    if (st != OK && !is_text) return fail(err, st, "%s", trial.text);
    if (is_text) {
        v = arena_alloc(&o->c->memory, sizeof(*v));
        if (!v || !(v->as.string = arena_strdup(&o->c->memory, given))) {
            return fail_nomem(err, command_line);
        }
        v->kind = VALUE_STRING;
    }
    mark(v);
    o->given = v;
    return OK;
}

/* Puts `from`, which is in nobody's hands, in the place of `to`. */
static void replace(value *to, const value *from)
{
    const char *name = to->name;
    value *parent = to->parent;
    *to = *from;
    to->name = name;
    to->parent = parent;
    for (size_t i = 0; i < to->n; i++)
        to->item[i]->parent = to;
}

static value *child(const value *of, const step *s)
{
    if (s->key) return value_find(of, s->key);
    return of->kind == VALUE_LIST && s->index < of->n ? of->item[s->index] : NULL;
}

/* `"optimizer.inner"`, or `the config` for the root. */
static void name_place(const value *v, text *t)
{
    text_add(t, v->parent ? "\"" : "the config");
    value_path(v, t);
    if (v->parent) text_add(t, "\"");
}

static const char *nearest_key(const override *o, const value *group, const char *key)
{
    const char **names = arena_alloc_array(&o->c->memory, group->n, sizeof(*names));
    if (!names) return NULL;
    for (size_t i = 0; i < group->n; i++)
        names[i] = group->item[i]->name;
    return text_nearest(key, names, group->n);
}

static void explain_key(const override *o, const value *at, size_t i, text *t)
{
    const char *nearest = nearest_key(o, at, o->step[i].key);
    text_printf(t, "no \"%s\" in ", o->step[i].key);
    name_place(at, t);
    if (nearest) {
        text_printf(t, ": did you mean \"%s\"?", nearest);
    } else if (o->action != ACTION_DELETE) {
        text_add(t, ": a + in front of the path adds it");
    }
}

static void explain_index(const override *o, const value *at, size_t i, text *t)
{
    text_printf(t, "no item [%zu]: ", o->step[i].index);
    name_place(at, t);
    if (at->n == 0) {
        text_add(t, " is empty");
    } else {
        text_printf(t, " has %zu item%s", at->n, at->n == 1 ? "" : "s");
        text_printf(t, at->n == 1 ? ", [0]" : ", [0] to [%zu]", at->n - 1);
    }
}

/* Step i leads nowhere. */
static status missing(const override *o, const value *at, size_t i, error *err)
{
    text t;
    text_init(&t);
    bool is_key = o->step[i].key != NULL;
    if (is_key) {
        explain_key(o, at, i, &t);
    } else {
        explain_index(o, at, i, &t);
    }
    status st = text_check(&t, err);
    if (st == OK) st = fail(err, is_key ? E_UNKNOWN : E_RANGE, "%s", t.s);
    text_release(&t);
    return st;
}

/* Step i is of a kind that `at` has none of. */
static status wrong_kind(const override *o, const value *at, size_t i, error *err)
{
    text t;
    text_init(&t);
    name_place(at, &t);
    text_add(&t, " is ");
    value_describe(at, &t);
    if (o->step[i].key && at->kind == VALUE_LIST) {
        text_add(&t, ": say which item, as in ");
        value_path(at, &t);
        text_printf(&t, "[0].%s", o->step[i].key);
    } else {
        text_add(&t, o->step[i].key ? ", not a group" : ", not a list");
    }
    status st = text_check(&t, err);
    if (st == OK) st = fail(err, E_TYPE, "%s", t.s);
    text_release(&t);
    return st;
}

/* OK when what comes after step i can be made anew: a new list begins at [0]. */
static status check_new_path(const override *o, size_t i, error *err)
{
    for (size_t k = i + 1; k < o->n; k++) {
        if (!o->step[k].key && o->step[k].index != 0) {
            return fail(err, E_RANGE, "no item [%zu]: the list would be new", o->step[k].index);
        }
    }
    return OK;
}

/* "adam" becomes { type = "adam"; }. */
static status spell_out(override *o, value *v, error *err)
{
    value *type = value_add(o->c, v, "type");
    if (!type) return fail_nomem(err, command_line);
    type->kind = VALUE_STRING;
    type->as.string = v->as.string;
    type->at = v->at;
    type->is_default = v->is_default;
    v->kind = VALUE_GROUP;
    return OK;
}

/* OK when `at` can have step i; a component's bare name is spelled out for it. */
static status check_container(override *o, value *at, size_t i, error *err)
{
    const step *s = &o->step[i];
    if (at->kind == (s->key ? VALUE_GROUP : VALUE_LIST)) return OK;
    if (at->kind != VALUE_STRING || !s->key) return wrong_kind(o, at, i, err);
    bool is_new = strcmp(s->key, "type") != 0;
    bool may_set = o->action == ACTION_SET && i + 1 == o->n;
    if (!may_set && (o->action != ACTION_ADD || !is_new)) return wrong_kind(o, at, i, err);
    status st = check_new_path(o, i, err);
    return st == OK ? spell_out(o, at, err) : st;
}

/* The new value of step i, still without content. */
static status add_child(override *o, value *at, size_t i, value **out, error *err)
{
    const step *s = &o->step[i];
    if (!s->key && (o->action != ACTION_ADD || s->index != at->n)) return missing(o, at, i, err);
    status st = check_new_path(o, i, err);
    if (st != OK) return st;
    value *v = value_add(o->c, at, s->key);
    if (!v) return fail_nomem(err, command_line);
    v->at.file = command_line;
    v->is_default = false;
    if (i + 1 < o->n) v->kind = o->step[i + 1].key ? VALUE_GROUP : VALUE_LIST;
    *out = v;
    return OK;
}

static status apply_last(override *o, value *at, error *err)
{
    status st = OK;
    size_t last = o->n - 1;
    value *v = child(at, &o->step[last]);
    if (o->action == ACTION_DELETE) {
        if (!v) return missing(o, at, last, err);
        size_t i = 0;
        while (at->item[i] != v)
            i++;
        value_take(at, i);
        return OK;
    }
    if (v && o->action == ACTION_ADD) {
        return fail(err, E_CONFLICT, "it is already there: leave out the + to change it");
    }
    if (!v) TRY(add_child(o, at, last, &v, err));
    replace(v, o->given);
done:
    return st;
}

static status apply(override *o, error *err)
{
    status st = OK;
    value *at = o->c->root;
    for (size_t i = 0; i + 1 < o->n; i++) {
        TRY(check_container(o, at, i, err));
        value *next = child(at, &o->step[i]);
        if (!next && o->action != ACTION_ADD) return missing(o, at, i, err);
        if (!next) TRY(add_child(o, at, i, &next, err));
        at = next;
    }
    TRY(check_container(o, at, o->n - 1, err));
    TRY(apply_last(o, at, err));
done:
    return st;
}

static status run(override *o, const char *assignment, error *err)
{
    status st = OK;
    const char *path = assignment;
    if (*path == '+') o->action = ACTION_ADD;
    if (*path == '~') o->action = ACTION_DELETE;
    if (o->action != ACTION_SET) path++;
    const char *equals = strchr(path, '=');
    bool is_deleted = o->action == ACTION_DELETE;
    if (is_deleted && equals)
        return fail(err, E_USAGE, "a deletion is written ~path, without a value");
    if (!is_deleted && !equals) return bad_path(err);
    TRY(parse_path(o, path, equals ? equals : path + strlen(path), err));
    if (equals) TRY(read_given(o, equals + 1, err));
    TRY(apply(o, err));
done:
    return st;
}

status config_override(config *c, const char *assignment, error *err)
{
    override o = { .c = c };
    status st = run(&o, assignment, err);
    return st == OK ? OK : error_where(err, "%s: %.200s", command_line, assignment);
}
