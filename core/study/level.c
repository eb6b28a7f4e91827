/* Fails closed: less than what was asked for is taken only where somebody said so, or where nobody's code but assay's own can run. */
#include "study/level.h"

/* The first thing that brings plugins of others: a file on the search path, or a config that names some. NULL: there is none. */
static status find_other(
    const declaration *d, const registry *r, arena *a, const char **out, error *err)
{
    const value *root = d->config ? config_root(d->config) : NULL;
    *out = value_find(root, "plugins") ? "plugins of the study" : NULL;
    for (size_t i = 0; !*out && i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        if (plugin_file_is_own(f)) continue;
        *out = arena_strdup(a, f->path);
        if (!*out) return fail_nomem(err, "a sandbox");
    }
    for (size_t i = 0; !*out && i < d->n_workloads; i++) {
        const workload *w = &d->workloads[i];
        config *c = NULL;
        if (w->kind != WORKLOAD_TRAIN) continue;
        const status st = config_parse_as(w->path, w->written, &c, err);
        if (st != OK) return st;
        if (value_find(config_root(c), "plugins")) *out = "plugins of a workload";
        config_free(c);
    }
    return OK;
}

static status check_auto(
    const declaration *d, const sandbox_state *s, const char *program, error *err)
{
    status st = OK;
    arena a = { 0 };
    registry *r = NULL;
    const char *other;
    const registry_options o = { .program_path = program ? program : "/proc/self/exe" };
    TRY(registry_new(&o, &r, err));
    TRY(find_other(d, r, &a, &other, err));
    if (other) {
        TRY(fail(err, E_UNSUPPORTED,
            "sandbox \"auto\": strict is not possible here: %s; and plugins are in reach that do "
            "not come with assay: %s; nothing was run. Where they are trusted, study.sandbox.level "
            "= \"process\" guards against accidents",
            s->lacking, other));
    }
done:
    registry_free(r);
    arena_release(&a);
    return st;
}

status study_level(const declaration *d, const sandbox_state *s, const char *program,
    sandbox_level *out, error *err)
{
    status st = OK;
    *out = d->level;
    if (d->level != SANDBOX_STRICT || !(s->is_instrumented || s->lacking[0])) return OK;
    *out = SANDBOX_PROCESS;
    if (s->is_instrumented || d->falls_back) return OK;
    if (d->is_auto) {
        st = check_auto(d, s, program, err);
    } else {
        st = fail(err, E_UNSUPPORTED,
            "sandbox \"strict\" is not possible here: %s; nothing was run. Where all plugins are "
            "trusted, study.sandbox.fallback = \"process\" guards against accidents",
            s->lacking);
    }
    return st;
}
