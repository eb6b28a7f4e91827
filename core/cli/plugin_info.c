/* assay plugin info: a component's hyperparameters, as a table, as JSON, or as a piece of config to start from. */
#include "base/file.h"
#include "base/json.h"
#include "cli/keys.h"
#include "cli/last_words.h"
#include "cli/session.h"

#include <math.h>
#include <string.h>

enum { MAX_COMPONENTS = 256 };

typedef struct found {
    const component *item[MAX_COMPONENTS];
    size_t n;
} found;

static bool is_file(const char *word)
{
    const size_t n = strlen(word);
    return strchr(word, '/') || (n > 3 && strcmp(word + n - 3, ".so") == 0);
}

static status find_in_file(session *s, const char *word, const char *kind, found *out, error *err)
{
    const origin nowhere = { 0 };
    const plugin_file *file = NULL;
    const component *const *all;
    size_t n;
    status st = OK;
    const char *path = path_absolute(&s->memory, word);
    if (!path) {
        return fail_nomem(err, word);
    }
    if (!file_exists(path)) {
        TRY(fail(err, E_USAGE, "%s: no such plugin file", word));
    }
    TRY(registry_add_file(s->registry, path, &nowhere, err));
    for (size_t i = 0; i < registry_count(s->registry); i++) {
        if (strcmp(registry_file(s->registry, i)->path, path) == 0) {
            file = registry_file(s->registry, i);
        }
    }
    if (!file) {
        TRY(fail(err, E_MISSING, "%s: not a plugin", word));
    }
    TRY(registry_load_file(s->registry, file, &all, &n, err));
    for (size_t i = 0; i < n && out->n < MAX_COMPONENTS; i++) {
        if (!kind || strcmp(all[i]->kind, kind) == 0) out->item[out->n++] = all[i];
    }
done:
    return st;
}

/* Every kind that has a component of this id; where none has, the message with its did-you-mean over all ids. */
static status find_by_id(session *s, const char *id, const char *kind, found *out, error *err)
{
    const char *names[1024];
    size_t n_names = 0;
    status st = OK;
    const char *colon = strchr(id, ':'), *bare = colon ? colon + 1 : id;
    const char *seen[16];
    size_t n_seen = 0;
    for (size_t i = 0; i < registry_count(s->registry); i++) {
        const plugin_file *f = registry_file(s->registry, i);
        for (size_t k = 0; k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            bool is_new = strcmp(c->id, bare) == 0 && (!kind || strcmp(kind, c->kind) == 0);
            for (size_t m = 0; m < n_seen; m++) {
                is_new = is_new && strcmp(seen[m], c->kind) != 0;
            }
            if (n_names < 1024 && (!kind || strcmp(kind, c->kind) == 0)) names[n_names++] = c->id;
            if (is_new && n_seen < 16) {
                seen[n_seen++] = c->kind;
                TRY(registry_find(s->registry, c->kind, id, NULL, &out->item[out->n], err));
                out->n++;
            }
        }
    }
    if (out->n == 0) {
        const char *near = text_nearest(bare, names, n_names);
        TRY(fail(err, E_UNKNOWN, "no %s is called \"%s\"%s%s%s", kind ? kind : "component", id,
            near ? ": did you mean \"" : "; see assay plugin list", near ? near : "",
            near ? "\"?" : ""));
    }
done:
    return st;
}

static void add_schedulable(const component *c, text *t)
{
    size_t n = 0;
    for (size_t i = 0; i < c->hypers.n; i++) {
        const assay_hyper *h = hyper_row(&c->hypers, i);
        if (h->flags & ASSAY_SCHED) {
            text_printf(t, "%s%s", n++ ? ", " : "\n  a schedule may drive ", h->name);
        }
    }
    text_add(t, n ? "\n" : "");
}

/* The one callback of an optimizer that says what it sees at once. */
static const char *tier_of(const component *c)
{
    const char *first = component_callback(c, 0);
    return strcmp(c->kind, ASSAY_KIND_OPTIMIZER) == 0 && first ? first : NULL;
}

static size_t n_slots(const component *c)
{
    const assay_optimizer *o = c->ops;
    return strcmp(c->kind, ASSAY_KIND_OPTIMIZER) == 0 ? (size_t)o->n_slots : 0;
}

static const char *slot_name(const component *c, size_t i)
{
    const assay_optimizer *o = c->ops;
    const char *slots = (const char *)o->slots;
    return ((const assay_slot *)(const void *)(slots + i * o->slot_stride))->name;
}

/* What of its table the host has found: a member with a misspelt name is not among it. */
static void add_callbacks(const component *c, text *t)
{
    const char *name;
    for (size_t i = 0; (name = component_callback(c, i)); i++) {
        text_printf(t, "%s%s", i ? ", " : "\n  callbacks: ", name);
    }
    for (size_t i = 0; i < n_slots(c); i++) {
        text_printf(t, "%s%s", i ? ", " : "; slots: ", slot_name(c, i));
    }
    text_add(t, "\n");
}

static void add_text(const component *c, const terminal *style, text *t)
{
    text_printf(t, "%s%s%s%s  %s, version %s\n  %s\n  %s%s%s\n", t->n ? "\n" : "",
        terminal_style(style, STYLE_BOLD), c->id, terminal_style(style, STYLE_PLAIN), c->kind,
        c->version, c->doc, terminal_style(style, STYLE_DIM), c->file->path,
        terminal_style(style, STYLE_PLAIN));
    text_add(t, "\n");
    if (c->hypers.n == 0) text_add(t, "  no hyperparameters\n");
    if (c->hypers.n > 0) keys_table(&c->hypers, "", style, t);
    add_schedulable(c, t);
    add_callbacks(c, t);
    keys_of_host(c->kind, t);
}

/* -- JSON -- */

static const char *type_name(const assay_hyper *h)
{
    static const char *const names[] = { "", "real", "int", "bool", "enum", "string", "reals",
        "ints", "strings", "component" };
    return h->type < sizeof names / sizeof names[0] ? names[h->type] : "";
}

static void default_json(const assay_hyper *h, json *j)
{
    json_key(j, "default");
    if (h->flags & ASSAY_REQUIRED) {
        json_null(j);
    } else if (h->type == ASSAY_TYPE_REAL) {
        json_real(j, h->def);
    } else if (h->type == ASSAY_TYPE_INT) {
        json_int(j, (int64_t)h->def);
    } else if (h->type == ASSAY_TYPE_BOOL) {
        json_bool(j, h->def != 0);
    } else if (h->type == ASSAY_TYPE_ENUM) {
        json_string(j, h->choices[(size_t)h->def]);
    } else {
        json_string(j, h->def_string);
    }
}

static void hyper_json(const assay_hyper *h, json *j)
{
    json_begin_object(j);
    json_key_string(j, "name", h->name);
    json_key_string(j, "type", type_name(h));
    json_key_bool(j, "required", (h->flags & ASSAY_REQUIRED) != 0);
    default_json(h, j);
    if (h->type == ASSAY_TYPE_REAL || h->type == ASSAY_TYPE_INT || h->type == ASSAY_TYPE_REALS ||
        h->type == ASSAY_TYPE_INTS) {
        json_key_real(j, "min", h->min);
        json_key_real(j, "max", h->max);
        json_key_bool(j, "open_min", (h->flags & ASSAY_OPEN_MIN) != 0);
        json_key_bool(j, "open_max", (h->flags & ASSAY_OPEN_MAX) != 0);
    }
    if (h->n_choices) {
        json_key(j, "choices");
        json_begin_array(j);
        for (uint64_t i = 0; i < h->n_choices; i++) {
            json_string(j, h->choices[i]);
        }
        json_end_array(j);
    }
    if (h->flags & ASSAY_TUNE) {
        json_key_real(j, "tune_min", h->tune_min);
        json_key_real(j, "tune_max", h->tune_max);
        json_key_bool(j, "log", (h->flags & ASSAY_LOG) != 0);
    }
    if (h->kind) json_key_string(j, "kind", h->kind);
    json_key_bool(j, "schedulable", (h->flags & ASSAY_SCHED) != 0);
    json_key_string(j, "unit", h->unit);
    json_key_string(j, "doc", h->doc);
    json_end_object(j);
}

static void callbacks_json(const component *c, json *j)
{
    const char *name;
    json_key_string(j, "tier", tier_of(c));
    json_key(j, "callbacks");
    json_begin_array(j);
    for (size_t i = 0; (name = component_callback(c, i)); i++) {
        json_string(j, name);
    }
    json_end_array(j);
    json_key(j, "slots");
    json_begin_array(j);
    for (size_t i = 0; i < n_slots(c); i++) {
        json_string(j, slot_name(c, i));
    }
    json_end_array(j);
}

static void add_json(const found *f, text *t)
{
    json j;
    json_init(&j, t);
    json_begin_object(&j);
    json_key_int(&j, "schema", 1);
    json_key(&j, "components");
    json_begin_array(&j);
    for (size_t i = 0; i < f->n; i++) {
        const component *c = f->item[i];
        json_begin_object(&j);
        json_key_string(&j, "kind", c->kind);
        json_key_string(&j, "id", c->id);
        json_key_string(&j, "version", c->version);
        json_key_string(&j, "doc", c->doc);
        json_key_string(&j, "file", c->file->path);
        callbacks_json(c, &j);
        json_key(&j, "hyperparameters");
        json_begin_array(&j);
        for (size_t k = 0; k < c->hypers.n; k++) {
            hyper_json(hyper_row(&c->hypers, k), &j);
        }
        json_end_array(&j);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_end_object(&j);
    text_add(t, "\n");
}

/* -- a piece of config -- */

/* `"..."` as libconfig reads it. */
static void add_quoted(text *t, const char *s)
{
    const value v = { .kind = VALUE_STRING, .as = { .string = s } };
    value_to_text(&v, t);
}

static void add_items(const assay_hyper *h, text *t)
{
    text_add(t, "(");
    for (const char *s = h->def_string ? h->def_string : ""; *s;) {
        const size_t n = strcspn(s, " ");
        char item[128];
        snprintf(item, sizeof item, "%.*s", (int)n, s);
        text_add(t, s == h->def_string ? " " : ", ");
        if (h->type == ASSAY_TYPE_STRINGS) {
            add_quoted(t, item);
        } else {
            text_add(t, item);
        }
        s += n + strspn(s + n, " ");
    }
    text_add(t, " )");
}

static void add_default(const assay_hyper *h, text *t)
{
    value v = { .kind = VALUE_REAL, .as = { .real = h->def } };
    switch (h->type) {
    case ASSAY_TYPE_INT:
        v.kind = VALUE_INT;
        v.as.integer = (int64_t)h->def;
        break;
    case ASSAY_TYPE_BOOL:
        v.kind = VALUE_BOOL;
        v.as.boolean = h->def != 0;
        break;
    case ASSAY_TYPE_ENUM: add_quoted(t, h->choices[(size_t)h->def]); return;
    case ASSAY_TYPE_STRING: add_quoted(t, h->def_string ? h->def_string : ""); return;
    case ASSAY_TYPE_REALS:
    case ASSAY_TYPE_INTS:
    case ASSAY_TYPE_STRINGS: add_items(h, t); return;
    case ASSAY_TYPE_COMPONENT:
        text_printf(t, "{ type = \"%s\"; }", h->def_string ? h->def_string : "...");
        return;
    default: break;
    }
    value_to_text(&v, t);
}

/* What has no default is there, but commented out. */
static bool has_default(const assay_hyper *h)
{
    const bool is_named = h->type == ASSAY_TYPE_STRING || h->type == ASSAY_TYPE_COMPONENT;
    return !(h->flags & ASSAY_REQUIRED) && (!is_named || h->def_string);
}

static void add_config(const component *c, text *t)
{
    static const struct {
        const char *kind, *open, *close;
    } frames[] = { { ASSAY_KIND_OPTIMIZER, "optimizer = {", "};" },
        { ASSAY_KIND_SCHEDULE, "schedule = {", "};" }, { ASSAY_KIND_LAYER, "model = ( {", "} );" },
        { ASSAY_KIND_LOSS, "loss = {", "};" }, { ASSAY_KIND_METRIC, "metrics = ( {", "} );" },
        { ASSAY_KIND_DATASET, "data = {", "};" }, { ASSAY_KIND_SEARCH, "search = {", "};" },
        { ASSAY_KIND_PRUNER, "pruner = {", "};" } };
    size_t k = 0;
    while (k + 1 < sizeof frames / sizeof frames[0] && strcmp(frames[k].kind, c->kind) != 0) {
        k++;
    }
    text_printf(t, "%s# %s\n%s\n    type = ", t->n ? "\n" : "", c->doc, frames[k].open);
    add_quoted(t, c->id);
    text_add(t, ";\n");
    for (size_t i = 0; i < c->hypers.n; i++) {
        const assay_hyper *h = hyper_row(&c->hypers, i);
        text_printf(t, "    %s%s = ", has_default(h) ? "" : "# ", h->name);
        add_default(h, t);
        text_printf(t, ";  # %s%s%s%s\n", h->flags & ASSAY_REQUIRED ? "required: " : "", h->doc,
            h->unit ? ", in " : "", h->unit ? h->unit : "");
    }
    text_printf(t, "%s\n", frames[k].close);
}

static int run_info(cli *c, const arguments *a)
{
    error err;
    text t = { 0 };
    session s = { 0 };
    found f = { .n = 0 };
    const char *word = a->word[0], *kind = option_get(a, "kind");
    status st = session_open_registry(&s, c, &err);
    if (st == OK) last_words_prepare(c, s.registry);
    if (st == OK && option_has(a, "json") && option_has(a, "cfg")) {
        st = fail(&err, E_USAGE, "plugin info: --json and --cfg exclude each other");
    }
    if (st == OK) {
        st = is_file(word) ? find_in_file(&s, word, kind, &f, &err)
                           : find_by_id(&s, word, kind, &f, &err);
    }
    if (st == OK && option_has(a, "json")) add_json(&f, &t);
    for (size_t i = 0; st == OK && i < f.n && !option_has(a, "json"); i++) {
        if (option_has(a, "cfg")) {
            add_config(f.item[i], &t);
        } else {
            add_text(f.item[i], &c->out, &t);
        }
    }
    const int code = st == OK ? cli_put(c, &t) : cli_error(c, &err);
    session_close(&s);
    return code;
}

static const option_row options[] = {
    { "kind", 'k', "KIND", "optimizer|schedule|layer|loss|metric|dataset|search|pruner",
        COMPLETE_CHOICES, "where an id is used by several kinds" },
    { "cfg", 0, NULL, NULL, COMPLETE_NOTHING, "print a piece of config with the defaults" },
    { "json", 0, NULL, NULL, COMPLETE_NOTHING, "print JSON" },
};

const command command_plugin_info = { .name = "plugin info",
    .arguments = "ID|FILE.so",
    .summary = "a component's hyperparameters: type, default, range, meaning",
    .doc =
        "Loads a component by its id, or all of a plugin file, and prints what it can be told in a "
        "config.",
    .examples = "assay plugin info adam\nassay plugin info mae --kind loss --cfg\n"
                "assay plugin info ./lion.so --json",
    COMMAND_OPTIONS(options),
    .least = 1,
    .most = 1,
    .completes = COMPLETE_PLUGIN,
    .run = run_info };
