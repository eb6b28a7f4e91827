/* From a file to components: dlopen, the entry function, the checks that concern a plugin as a
 * whole.
 *
 * RTLD_NOW, so that a missing symbol is an error here and not a crash in the middle of a run;
 * RTLD_LOCAL, so that plugins do not see each other; never dlclose, since threads, thread-local
 * destructors and C++ runtimes make it unsafe.
 *
 * A library linked with -Ofast or -ffast-math sets the processor to flush denormals from a
 * constructor, for its thread: every result of the process would depend on who was loaded when. The
 * floating-point mode is saved before, put back after, and the file is refused; what else of it was
 * compiled so that numbers come out otherwise nobody can put back. */
#include "registry/internal.h"

#include "num/float_mode.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

typedef const assay_plugin *entry_function(const assay_host *host);

/* Puts the mode back; an error that names what had changed since. */
static status restore_mode(const float_mode *m, const char *who, error *why)
{
    const unsigned changes = float_mode_changes(m);
    float_mode_set(m);
    if (!changes) return OK;
    const char *const named[] = { changes & FLOAT_RESULTS_FLUSHED ? "flush-to-zero" : NULL,
        changes & FLOAT_OPERANDS_FLUSHED ? "denormals-are-zero" : NULL,
        changes & FLOAT_ROUNDING ? "rounding" : NULL, changes & FLOAT_TRAPS ? "traps" : NULL };
    char what[96] = "";
    for (size_t i = 0, n = 0; i < sizeof named / sizeof named[0]; i++) {
        if (!named[i]) continue;
        n += (size_t)snprintf(what + n, sizeof what - n, "%s%s", n ? ", " : "", named[i]);
    }
    return fail(why, E_PLUGIN,
        "%s changes the floating-point mode (%s), on which every result depends: build it without "
        "-Ofast and -ffast-math, and leave the mode alone",
        who, what);
}

/* What to do about the dynamic linker's complaint. */
static const char *hint_for(const char *complaint)
{
    if (strstr(complaint, "undefined symbol")) {
        return ": link what it needs (-Wl,-z,defs finds this when it is built)";
    }
    if (strstr(complaint, "cannot open shared object file")) {
        return ": install the library that it needs";
    }
    return "";
}

/* By its real path, which is absolute: a bare name would be looked for in the linker's own folders.
 */
static status open_library(const char *path, void **out, error *why)
{
    *out = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (*out) return OK;
    const char *complaint = dlerror();
    if (!complaint) complaint = "dlopen gave no reason";
    const size_t n = strlen(path); /* who shows the refusal names the file, too */
    if (strncmp(complaint, path, n) == 0 && strncmp(complaint + n, ": ", 2) == 0) {
        complaint += n + 2;
    }
    return fail(why, E_PLUGIN, "%s%s", complaint, hint_for(complaint));
}

#define ENTRY_TEXT ASSAY_TEXT(ASSAY_ENTRY)

static status find_entry(void *library, entry_function **out, error *why)
{
    void *symbol = dlsym(library, ENTRY_TEXT);
    if (symbol) {
        memcpy(out, &symbol,
            sizeof symbol); /* a function's address from dlsym; C has no cast for it */
        return OK;
    }
    for (int major = 0; major < 10; major++) {
        char name[32];
        snprintf(name, sizeof name, "assay_plugin_v%d", major);
        if (!dlsym(library, name)) continue;
        return fail(why, E_ABI,
            "is built with version %d of the SDK (it exports %s), this assay needs %s: rebuild it "
            "with this assay's headers",
            major, name, ENTRY_TEXT);
    }
    return fail(why, E_ABI,
        "does not export %s: end it with ASSAY_PLUGIN(...) or one of ASSAY_OPTIMIZER(...), "
        "ASSAY_LAYER(...) ...",
        ENTRY_TEXT);
}

/* Gets the description, with the floating-point mode guarded. */
static status call_entry(entry *e, const assay_plugin **out, error *why)
{
    const float_mode mode = float_mode_get();
    void *library;
    entry_function *function = NULL;
    error changed;
    status st = open_library(e->real, &library, why);
    if (st == OK) entry_note_code(e, library);
    if (restore_mode(&mode, "loading it", &changed) != OK && st == OK) {
        *why = changed;
        return changed.code;
    }
    if (st == OK) st = find_entry(library, &function, why);
    if (st != OK) return st;
    *out = function(host_table());
    TRY(restore_mode(&mode, "its entry", why));
    if (!*out) {
        return fail(why, E_PLUGIN, "its entry function declined this host (it returned NULL)");
    }
done:
    return st;
}

static status check_plugin(const assay_plugin *p, const plugin_file *f, error *why)
{
    if (p->struct_size < END_OF(assay_plugin, info)) {
        return fail(why, E_PLUGIN,
            "is malformed: its description has %llu bytes, at least %zu are needed",
            (unsigned long long)p->struct_size, END_OF(assay_plugin, info));
    }
    const int target = p->target_minor > 100000 ? 100000 : (int)p->target_minor;
    const status st = abi_check((int)p->abi_major, target, p->draft_hash, why);
    if (st != OK) return st;
    if (!p->name || !p->version) {
        return fail(
            why, E_PLUGIN, "is malformed: its description has no %s", p->name ? "version" : "name");
    }
    if (strcmp(p->name, f->name) != 0 || strcmp(p->version, f->version) != 0) {
        return fail(why, E_PLUGIN,
            "contradicts itself: it is \"%s %s\" by its description and \"%s %s\" by .assay_info",
            p->name, p->version, f->name, f->version);
    }
    if (p->n_components > 0 && !p->components) {
        return fail(why, E_PLUGIN, "is malformed: its table of %llu components is NULL",
            (unsigned long long)p->n_components);
    }
    if (p->n_components != f->n_components) {
        return fail(why, E_PLUGIN,
            "contradicts itself: its description has %llu components, its .assay_info %zu",
            (unsigned long long)p->n_components, f->n_components);
    }
    return OK;
}

/* What every component must have before it can be told from others. */
static status check_names(const assay_component *c, uint64_t i, error *why)
{
    if (!c)
        return fail(why, E_PLUGIN, "is malformed: component %llu is NULL", (unsigned long long)i);
    if (c->struct_size < END_OF(assay_component, info)) {
        return fail(why, E_PLUGIN,
            "is malformed: component %llu has %llu bytes, at least %zu are needed",
            (unsigned long long)i, (unsigned long long)c->struct_size,
            END_OF(assay_component, info));
    }
    const char *missing = !c->kind ? "kind"
        : !c->id                   ? "id"
        : !c->version              ? "version"
        : !c->doc                  ? "doc"
                                   : NULL;
    if (missing) {
        return fail(why, E_PLUGIN, "is malformed: component %llu has no %s", (unsigned long long)i,
            missing);
    }
    return OK;
}

static component_info *info_of(entry *e, const assay_component *c)
{
    for (size_t i = 0; i < e->file.n_components; i++) {
        component_info *info = &e->infos[i];
        if (strcmp(info->kind, c->kind) == 0 && strcmp(info->id, c->id) == 0) return info;
    }
    return NULL;
}

/* Takes one component; what is wrong with it alone is kept as its own refusal. */
static status take_component(
    registry *r, entry *e, const assay_component *given, component_info *info, error *why)
{
    component *c = &e->components[info - e->infos];
    if (info->refused) return OK;
    if (c->kind) return fail(why, E_CONFLICT, "has two components %s \"%s\"", c->kind, c->id);
    error reason = { 0 };
    const status st = component_take(given, info, &e->file, &r->memory, c, &reason);
    if (st == OK) {
        e->working[e->n_working++] = c;
        return OK;
    }
    *c = (component){ 0 };
    info->refused = st == E_NOMEM ? NULL : arena_strdup(&r->memory, reason.text);
    if (!info->refused) return fail_nomem(why, e->file.path);
    registry_note(r, ASSAY_LOG_WARNING, "%s: %s \"%s\" is left out: %s", e->file.path, info->kind,
        info->id, info->refused);
    return OK;
}

static status take_components(registry *r, entry *e, const assay_plugin *p, error *why)
{
    e->components = arena_alloc_array(&r->memory, e->file.n_components, sizeof *e->components);
    e->working = arena_alloc_array(&r->memory, e->file.n_components, sizeof *e->working);
    if (!e->components || !e->working) return fail_nomem(why, e->file.path);
    for (uint64_t i = 0; i < p->n_components; i++) {
        const assay_component *given = p->components[i];
        status st = check_names(given, i, why);
        if (st != OK) return st;
        component_info *info = info_of(e, given);
        if (!info) {
            return fail(why, E_PLUGIN,
                "contradicts itself: %s \"%s\" is in its description but not in its .assay_info",
                given->kind, given->id);
        }
        st = take_component(r, e, given, info, why);
        if (st != OK) return st;
    }
    return OK;
}

static status fingerprint(plugin_file *f, error *why)
{
    file_map map;
    const status st = file_map_open(f->path, &map, why);
    if (st != OK) return st;
    hash_hex(f->hash, map.data, map.n);
    file_map_close(&map);
    return OK;
}

status entry_load(registry *r, entry *e, error *err)
{
    if (e->file.is_loaded || e->file.refused) return OK;
    error why = { 0 };
    const assay_plugin *p = NULL;
    status st = fingerprint(&e->file, &why);
    r->loading = e;
    if (st == OK) st = call_entry(e, &p, &why);
    r->loading = NULL;
    if (st == OK) st = check_plugin(p, &e->file, &why);
    if (st == OK) st = take_components(r, e, p, &why);
    if (st == OK) {
        e->file.is_loaded = true;
        return OK;
    }
    e->n_working = 0;
    if (st == E_NOMEM) return fail_nomem(err, e->file.path);
    e->refused_code = st;
    e->file.refused = arena_strdup(&r->memory, why.text);
    return e->file.refused ? OK : fail_nomem(err, e->file.path);
}
