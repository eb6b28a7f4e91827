/* Paths that would change their meaning when a config becomes one text.
 *
 * A relative path begins in the folder of the file that holds it. Of what is included from elsewhere, and of overrides, that folder is
 * lost, so an override says the absolute path. Which values are paths is told by the tables; a dataset's is asked for only where one of its
 * texts comes from elsewhere. */
#include "study/declaration_internal.h"

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
    TRY(take_paths(&p, err));
done:
    config_free(p.run);
    return st;
}
