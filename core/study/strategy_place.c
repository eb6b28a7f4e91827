/* Strategies need their plugins' files and nothing else. */
#include "study/strategy_place.h"

#include "study/level.h"

status strategy_place_open(const registry *r, const declaration *d, const char *program,
    search_place *out_place, sandbox **out_sandbox, error *err)
{
    status st = OK;
    arena scratch = { 0 };
    sandbox *s = NULL;
    *out_place = (search_place){ .level = SANDBOX_NONE };
    *out_sandbox = NULL;
    if (d->level == SANDBOX_NONE) return OK;
    const sandbox_options o = { .program = program,
        .readable = registry_config_folders(r, &scratch) };
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
