/* Strategies need their plugins' files and nothing else. */
#include "study/strategy_place.h"

#include "study/level.h"

#include <string.h>

/* The folders of plugins that the config names, NULL-terminated. */
static const char *const *folders_of(const registry *r, arena *a)
{
    size_t n = 0;
    const char **out = arena_alloc_array(a, registry_count(r) + 1, sizeof *out);
    for (size_t i = 0; out && i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        if (strcmp(f->found_by, "config") != 0) continue;
        const char *slash = strrchr(f->path, '/');
        const size_t length = slash && slash != f->path ? (size_t)(slash - f->path) : 1;
        out[n] = arena_strndup(a, f->path, length);
        if (!out[n++]) return NULL;
    }
    return out;
}

status strategy_place_open(const registry *r, const declaration *d, const char *program,
    search_place *out_place, sandbox **out_sandbox, error *err)
{
    status st = OK;
    arena scratch = { 0 };
    sandbox *s = NULL;
    *out_place = (search_place){ .level = SANDBOX_NONE };
    *out_sandbox = NULL;
    if (d->level == SANDBOX_NONE) return OK;
    const sandbox_options o = { .program = program, .readable = folders_of(r, &scratch) };
    if (!o.readable) TRY(fail_nomem(err, "a sandbox"));
    TRY(sandbox_open(&o, &s, err));
    TRY(study_level(d, sandbox_get_state(s), program, &out_place->level, err));
    out_place->sandbox = s;
    *out_sandbox = s;
    s = NULL;
done:
    sandbox_close(s);
    arena_release(&scratch);
    return st;
}
