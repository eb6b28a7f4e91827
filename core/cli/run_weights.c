/* A run judges its best weights where early stopping puts them back, else its last ones. */
#include "cli/run_weights.h"

#include "base/file.h"

#include <string.h>

static bool ended_with_best(const session *s)
{
    const value *train = value_find(config_root(s->config), "train");
    const value *early = value_find(train, "early_stopping");
    const value *restores = value_find(early, "restore_best");
    return early && (!restores || restores->kind != VALUE_BOOL || restores->as.boolean);
}

status run_weights_choose(session *s, const char *asked, run_weights *out, error *err)
{
    const char *best = path_join(&s->memory, s->folder, "best.safetensors");
    const char *last = path_join(&s->memory, s->folder, "last.safetensors");
    if (!best || !last) {
        return fail_nomem(err, "a path");
    }
    *out = (run_weights){ asked, "" };
    if (!asked) asked = file_exists(best) && ended_with_best(s) ? "best" : "last";
    if (strcmp(asked, "best") == 0) {
        *out = (run_weights){ best, "the best weights: " };
    } else if (strcmp(asked, "last") == 0) {
        *out = (run_weights){ last, "the last weights: " };
    }
    if (!file_exists(out->path)) {
        return fail(err, E_MISSING,
            "%s: no such weights; they are written when a run ends: assay train --resume %s",
            out->path, s->folder);
    }
    return OK;
}
