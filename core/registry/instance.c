/* Making one component ready for work: find it, bind its block, let it check and create.
 *
 * An instance is made of three parts that its owner never separates: the context that the plugin
 * sees, the struct that it reads its hyperparameters from, and the memory it was given. It lives at
 * one address, since the plugin's context is its first member. */
#include "registry/internal.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_HYPER_BYTES = 8 };

/* "sgd" stands for { type = "sgd"; }. */
static status block_as_group(config *c, value *block, error *err)
{
    if (block->kind != VALUE_STRING) return OK;
    const char *type = block->as.string;
    const origin at = block->at;
    const bool is_default = block->is_default;
    block->kind = VALUE_GROUP;
    block->item = NULL;
    block->n = 0;
    value *v = value_add(c, block, "type");
    if (!v) return fail_nomem(err, type);
    v->kind = VALUE_STRING;
    v->as.string = type;
    v->at = at;
    v->is_default = is_default;
    return OK;
}

static status block_type(const value *block, const char *kind, const value **out, error *err)
{
    if (block->kind != VALUE_GROUP) {
        text t;
        text_init(&t);
        value_describe(block, &t);
        const status st = fail_at(err, E_TYPE, &block->at,
            "%s: expected a block { type = ...; } or a name, found %s", kind, t.s ? t.s : "");
        text_release(&t);
        return st;
    }
    const value *type = value_find(block, "type");
    if (!type) {
        return fail_at(
            err, E_MISSING, &block->at, "%s: \"type\" is required: which %s it is", kind, kind);
    }
    if (type->kind != VALUE_STRING) {
        return fail_at(
            err, E_TYPE, &type->at, "%s: type: expected the name of one in quotes", kind);
    }
    *out = type;
    return OK;
}

/* A plugin that the user brought is named in full, a built-in by its id or by the title that the config gives it. */
static const char *make_label(arena *a, const component *c, const char *title)
{
    const entry *e = (const entry *)(const void *)c->file;
    const bool is_brought =
        e->found == FOUND_CONFIG || e->found == FOUND_ENVIRONMENT || e->found == FOUND_USER;
    const char *own = title ? title : arena_printf(a, "%s \"%s\"", c->kind, c->id);
    if (!is_brought || !own) return own ? arena_strdup(a, own) : NULL;
    return arena_printf(a, "%s (%s %s, %s)", own, c->file->name, c->file->version, c->file->path);
}

static status make_state(instance *i, error *err)
{
    if (strcmp(i->component->kind, ASSAY_KIND_SCHEDULE) != 0) return OK;
    const assay_schedule *o = i->component->ops;
    i->state = arena_alloc_array(&i->memory, o->n_state, sizeof(double));
    if (!i->state) return fail_nomem(err, i->label);
    i->n_state = o->n_state;
    return OK;
}

static instance *instance_make(
    registry *r, const component *c, const value *block, const char *title)
{
    instance *i = calloc(1, sizeof *i);
    if (!i) return NULL;
    if (pthread_mutex_init(&i->lock, NULL) != 0) {
        free(i);
        return NULL;
    }
    i->ctx = (assay_ctx){ .struct_size = sizeof(assay_ctx), .host = host_table() };
    i->component = c;
    i->registry = r;
    i->block = block;
    const size_t bytes = c->hypers.bytes;
    i->hyper = arena_alloc(&i->memory, bytes < LEAST_HYPER_BYTES ? LEAST_HYPER_BYTES : bytes);
    i->label = make_label(&i->memory, c, title);
    if (i->hyper && i->label) return i;
    instance_free(i);
    return NULL;
}

/* A row that the host's own key hides would never get its value. */
static status check_keys(const instance *i, const char *const *reserved, error *err)
{
    error why = { 0 };
    const component *c = i->component;
    const status st = hyper_check_keys(&c->hypers, c->kind, reserved, &why);
    return st == OK ? OK : fail_at(err, st, &i->block->at, "%s: %s", i->label, why.text);
}

static status bind_block(instance *i, config *c, value *block, const char *const *reserved,
    uint64_t seed, const char *purpose, error *err)
{
    size_t n = 0;
    while (reserved && reserved[n])
        n++;
    const char **keys = arena_alloc_array(&i->memory, n + 2, sizeof *keys);
    if (!keys) return fail_nomem(err, i->label);
    keys[0] = "type";
    for (size_t k = 0; k < n; k++)
        keys[k + 1] = reserved[k];
    const hyper_bind_options o = { .what = i->label,
        .reserved = keys,
        .registry = i->registry,
        .seed = seed,
        .purpose = purpose };
    return hyper_bind(c, block, &i->component->hypers, &o, i->hyper, &i->nested, err);
}

status instance_new(registry *r, config *c, const char *kind, value *block,
    const char *const *reserved, uint64_t seed, const char *purpose, instance **out, error *err)
{
    return instance_new_titled(r, c, kind, block, reserved, seed, purpose, NULL, out, err);
}

status instance_new_titled(registry *r, config *c, const char *kind, value *block,
    const char *const *reserved, uint64_t seed, const char *purpose, const char *title,
    instance **out, error *err)
{
    const value *type = NULL;
    const component *found = NULL;
    instance *i = NULL;
    status st = OK;
    TRY(block_as_group(c, block, err));
    TRY(block_type(block, kind, &type, err));
    TRY(registry_find(r, kind, type->as.string, &type->at, &found, err));
    i = instance_make(r, found, block, title);
    if (!i) TRY(fail_nomem(err, kind));
    i->random = rng_make(seed, purpose);
    TRY(check_keys(i, reserved, err));
    TRY(bind_block(i, c, block, reserved, seed, purpose, err));
    TRY(make_state(i, err));
    TRY(instance_status(i, component_validate(i), "validate", err));
    TRY(instance_status(i, component_create(i), "create", err));
    i->is_created = true;
    *out = i;
    i = NULL;
done:
    instance_free(i);
    return st;
}

void instance_free(instance *i)
{
    if (!i) return;
    if (i->is_created) component_destroy(i);
    for (instance **n = i->nested; n && *n; n++)
        instance_free(*n);
    pthread_mutex_destroy(&i->lock);
    arena_release(&i->scratch);
    arena_release(&i->memory);
    free(i);
}

typedef struct code_meaning {
    int code;
    status st;
    const char *text;
} code_meaning;

static const code_meaning meanings[] = {
    { ASSAY_E_INVALID, E_RANGE, "invalid" },
    { ASSAY_E_NOMEM, E_NOMEM, "out of memory" },
    { ASSAY_E_UNSUPPORTED, E_UNSUPPORTED, "unsupported" },
    { ASSAY_E_SHAPE, E_SHAPE, "shapes that do not fit" },
    { ASSAY_E_NUMERIC, E_NUMERIC, "no usable result" },
    { ASSAY_E_IO, E_IO, "a file that cannot be read" },
    { ASSAY_E_DATA, E_PARSE, "a file's content" },
    { ASSAY_E_INTERNAL, E_PLUGIN, "a bug in the plugin" },
};

static const code_meaning *meaning_of(int code)
{
    for (size_t k = 0; k < sizeof meanings / sizeof meanings[0]; k++) {
        if (meanings[k].code == code) return &meanings[k];
    }
    return NULL;
}

int instance_code_of(status st)
{
    if (st == OK) return ASSAY_OK;
    for (size_t k = 0; k < sizeof meanings / sizeof meanings[0]; k++) {
        if (meanings[k].st == st) return meanings[k].code;
    }
    return ASSAY_E_INTERNAL;
}

report *instance_report(instance *i)
{
    const pthread_t self = pthread_self();
    report *unused = NULL;
    for (report *r = &i->reports; r; r = r->next) {
        if (r->code == ASSAY_OK) {
            unused = unused ? unused : r;
        } else if (pthread_equal(r->thread, self)) {
            return r;
        }
    }
    if (!unused) {
        unused = arena_alloc(&i->memory, sizeof *unused);
        if (!unused) return NULL;
        unused->next = i->reports.next;
        i->reports.next = unused;
    }
    unused->thread = self;
    return unused;
}

void report_copy(report *to, const report *from)
{
    to->code = from->code;
    memcpy(to->text, from->text, sizeof to->text);
    to->hyper = from->hyper ? to->text + (from->hyper - from->text) : NULL;
}

void report_clear(report *r)
{
    r->code = ASSAY_OK;
    r->hyper = NULL;
    r->text[0] = '\0';
}

/* Where the user wrote what is at fault: the hyperparameter if they wrote it, else the block. */
static const origin *place_of_fault(const instance *i, const char *hyper)
{
    const value *v = hyper ? value_find(i->block, hyper) : NULL;
    return v && !v->is_default ? &v->at : &i->block->at;
}

static status tell(const instance *i, const report *r, int code, const char *op, error *err)
{
    const code_meaning *m = meaning_of(code);
    const origin *at = place_of_fault(i, r ? r->hyper : NULL);
    if (!m) {
        return fail_at(err, E_PLUGIN, at,
            "%s: %s returned %d, which is no code of the plugin ABI: return ASSAY_OK, or what "
            "host->fail returns",
            i->label, op, code);
    }
    if ((!r || r->code == ASSAY_OK || !r->text[0]) && code == ASSAY_E_NOMEM) {
        return fail_at(err, m->st, at, "%s: %s: %s", i->label, op, m->text); /* reason enough */
    }
    if (!r || r->code == ASSAY_OK || !r->text[0]) {
        return fail_at(err, m->st, at, "%s: %s: %s (it gave no reason)", i->label, op, m->text);
    }
    if (!r->hyper) return fail_at(err, m->st, at, "%s: %s", i->label, r->text);
    return fail_at(err, m->st, at, "%s: %s: %s", i->label, r->hyper, r->text);
}

int instance_code(instance *i, int code)
{
    if (code != ASSAY_OK || !atomic_load_explicit(&i->was_refused, memory_order_relaxed)) {
        return code;
    }
    pthread_mutex_lock(&i->lock);
    const report *r = instance_report(i);
    const int own = r ? r->code : ASSAY_OK;
    pthread_mutex_unlock(&i->lock);
    return own;
}

status instance_status(instance *i, int code, const char *op, error *err)
{
    pthread_mutex_lock(&i->lock);
    report *r = instance_report(i);
    const status st = code == ASSAY_OK ? OK : tell(i, r, code, op, err);
    if (r) report_clear(r);
    arena_release(&i->scratch);
    pthread_mutex_unlock(&i->lock);
    return st;
}

instance *instance_of(const assay_instance *handle)
{
    return (instance *)(uintptr_t)(const void *)handle; /* the host made it from one */
}

double *hyper_real_at(const component *c, void *hyper, const char *name)
{
    const assay_hyper *row = hyper_find(&c->hypers, name);
    if (!row || row->type != ASSAY_TYPE_REAL) return NULL;
    return (double *)(void *)((char *)hyper + row->offset);
}
