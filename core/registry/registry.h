/* Finds, checks, describes and loads plugins. The only room that names dlopen.
 *
 * Finding reads the ELF section .assay_info and runs no plugin code; a plugin is loaded when a
 * config asks for one of its components. What is refused is kept with its reason. */
#ifndef ASSAY_CORE_REGISTRY_REGISTRY_H
#define ASSAY_CORE_REGISTRY_REGISTRY_H

#include <assay/plugin.h>

#include "base/error.h"
#include "config/config.h"
#include "num/team.h"
#include "registry/hyper.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct registry registry;

/* One component as .assay_info tells it. */
typedef struct component_info {
    const char *kind, *id, *version, *doc;
    const char *refused; /* why it alone cannot be used; NULL: it can, as far as is known before it
                            is loaded */
    bool is_told; /* that it goes before the program's own has been said, once */
} component_info;

/* One file that calls itself a plugin, or was named as one. */
typedef struct plugin_file {
    const char *path;
    const char *found_by; /* "config", "dirs", "ASSAY_PLUGIN_PATH", "user", "build", "system" */
    const char *name, *version;
    int abi_major, abi_minor, target_minor;
    unsigned long long draft_hash;
    const component_info *components;
    size_t n_components;
    const char *refused; /* why it cannot be used; NULL: it can */
    bool is_loaded;
    char hash[33]; /* XXH3-128 of the file; filled in when loaded */
} plugin_file;

/* A loaded component: its description checked and completed. */
typedef struct component {
    const char *kind, *id, *version, *doc;
    hyper_table hypers;
    const void *ops; /* a copy, as large as this host's struct, what the plugin lacks is zero */
    const plugin_file *file;
} component;

typedef void (*registry_log)(void *self, unsigned level, const char *message);

typedef struct registry_options {
    const char *
        program_path; /* argv[0] or /proc/self/exe: for what lies beside it, in a build tree or an installation; NULL: nothing */
    bool no_environment; /* ignore ASSAY_PLUGIN_PATH and the user's folder */
    const char *const *dirs; /* more folders, searched first; NULL-terminated; may be NULL */
    registry_log log; /* may be NULL */
    void *log_self;
} registry_options;

/* Search order: `dirs`, ASSAY_PLUGIN_PATH (colon-separated), $XDG_DATA_HOME/assay/plugins/<major>,
 * plugins/ beside the program in a build tree, the folder of its installation. Folders are searched one level
 * of subfolders deep. Never the working directory. */
status registry_new(const registry_options *o, registry **out, error *err) MUST_CHECK;
void registry_free(registry *r); /* plugins stay loaded: dlclose is not safe */

/* A file named in a config's `plugins` list (already absolute); refused: an error with the reason.
 */
status registry_add_file(registry *r, const char *path, const origin *at, error *err) MUST_CHECK;

/* Adds every file of the root's `plugins` list, relative to the file that holds it; makes the paths
 * in the tree absolute. */
status registry_add_config(registry *r, config *c, error *err) MUST_CHECK;

size_t registry_count(const registry *r);
const plugin_file *registry_file(const registry *r, size_t i);

/* Whether it lies in a build tree or an installation of assay, and so came with it. */
bool plugin_file_is_own(const plugin_file *f);

/* The folders of the files that configs name, NULL-terminated, in the arena; NULL when memory is out. */
const char *const *registry_config_folders(const registry *r, arena *a);

/* The threads that host services use; borrowed; NULL (at first): the caller alone. */
void registry_set_team(registry *r, team *t);
team *registry_team(const registry *r);

/* Loads the component of that kind and id; "plugin:id" picks one of several plugins that have it. A
 * name means one thing: two files that have the same kind and id are an error, but that of the program's
 * own folders (`dirs`, build tree, system), which may all hold the built-ins, the earlier one wins, and
 * a file that the config names goes before all of them, with a warning. Errors: unknown (with
 * did-you-mean; if a file that has it was refused, that file and why), ambiguous (naming the files),
 * refused. What is given back lives as long as the registry. Not for two threads at a time. */
status registry_find(registry *r, const char *kind, const char *type, const origin *at,
    const component **out, error *err) MUST_CHECK;

/* Whether the component that registry_find would load lies in one of the program's own folders. Nothing is loaded. Errors as of
 * registry_find. */
status registry_is_own(registry *r, const char *kind, const char *type, const origin *at, bool *out,
    error *err) MUST_CHECK;

/* Loads by file: all components of one plugin, for `plugin info ./x.so`. */
status registry_load_file(registry *r, const plugin_file *f, const component *const **out,
    size_t *out_n, error *err) MUST_CHECK;

/* A file that has a component of this kind and id, too, where neither goes before the other: an id alone is then ambiguous. NULL:
 * there is none. Nothing is loaded. */
const plugin_file *registry_rival(
    const registry *r, const plugin_file *f, const char *kind, const char *id);

/* -- For what is said of a crash: nothing of this allocates, locks or fails, so that a signal handler may ask -- */

/* Whose code lies at an address. */
typedef struct code_place {
    const plugin_file *file;
    const component *component; /* NULL: no callback begins before it */
    const char *callback; /* "elem"; NULL with the component */
} code_place;

/* False: no loaded plugin's. Of callbacks, the one that begins last before the address. */
bool registry_code_at(const registry *r, const void *address, code_place *out);

/* The file that is being loaded, constructors and entry included; NULL: none. */
const plugin_file *registry_loading(const registry *r);

/* The callback of one component that an address lies in, as above; the one that begins at an address. NULL: none. */
const char *component_callback_at(const component *c, const void *address);
const char *component_callback_from(const component *c, const void *begin);

/* The name of the i-th callback that the component has, in the order of its kind's table; NULL behind the last. */
const char *component_callback(const component *c, size_t i);

#endif
