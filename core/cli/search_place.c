/* Where a strategy runs. A process of its own at strict is the rule; less than that has to be asked for, or is said aloud. */
#ifdef ASSAY_HAS_STUDIES
#include "cli/search_place.h"

#include <string.h>

/* -- What comes with assay -- */

/* `type` may be "plugin:id". */
static bool is_shipped(const registry *r, const char *type)
{
    const char *colon = strchr(type, ':'), *id = colon ? colon + 1 : type;
    bool is_there = false;
    for (size_t i = 0; i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        for (size_t k = 0; k < f->n_components; k++) {
            if (strcmp(f->components[k].id, id) != 0) continue;
            if (!plugin_file_is_own(f)) return false; /* this one may be meant */
            is_there = true;
        }
    }
    return is_there;
}

/* Blocks in blocks, too. */
static const char *find_brought(const registry *r, const value *v)
{
    if (!v) return NULL;
    if (v->kind == VALUE_STRING && (!v->name || strcmp(v->name, "type") == 0)) {
        return is_shipped(r, v->as.string) ? NULL : v->as.string;
    }
    const bool has_items = v->kind == VALUE_GROUP || v->kind == VALUE_LIST;
    for (size_t i = 0; has_items && i < v->n; i++) {
        const value *item = v->item[i];
        const bool is_block = item->kind == VALUE_GROUP || item->kind == VALUE_LIST ||
            (item->name && strcmp(item->name, "type") == 0);
        const char *found = is_block ? find_brought(r, item) : NULL;
        if (found) return found;
    }
    return NULL;
}

static const char *find_in_block(const registry *r, const value *v)
{
    if (v && v->kind == VALUE_STRING) return is_shipped(r, v->as.string) ? NULL : v->as.string;
    return find_brought(r, v);
}

const char *place_find_brought(const registry *r, const value *strategy, const value *pruner)
{
    const char *found = find_in_block(r, strategy);
    return found ? found : find_in_block(r, pruner);
}

/* -- Choosing -- */

status place_choose(
    const char *wanted, const char *lacking, const char *brought, place_choice *out, error *err)
{
    const bool is_auto = strcmp(wanted, "auto") == 0;
    *out = (place_choice){ .level = SANDBOX_STRICT };
    if (!is_auto && strcmp(wanted, "strict") != 0)
        return sandbox_level_read(wanted, &out->level, err);
    if (!lacking[0]) return OK;
    if (!is_auto) {
        return fail(err, E_UNSUPPORTED,
            "--sandbox strict is not possible here: %s; nothing was run; --sandbox process guards "
            "against accidents",
            lacking);
    }
    if (brought) {
        return fail(err, E_UNSUPPORTED,
            "\"%s\" does not come with assay, and the strict sandbox is not possible here: %s; "
            "where "
            "you trust it, say --sandbox process",
            brought, lacking);
    }
    *out = (place_choice){ .level = SANDBOX_PROCESS, .is_less = true };
    return OK;
}

/* What was asked for; --debug is another word for none. */
static status read_options(const arguments *a, const char **out, error *err)
{
    const char *wanted = option_get(a, "sandbox");
    *out = wanted ? wanted : "auto";
    if (!option_has(a, "debug")) return OK;
    if (wanted && strcmp(wanted, "none") != 0) {
        return fail(err, E_USAGE,
            "--debug runs the strategy in this process, --sandbox %s does not", wanted);
    }
    *out = "none";
    return OK;
}

/* -- Opening -- */

static status choose(const cli *c, const char *wanted, const session *s, const sandbox_state *state,
    place_choice *out, error *err)
{
    const value *root = config_root(s->config);
    const char *brought =
        place_find_brought(s->registry, value_find(root, "strategy"), value_find(root, "pruner"));
    const status st = place_choose(wanted, state->lacking, brought, out, err);
    if (st == OK && out->is_less) {
        cli_warn(c,
            "the strict sandbox is not possible here: %s; the strategy comes with assay and runs "
            "in a process of its own without it",
            state->lacking);
    }
    return st;
}

/* Where not even a fork server can be had, assay's own plugins may run here. */
static status do_without(const cli *c, const char *wanted, const session *s, error *err)
{
    place_choice ignored;
    error why = *err;
    const value *root = config_root(s->config);
    const char *brought =
        place_find_brought(s->registry, value_find(root, "strategy"), value_find(root, "pruner"));
    if (strcmp(wanted, "auto") != 0) return err->code;
    const status st = place_choose(wanted, why.text, brought, &ignored, err);
    if (st == OK) {
        cli_warn(c,
            "no sandbox is possible here: %s; the strategy comes with assay and runs in this "
            "process",
            why.text);
    }
    return st;
}

status place_open(const cli *c, const arguments *a, const session *s, sandbox **out,
    search_place *out_place, error *err)
{
    status st = OK;
    arena scratch = { 0 };
    const char *wanted;
    place_choice choice = { .level = SANDBOX_NONE };
    *out = NULL;
    TRY(read_options(a, &wanted, err));
    if (strcmp(wanted, "none") == 0) goto done;
    const sandbox_options o = { .readable = registry_config_folders(s->registry, &scratch) };
    if (!o.readable) TRY(fail_nomem(err, "the sandbox"));
    st = sandbox_open(&o, out, err);
    if (st != OK) {
        *out = NULL;
        st = st == E_NOMEM ? st : do_without(c, wanted, s, err);
        goto done;
    }
    TRY(choose(c, wanted, s, sandbox_get_state(*out), &choice, err));
    *out_place = (search_place){ .sandbox = *out, .level = choice.level };
done:
    if (st != OK) {
        sandbox_close(*out);
        *out = NULL;
    }
    arena_release(&scratch);
    return st;
}
#else
typedef int no_studies; /* a file holds something */
#endif
