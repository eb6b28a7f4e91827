/* The list of plugin files, and the way from a name in a config to a component.
 *
 * A name must mean one thing. Two files that offer the same kind and id make it ambiguous, with two
 * exceptions. The program's own folders (`dirs`, the build tree, the system's) may all hold the
 * built-in components, and of those the earlier folder wins, or nobody could work in a build tree on a
 * machine where assay is installed. And a file that the config names goes before the program's own
 * folders, aloud, once for each component: who names a file means it, and a later assay may bring a
 * component of any name. A file reached twice, by links or by two folders, counts once and keeps its
 * first finder; the config comes before all folders. What is refused takes no part, but is
 * remembered: asking for it gives the reason.
 *
 * One thread at a time; the components themselves may then be used by many. */
#include "registry/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *found_by_name(found_by f)
{
    switch (f) {
    case FOUND_CONFIG: return "config";
    case FOUND_DIRS: return "dirs";
    case FOUND_ENVIRONMENT: return "ASSAY_PLUGIN_PATH";
    case FOUND_USER: return "user";
    case FOUND_BUILD: return "build";
    case FOUND_SYSTEM: return "system";
    }
    return "";
}

/* Folders that come with the program. */
static bool is_own(found_by f)
{
    return f == FOUND_DIRS || f == FOUND_BUILD || f == FOUND_SYSTEM;
}

bool plugin_file_is_own(const plugin_file *f)
{
    return strcmp(f->found_by, found_by_name(FOUND_BUILD)) == 0 ||
        strcmp(f->found_by, found_by_name(FOUND_SYSTEM)) == 0;
}

const char *const *registry_config_folders(const registry *r, arena *a)
{
    size_t n = 0;
    const char **out = arena_alloc_array(a, registry_count(r) + 1, sizeof *out);
    for (size_t i = 0; out && i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        if (strcmp(f->found_by, found_by_name(FOUND_CONFIG)) != 0) continue;
        const char *slash = strrchr(f->path, '/');
        const size_t length = slash && slash != f->path ? (size_t)(slash - f->path) : 1;
        out[n] = arena_strndup(a, f->path, length);
        if (!out[n++]) return NULL;
    }
    return out;
}

void registry_note(registry *r, unsigned level, const char *format, ...)
{
    if (!r || !r->log) return;
    char line[ERROR_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(&r->log_lock);
    r->log(r->log_self, level, line);
    pthread_mutex_unlock(&r->log_lock);
}

static entry *entry_at(const registry *r, const char *real)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->entries[i]->real, real) == 0) return r->entries[i];
    }
    return NULL;
}

/* Reads what the file says of itself; a fault is kept in the entry. */
static status entry_read(registry *r, entry *e, error *err)
{
    error why = { 0 };
    file_map map = { 0 };
    elf_section section;
    status st = file_map_open(e->file.path, &map, &why);
    if (st == OK) st = elf_section_find(&map, ".assay_info", &section, &why);
    if (st == OK) st = info_parse(&section, &r->memory, e, &why);
    if (st == OK) st = elf_exports_check(&map, &why);
    file_map_close(&map);
    if (st == OK) return OK;
    if (st == E_NOMEM) return fail_nomem(err, e->file.path);
    /* file_map_open puts the path in front, and so does everybody who shows a refusal */
    const size_t n = strlen(e->file.path);
    const bool has_path = strncmp(why.text, e->file.path, n) == 0 && why.text[n] == ':';
    e->refused_code = st;
    e->file.refused = arena_strdup(&r->memory, has_path ? why.text + n + 2 : why.text);
    return e->file.refused ? OK : fail_nomem(err, e->file.path);
}

static status entry_push(registry *r, entry *e, error *err)
{
    if (r->n == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 64;
        entry **grown = realloc(r->entries, capacity * sizeof(entry *));
        if (!grown) return fail_nomem(err, "the list of plugins");
        r->entries = grown;
        r->capacity = capacity;
    }
    r->entries[r->n++] = e;
    return OK;
}

static void entry_found(entry *e, found_by found)
{
    e->is_own = e->is_own || is_own(found);
    e->found = found;
    e->file.found_by = found_by_name(found);
}

status registry_add(registry *r, const char *path, found_by found, entry **out, error *err)
{
    char *resolved = realpath(path, NULL);
    if (!resolved && errno == ENOMEM) return fail_nomem(err, path);
    const char *real = arena_strdup(&r->memory, resolved ? resolved : path);
    free(resolved);
    if (!real) return fail_nomem(err, path);
    entry *e = entry_at(r, real);
    if (e) {
        e->is_own = e->is_own || is_own(found);
        if (found < e->found) entry_found(e, found);
        *out = e;
        return OK;
    }
    e = arena_alloc(&r->memory, sizeof *e);
    if (!e || !(e->file.path = arena_strdup(&r->memory, path))) return fail_nomem(err, path);
    e->real = real;
    entry_found(e, found);
    status st = entry_read(r, e, err);
    if (st == OK) st = entry_push(r, e, err);
    if (st == OK) *out = e;
    return st;
}

status registry_new(const registry_options *o, registry **out, error *err)
{
    registry *r = calloc(1, sizeof *r);
    if (!r) return fail_nomem(err, "the plugin registry");
    if (pthread_mutex_init(&r->log_lock, NULL) != 0) {
        free(r);
        return fail_nomem(err, "the plugin registry");
    }
    r->log = o->log;
    r->log_self = o->log_self;
    const status st = search_run(r, o, err);
    if (st != OK) {
        registry_free(r);
        return st;
    }
    *out = r;
    return OK;
}

void registry_free(registry *r)
{
    if (!r) return;
    pthread_mutex_destroy(&r->log_lock);
    arena_release(&r->memory);
    free(r->entries);
    free(r);
}

status registry_add_file(registry *r, const char *path, const origin *at, error *err)
{
    entry *e;
    const status st = registry_add(r, path, FOUND_CONFIG, &e, err);
    if (st != OK) return st;
    if (!e->file.refused) return OK;
    return fail_at(err, e->refused_code, at, "%s: %s", path, e->file.refused);
}

static status add_listed(registry *r, config *c, value *v, error *err)
{
    if (v->kind != VALUE_STRING) {
        return fail_at(err, E_TYPE, &v->at, "plugins: expected the path of a file in quotes");
    }
    const char *dir = value_dir(c, v);
    const char *path = dir ? path_join(config_arena(c), dir, v->as.string) : NULL;
    path = path ? path_absolute(config_arena(c), path) : NULL;
    if (!path) return fail_nomem(err, "plugins");
    v->as.string = path;
    return registry_add_file(r, path, &v->at, err);
}

status registry_add_config(registry *r, config *c, error *err)
{
    value *list = value_find(config_root(c), "plugins");
    if (!list) return OK;
    if (list->kind == VALUE_STRING) return add_listed(r, c, list, err);
    if (list->kind != VALUE_LIST) {
        return fail_at(err, E_TYPE, &list->at, "plugins: expected a list of files: ( \"./x.so\" )");
    }
    status st = OK;
    for (size_t i = 0; st == OK && i < list->n; i++)
        st = add_listed(r, c, list->item[i], err);
    return st;
}

size_t registry_count(const registry *r)
{
    return r->n;
}

const plugin_file *registry_file(const registry *r, size_t i)
{
    return &r->entries[i]->file;
}

void registry_set_team(registry *r, team *t)
{
    r->threads = t;
}

team *registry_team(const registry *r)
{
    return r->threads;
}

/* What somebody asks for: a kind, an id, perhaps a plugin's name. */
typedef struct wish {
    const char *kind, *plugin, *id;
    const origin *at;
} wish;

/* Where it is. */
typedef struct place {
    entry *e;
    size_t i;
} place;

/* The component of that kind and id in a file, usable or not; false when there is none. */
static bool has_component(entry *e, const wish *w, place *out)
{
    if (w->plugin && (!e->file.name || strcmp(e->file.name, w->plugin) != 0)) return false;
    for (size_t i = 0; i < e->file.n_components; i++) {
        const component_info *c = &e->infos[i];
        if (strcmp(c->kind, w->kind) == 0 && strcmp(c->id, w->id) == 0) {
            *out = (place){ e, i };
            return true;
        }
    }
    return false;
}

static const char *refusal(const place *p)
{
    return p->e->file.refused ? p->e->file.refused : p->e->infos[p->i].refused;
}

/* An own folder's component gives way to the same one of an earlier own folder, and to one of a file that the config names. */
static bool gives_way(const entry *late, const entry *early)
{
    return is_own(late->found) &&
        (early->found == FOUND_CONFIG || (is_own(early->found) && early->found < late->found));
}

static status fail_ambiguous(const wish *w, const place *a, const place *b, error *err)
{
    const char *name = a->e->file.name;
    if (strcmp(name, b->e->file.name) == 0) {
        return fail_at(err, E_CONFLICT, w->at,
            "%s \"%s\" is ambiguous: %s and %s both have it: remove one of them", w->kind, w->id,
            a->e->file.path, b->e->file.path);
    }
    return fail_at(err, E_CONFLICT, w->at,
        "%s \"%s\" is ambiguous: %s and %s both have it: write \"%s:%s\" or \"%s:%s\"", w->kind,
        w->id, a->e->file.path, b->e->file.path, name, w->id, b->e->file.name, w->id);
}

const plugin_file *registry_rival(
    const registry *r, const plugin_file *f, const char *kind, const char *id)
{
    const wish w = { .kind = kind, .id = id };
    const entry *own = NULL;
    place p;
    for (size_t i = 0; i < r->n; i++) {
        if (&r->entries[i]->file == f && has_component(r->entries[i], &w, &p) && !refusal(&p))
            own = r->entries[i];
    }
    for (size_t i = 0; own && i < r->n; i++) {
        const entry *e = r->entries[i];
        if (e == own || !has_component(r->entries[i], &w, &p) || refusal(&p)) continue;
        if (!gives_way(e, own) && !gives_way(own, e)) return &e->file;
    }
    return NULL;
}

static status fail_refused(const wish *w, const place *p, error *err)
{
    const status code = p->e->file.refused ? p->e->refused_code : E_PLUGIN;
    return fail_at(
        err, code, w->at, "%s \"%s\": %s: %s", w->kind, w->id, p->e->file.path, refusal(p));
}

/* The ids of a kind, each once, in an array on the heap; NULL when memory is out. */
static const char **ids_of(const registry *r, const char *kind, size_t *out_n)
{
    size_t most = 1, n = 0;
    for (size_t i = 0; i < r->n; i++)
        most += r->entries[i]->file.n_components;
    const char **ids = calloc(most, sizeof *ids);
    for (size_t i = 0; ids && i < r->n; i++) {
        const entry *e = r->entries[i];
        for (size_t k = 0; k < e->file.n_components && !e->file.refused; k++) {
            const component_info *c = &e->infos[k];
            bool is_new = strcmp(c->kind, kind) == 0 && !c->refused;
            for (size_t j = 0; is_new && j < n; j++)
                is_new = strcmp(ids[j], c->id) != 0;
            if (is_new) ids[n++] = c->id;
        }
    }
    *out_n = n;
    return ids;
}

static int by_text(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static status fail_unknown(const registry *r, const wish *w, const char *type, error *err)
{
    size_t n;
    const char **ids = ids_of(r, w->kind, &n);
    if (!ids) return fail_nomem(err, "the names of plugins");
    const char *nearest = text_nearest(w->id, ids, n);
    text known;
    text_init(&known);
    qsort(ids, n, sizeof *ids, by_text);
    for (size_t i = 0; i < n; i++)
        text_printf(&known, "%s%s", i ? ", " : "", ids[i]);
    status st;
    if (nearest && strcmp(nearest, type) != 0 && !w->plugin) {
        st = fail_at(err, E_UNKNOWN, w->at, "unknown %s \"%s\": did you mean \"%s\"?", w->kind,
            type, nearest);
    } else if (n > 0) {
        st = fail_at(
            err, E_UNKNOWN, w->at, "unknown %s \"%s\": known are %s", w->kind, type, known.s);
    } else {
        st = fail_at(err, E_UNKNOWN, w->at,
            "unknown %s \"%s\": no plugin with any %s was found (`plugins` in the config, "
            "ASSAY_PLUGIN_PATH)",
            w->kind, type, w->kind);
    }
    text_release(&known);
    free(ids);
    return st;
}

/* The one place that a wish means. */
static status choose(registry *r, const wish *w, const char *type, place *out, error *err)
{
    place best = { 0 }, refused = { 0 }, rival = { 0 };
    const entry *hidden = NULL;
    for (size_t i = 0; i < r->n; i++) {
        place p;
        if (!has_component(r->entries[i], w, &p)) continue;
        if (refusal(&p)) {
            if (!refused.e) refused = p;
        } else if (!best.e || gives_way(best.e, p.e)) {
            hidden = best.e;
            best = p;
        } else if (!gives_way(p.e, best.e)) {
            rival = p;
        } else {
            hidden = p.e;
        }
    }
    if (best.e && rival.e) return fail_ambiguous(w, &best, &rival, err);
    if (best.e) {
        component_info *info = &best.e->infos[best.i];
        if (hidden && best.e->found == FOUND_CONFIG && !info->is_told) {
            info->is_told = true;
            registry_note(r, ASSAY_LOG_WARNING,
                "%s \"%s\" is that of %s, which the config names, not assay's own", w->kind, w->id,
                best.e->file.path);
        }
        *out = best;
        return OK;
    }
    return refused.e ? fail_refused(w, &refused, err) : fail_unknown(r, w, type, err);
}

status registry_find(registry *r, const char *kind, const char *type, const origin *at,
    const component **out, error *err)
{
    const char *colon = strchr(type, ':');
    wish w = { .kind = kind, .id = colon ? colon + 1 : type, .at = at };
    char *plugin = colon ? strndup(type, (size_t)(colon - type)) : NULL;
    if (colon && !plugin) return fail_nomem(err, type);
    w.plugin = plugin;
    place p = { 0 };
    status st = OK;
    TRY(choose(r, &w, type, &p, err));
    TRY(entry_load(r, p.e, err));
    if (refusal(&p)) TRY(fail_refused(&w, &p, err));
    *out = &p.e->components[p.i];
done:
    free(plugin);
    return st;
}

status registry_is_own(
    registry *r, const char *kind, const char *type, const origin *at, bool *out, error *err)
{
    const char *colon = strchr(type, ':');
    wish w = { .kind = kind, .id = colon ? colon + 1 : type, .at = at };
    char *plugin = colon ? strndup(type, (size_t)(colon - type)) : NULL;
    if (colon && !plugin) return fail_nomem(err, type);
    w.plugin = plugin;
    place p = { 0 };
    const status st = choose(r, &w, type, &p, err);
    if (st == OK) *out = p.e->is_own;
    free(plugin);
    return st;
}

status registry_load_file(
    registry *r, const plugin_file *f, const component *const **out, size_t *out_n, error *err)
{
    entry *e = NULL;
    for (size_t i = 0; !e && i < r->n; i++) {
        if (&r->entries[i]->file == f) e = r->entries[i];
    }
    if (!e) return fail(err, E_INTERNAL, "%s: no file of this registry", f->path);
    const status st = entry_load(r, e, err);
    if (st != OK) return st;
    if (e->file.refused) {
        return fail(err, e->refused_code, "%s: %s", e->file.path, e->file.refused);
    }
    if (e->n_working == 0) {
        return fail(err, E_PLUGIN, "%s: %s \"%s\": %s", e->file.path, e->infos[0].kind,
            e->infos[0].id, e->infos[0].refused);
    }
    *out = e->working;
    *out_n = e->n_working;
    return OK;
}
