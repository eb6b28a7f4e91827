/* The search path.
 *
 *   1. the folders that the program was given (`dirs`)
 *   2. ASSAY_PLUGIN_PATH, colon-separated
 *   3. the user's: $XDG_DATA_HOME/assay/plugins/<major>, by default
 * ~/.local/share/assay/plugins/<major>
 *   4. the build tree's: plugins/ beside the program
 *   5. the system's: that of the installation which the program lies in, wherever it was moved to;
 *      where there is none, ASSAY_PLUGIN_DIR, set when assay is built
 *
 * In each folder the files *.so and those of its direct subfolders, by name, so that a listing is
 * the same everywhere. The working directory is never searched: relative and empty elements, which
 * would mean it, are skipped aloud. */
#include "registry/internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static bool ends_in_so(const char *name)
{
    const size_t n = strlen(name);
    return n > 3 && strcmp(name + n - 3, ".so") == 0;
}

/* Adds the plugins of a folder that is there; `depth` more levels of subfolders. */
static status add_folder(registry *r, const char *dir, found_by found, int depth, error *err)
{
    struct dirent **names = NULL;
    const int n = scandir(dir, &names, is_visible, by_name);
    if (n < 0) {
        if (errno == ENOMEM) return fail_nomem(err, "the search for plugins");
        error why = { 0 };
        (void)!fail_errno(&why, errno, dir, "cannot list its plugins");
        registry_note(r, ASSAY_LOG_WARNING, "%s", why.text);
        return OK;
    }
    status st = OK;
    for (int i = 0; i < n; i++) {
        const char *path = st == OK ? path_join(&r->memory, dir, names[i]->d_name) : NULL;
        if (st == OK && !path) {
            st = fail_nomem(err, "the search for plugins");
        } else if (st == OK && file_is_dir(path)) {
            if (depth > 0) st = add_folder(r, path, found, depth - 1, err);
        } else if (st == OK && ends_in_so(path)) {
            entry *e;
            st = registry_add(r, path, found, &e, err);
        }
        free(names[i]);
    }
    free(names);
    return st;
}

static status add_optional(registry *r, const char *dir, found_by found, error *err)
{
    if (!dir) return fail_nomem(err, "the search for plugins");
    return file_is_dir(dir) ? add_folder(r, dir, found, 1, err) : OK;
}

/* A folder that somebody named: its absence is worth a word. */
static status add_named(registry *r, const char *dir, found_by found, const char *where, error *err)
{
    if (!file_is_dir(dir)) {
        registry_note(r, ASSAY_LOG_WARNING, "%s: \"%s\" is not a folder: ignored", where, dir);
        return OK;
    }
    return add_folder(r, dir, found, 1, err);
}

static status add_environment(registry *r, const char *list, error *err)
{
    static const char where[] = "ASSAY_PLUGIN_PATH";
    status st = OK;
    for (const char *at = list; st == OK && at;) {
        const size_t n = strcspn(at, ":");
        const char *dir = arena_strndup(&r->memory, at, n);
        at = at[n] ? at + n + 1 : NULL;
        if (!dir) return fail_nomem(err, "the search for plugins");
        if (dir[0] == '\0') {
            registry_note(r, ASSAY_LOG_WARNING, "%s: an empty element is ignored", where);
        } else if (dir[0] != '/') {
            registry_note(
                r, ASSAY_LOG_WARNING, "%s: \"%s\" is not an absolute path: ignored", where, dir);
        } else {
            st = add_named(r, dir, FOUND_ENVIRONMENT, where, err);
        }
    }
    return st;
}

static status add_user(registry *r, error *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    if (data && data[0] == '/') {
        return add_optional(r,
            arena_printf(&r->memory, "%s/assay/plugins/%d", data, ASSAY_ABI_MAJOR), FOUND_USER,
            err);
    }
    if (!home || home[0] != '/') return OK;
    return add_optional(r,
        arena_printf(&r->memory, "%s/.local/share/assay/plugins/%d", home, ASSAY_ABI_MAJOR),
        FOUND_USER, err);
}

/* The folder of the program; NULL for one that was called by a bare name, which cannot be found
 * again without guessing. */
static status program_folder(registry *r, const char *program, const char **out, error *err)
{
    *out = NULL;
    if (!program || !strchr(program, '/')) return OK;
    char *real = realpath(program, NULL);
    if (!real) return errno == ENOMEM ? fail_nomem(err, "the search for plugins") : OK;
    *out = path_dir(&r->memory, real);
    free(real);
    return *out ? OK : fail_nomem(err, "the search for plugins");
}

/* Of two installations only the program's own counts, or every component would be there twice. A
 * program outside of a folder `bin` is none that was installed. */
static status add_system(registry *r, const char *folder, error *err)
{
    if (folder && strcmp(path_base(folder), ASSAY_BIN_NAME) == 0) {
        const char *own = path_join(&r->memory, folder, ASSAY_PLUGIN_FOLDER);
        own = own ? path_absolute(&r->memory, own) : NULL;
        if (!own) return fail_nomem(err, "the search for plugins");
        if (file_is_dir(own)) return add_folder(r, own, FOUND_SYSTEM, 1, err);
    }
    return add_optional(r, ASSAY_PLUGIN_DIR, FOUND_SYSTEM, err);
}

status search_run(registry *r, const registry_options *o, error *err)
{
    const char *list = o->no_environment ? NULL : getenv("ASSAY_PLUGIN_PATH");
    const char *folder;
    status st = program_folder(r, o->program_path, &folder, err);
    if (st != OK) return st;
    for (const char *const *dir = o->dirs; dir && *dir; dir++) {
        const char *path = path_absolute(&r->memory, *dir);
        if (!path) TRY(fail_nomem(err, "the search for plugins"));
        TRY(add_named(r, path, FOUND_DIRS, "plugin folder", err));
    }
    if (list && *list) TRY(add_environment(r, list, err));
    if (!o->no_environment) TRY(add_user(r, err));
    if (folder) TRY(add_optional(r, path_join(&r->memory, folder, "plugins"), FOUND_BUILD, err));
    TRY(add_system(r, folder, err));
done:
    return st;
}
