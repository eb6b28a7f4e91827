/* Paths that would change their meaning when a config becomes one text.
 *
 * A relative path begins in the folder of the file that holds it. Of what is included from elsewhere, and of overrides, that folder is
 * lost, so an override says the absolute path. Which values are paths is told by the tables; a dataset's is asked for only where one of its
 * texts comes from elsewhere.
 *
 * Plugins that the study's own file names are named for every run, too: contenders are mostly what they bring. */
#include "declaration/declaration_internal.h"

#include "base/file.h"
#include "train/options.h"

#include <assay/plugin.h>

#include <stdio.h>
#include <string.h>

typedef struct path_search {
    reading *g;
    workload *w;
    config *run;
    const char *home; /* the folder of the workload's file */
    const char *folder; /* where paths of overrides begin */
} path_search;

/* The folder in which a value's path begins; NULL: in the workload's own. */
static const char *begins_in(const path_search *p, const value *v)
{
    if (v->kind != VALUE_STRING || v->as.string[0] == '/' || v->is_default) return NULL;
    const bool is_typed = v->at.line == 0;
    const char *dir = is_typed ? p->folder : value_dir(p->run, v);
    dir = dir ? path_absolute(&p->g->d->memory, dir) : NULL;
    return dir && strcmp(dir, p->home) != 0 ? dir : NULL;
}

/* In the tree, too, as plugins are looked for there. */
static status take_path(const path_search *p, value *v, error *err)
{
    text t = { 0 };
    status st = OK;
    const char *dir = begins_in(p, v);
    if (!dir) return OK;
    const char *joined = path_join(&p->g->d->memory, dir, v->as.string);
    const char *absolute = joined ? path_absolute(&p->g->d->memory, joined) : NULL;
    if (!absolute) return fail_nomem(err, "a path");
    v->as.string = absolute;
    value_path(v, &t);
    text_add(&t, "=");
    value_to_text(v, &t);
    TRY(text_check(&t, err));
    TRY(add_override(p->g->d, p->w, t.s, err));
done:
    text_release(&t);
    return st;
}

static status take_table(const path_search *p, value *group, const hyper_table *table, error *err)
{
    status st = OK;
    for (size_t i = 0; i < table->n; i++) {
        const assay_hyper *h = hyper_row(table, i);
        value *v = h->flags & ASSAY_PATH ? value_find(group, h->name) : NULL;
        if (v) TRY(take_path(p, v, err));
    }
done:
    return st;
}

static status take_data(const path_search *p, value *data, error *err)
{
    status st = OK;
    const component *c;
    bool is_foreign = false;
    if (!data || data->kind != VALUE_GROUP) return OK;
    for (size_t i = 0; i < data->n; i++) {
        const value *v = data->item[i];
        is_foreign = is_foreign || (strcmp(v->name, "type") != 0 && begins_in(p, v));
    }
    const value *type = value_find(data, "type");
    if (!is_foreign || !type || type->kind != VALUE_STRING) return OK;
    TRY(registry_add_config(p->g->r, p->run, err));
    TRY(registry_find(p->g->r, ASSAY_KIND_DATASET, type->as.string, &type->at, &c, err));
    TRY(take_table(p, data, &c->hypers, err));
done:
    return st;
}

static status take_paths(const path_search *p, error *err)
{
    status st = OK;
    value *root = config_root(p->run), *plugins = value_find(root, "plugins");
    value *train = value_find(root, "train");
    for (size_t i = 0; i < value_n_items(plugins); i++)
        TRY(take_path(p, value_item(plugins, i), err));
    if (train && train->kind == VALUE_GROUP) TRY(take_table(p, train, &train_table, err));
    TRY(take_data(p, value_find(root, "data"), err));
done:
    return st;
}

/* -- plugins of the study -- */

/* A plugin's path as seen from everywhere; NULL: memory is out. */
static const char *absolute_plugin(const path_search *p, config *c, const value *v)
{
    arena *a = &p->g->d->memory;
    const char *dir = v->at.line == 0 ? p->folder : value_dir(c, v);
    const char *joined =
        v->as.string[0] == '/' || !dir ? v->as.string : path_join(a, dir, v->as.string);
    return joined ? path_absolute(a, joined) : NULL;
}

/* Adds those of a list that are not among paths[*n]. */
static status collect_plugins(
    const path_search *p, config *c, value *list, const char **paths, size_t *n, error *err)
{
    for (size_t i = 0; i < value_n_items(list); i++) {
        bool is_there = false;
        const value *v = value_item(list, i);
        if (v->kind != VALUE_STRING) continue; /* the registry says so, with its line */
        const char *path = absolute_plugin(p, c, v);
        if (!path) return fail_nomem(err, "a plugin's path");
        for (size_t k = 0; k < *n; k++)
            is_there = is_there || strcmp(paths[k], path) == 0;
        if (!is_there) paths[(*n)++] = path;
    }
    return OK;
}

static status add_study_plugins(const path_search *p, error *err)
{
    status st = OK;
    text t = { 0 };
    size_t n = 0;
    config *study = p->g->d->config;
    value *ours = value_find(config_root(study), "plugins");
    value *theirs = value_find(config_root(p->run), "plugins");
    const size_t most = value_n_items(ours) + value_n_items(theirs);
    const char **paths = arena_alloc_array(&p->g->d->memory, most + 1, sizeof *paths);
    if (!paths) return fail_nomem(err, "plugins");
    TRY(collect_plugins(p, p->run, theirs, paths, &n, err));
    const size_t n_theirs = n;
    TRY(collect_plugins(p, study, ours, paths, &n, err));
    if (n == n_theirs) goto done;
    for (size_t i = 0; i < n; i++) {
        const value path = { .kind = VALUE_STRING, .as.string = paths[i] };
        text_add(&t, i ? ", " : "plugins=[");
        value_to_text(&path, &t);
    }
    text_add(&t, "]");
    TRY(text_check(&t, err));
    TRY(config_override(p->run, t.s, err));
    TRY(add_override(p->g->d, p->w, t.s, err));
done:
    text_release(&t);
    return st;
}

status add_absolute_paths(reading *g, workload *w, const char *folder, error *err)
{
    status st = OK;
    path_search p = { .g = g, .w = w, .folder = folder };
    const char *dir = path_dir(&g->d->memory, w->path);
    p.home = dir ? path_absolute(&g->d->memory, dir) : NULL;
    if (!p.home || !folder) return fail_nomem(err, "a path");
    TRY(config_load(w->path, &p.run, err));
    for (size_t i = 0, n = w->n_overrides; i < n; i++) {
        char what[300];
        snprintf(what, sizeof what, "workload \"%s\": set", w->name);
        TRY(override_at(p.run, w->overrides[i], &w->at, what, err));
    }
    TRY(add_study_plugins(&p, err));
    TRY(take_paths(&p, err));
done:
    config_free(p.run);
    return st;
}
