/* What contenders are tried on: configs of runs, taken in as text, and programs. */
#include "declaration/declaration_internal.h"

#include "base/file.h"
#include "train/options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct workload_keys {
    const char *name, *config, *folder;
    int64_t type;
};

static const char *const types[] = { "train", "command" };

static const assay_hyper workload_rows[] = {
    ASSAY_STRING(workload_keys, name, NULL, "the workload's name"),
    ASSAY_STRING(workload_keys, config, NULL, "the config of a run", .flags = ASSAY_PATH),
    ASSAY_STRING(workload_keys, folder, NULL, "where a program runs", .flags = ASSAY_PATH),
    ASSAY_ENUM(workload_keys, type, WORKLOAD_TRAIN, types, "a run, or a program"),
};

/* -- overrides -- */

status override_at(
    config *c, const char *assignment, const origin *at, const char *what, error *err)
{
    static const char before[] = "command line: ";
    error inner = { 0 };
    const status st = config_override(c, assignment, &inner);
    if (st == OK) return OK;
    const char *message = inner.text;
    if (strncmp(message, before, strlen(before)) == 0) message += strlen(before);
    return fail_at(err, st, at, "%s: %s", what, message);
}

status add_override(declaration *d, workload *w, const char *assignment, error *err)
{
    const char **all = arena_alloc_array(&d->memory, w->n_overrides + 1, sizeof *all);
    const char *copy = arena_strdup(&d->memory, assignment);
    if (!all || !copy) return fail_nomem(err, "an override");
    if (w->n_overrides) memcpy(all, w->overrides, w->n_overrides * sizeof *all);
    all[w->n_overrides] = copy;
    w->overrides = all;
    w->n_overrides++;
    return OK;
}

status workload_tree(
    const workload *w, const char *const *overrides, size_t n, config **out, error *err)
{
    config *c = NULL;
    char what[300];
    status st = OK;
    snprintf(what, sizeof what, "workload \"%s\": set", w->name);
    TRY(config_parse_as(w->path, w->written, &c, err));
    for (size_t i = 0; i < w->n_overrides; i++)
        TRY(override_at(c, w->overrides[i], &w->at, what, err));
    for (size_t i = 0; i < n; i++)
        TRY(config_override(c, overrides[i], err));
    *out = c;
    c = NULL;
done:
    config_free(c);
    return st;
}

/* -- runs -- */

/* Whether it can be a run at all; the rest is the plan's to say. */
static status check_run(const workload *w, const config *c, error *err)
{
    static const char *const needed[] = { "data", "model", "loss", "optimizer" };
    const origin whole = { w->path, 0 };
    status st = config_check_keys(c, err);
    if (st != OK) return st;
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (value_find(config_root(c), needed[i])) continue;
        return fail_at(
            err, E_MISSING, &whole, "workload \"%s\": there is no \"%s\"", w->name, needed[i]);
    }
    return OK;
}

static status load_run(const workload *w, config **out, error *err)
{
    error inner = { 0 };
    const status st = config_load(w->path, out, &inner);
    if (st == OK) return OK;
    if (st != E_IO) return fail(err, st, "%s", inner.text);
    return fail_at(err, st, &w->at, "workload \"%s\": %s", w->name, inner.text);
}

/* Everything of a run but its name; `folder` is where paths in overrides begin. */
static status take_run(reading *g, workload *w, const char *folder, error *err)
{
    config *c = NULL;
    status st = OK;
    if (!w->written) {
        TRY(load_run(w, &c, err)); /* what is wrong is told by the files' own lines */
        config_free(c);
        c = NULL;
        TRY(config_whole_text(&g->d->memory, w->path, true, &w->written, err));
        TRY(add_absolute_paths(g, w, folder, err));
    }
    TRY(workload_tree(w, NULL, 0, &c, err));
    TRY(check_run(w, c, err));
    g->has_runs = true;
done:
    config_free(c);
    return st;
}

static double epochs_of(const config *c)
{
    double steps, epochs = hyper_find(&train_table, "epochs")->def;
    const value *train = value_find(config_root(c), "train");
    if (!train || train->kind != VALUE_GROUP) return epochs;
    const value *v = value_find(train, "epochs"), *s = value_find(train, "steps");
    if (v && value_to_real(v, &epochs, NULL) != OK) return 0;
    if (s && (value_to_real(s, &steps, NULL) != OK || steps > 0)) return 0;
    return epochs;
}

/* A fidelity is a number of epochs, so a whole trial has as many as the study says. */
static status set_epochs(reading *g, workload *w, const config *c, error *err)
{
    char assignment[64];
    const declaration *d = g->d;
    w->epochs = epochs_of(c);
    if (!(d->max_fidelity > 0) || w->epochs == d->max_fidelity) return OK;
    if (d->max_fidelity != floor(d->max_fidelity)) {
        const value *v = value_find(value_find(g->study, "fidelity"), "max");
        return fail_at(err, E_RANGE, &v->at,
            "study: fidelity: max: a run has a whole number of epochs, found %g", d->max_fidelity);
    }
    const bool has_group = value_find(config_root(c), "train") != NULL;
    snprintf(assignment, sizeof assignment, "%strain.epochs=%.0f", has_group ? "" : "+",
        d->max_fidelity);
    w->epochs = d->max_fidelity;
    return add_override(g->d, w, assignment, err);
}

static status finish_run(reading *g, workload *w, error *err)
{
    config *c = NULL;
    status st = OK;
    TRY(workload_tree(w, NULL, 0, &c, err));
    TRY(set_epochs(g, w, c, err));
    const value *train = value_find(config_root(c), "train");
    const bool stops_early =
        train && train->kind == VALUE_GROUP && value_find(train, "early_stopping");
    if (stops_early && !g->d->takes_best) TRY(add_override(g->d, w, "~train.early_stopping", err));
done:
    config_free(c);
    return st;
}

status finish_workloads(reading *g, error *err)
{
    status st = OK;
    for (size_t i = 0; i < g->d->n_workloads; i++) {
        if (g->d->workloads[i].kind == WORKLOAD_TRAIN) {
            TRY(finish_run(g, &g->d->workloads[i], err));
        }
    }
done:
    return st;
}

/* -- programs -- */

/* The next place in {}: its name in out; false behind the last. *at moves on. */
static bool next_place(const char **at, char out[128], bool *out_is_open)
{
    *out_is_open = false;
    for (const char *p = *at; *p; p++) {
        if (*p != '{') continue;
        if (p[1] == '{') {
            p++;
            continue;
        }
        const char *end = strchr(p, '}');
        *out_is_open = end == NULL;
        if (!end) return true;
        snprintf(out, 128, "%.*s", (int)(end - p - 1 < 127 ? end - p - 1 : 127), p + 1);
        *at = end + 1;
        return true;
    }
    return false;
}

static bool gives(const contender *k, const char *name)
{
    if (space_find(&k->space, name) < k->space.n) return true;
    for (size_t i = 0; i < k->n_overrides; i++) {
        const size_t n = strlen(name);
        if (strncmp(k->overrides[i], name, n) == 0 && k->overrides[i][n] == '=') return true;
    }
    return false;
}

static status check_place(
    const workload *w, const contender *k, const char *word, const char *name, error *err)
{
    const char *known[66] = { "seed", "fidelity" };
    size_t n = 2;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, known[i]) == 0) return OK;
    }
    if (gives(k, name)) return OK;
    for (size_t i = 0; i < k->space.n && n < 66; i++)
        known[n++] = k->space.dimensions[i].name;
    const guess near = guess_of(name, known, n);
    return fail_at(err, E_UNKNOWN, &w->at,
        "workload \"%s\": command: \"%s\": %s neither searches nor sets \"%s\"%s", w->name, word,
        *k->name ? contender_label(k, "").s : "the study", name, near.s);
}

static status check_word(const declaration *d, const workload *w, const char *word, error *err)
{
    char name[128];
    bool is_open;
    for (const char *at = word; next_place(&at, name, &is_open);) {
        if (is_open) {
            return fail_at(err, E_PARSE, &w->at,
                "workload \"%s\": command: \"%s\": a { is not closed; a { of its own is written {{",
                w->name, word);
        }
        for (size_t i = 0; i < d->n_contenders; i++) {
            const status st = check_place(w, &d->contenders[i], word, name, err);
            if (st != OK) return st;
        }
    }
    return OK;
}

status check_commands(const declaration *d, error *err)
{
    status st = OK;
    for (size_t i = 0; i < d->n_workloads; i++) {
        const workload *w = &d->workloads[i];
        for (size_t k = 0; k < w->n_argv; k++)
            TRY(check_word(d, w, w->argv[k], err));
    }
done:
    return st;
}

static status take_command(
    reading *g, const value *block, const struct workload_keys *keys, workload *w, error *err)
{
    char what[300];
    value *v = value_find(block, "command");
    const value *extra = value_find(block, "config");
    status st = OK;
    if (!extra) extra = value_find(block, "set");
    snprintf(what, sizeof what, "workload \"%s\": command", w->name);
    if (extra) {
        TRY(fail_at(err, E_CONFLICT, &extra->at, "%s: a program has no \"%s\"", what, extra->name));
    }
    if (!v) {
        TRY(fail_at(err, E_MISSING, &block->at,
            "%s is missing: expected command = [\"./program\", \"--lr\", \"{lr}\"]", what));
    }
    TRY(read_words(g->d, v, what, &w->argv, &w->n_argv, err));
    if (w->n_argv == 0 || !*w->argv[0]) {
        TRY(fail_at(err, E_RANGE, &v->at, "%s: the program's name is missing", what));
    }
    const char *dir = keys->folder ? keys->folder : value_dir(g->d->config, block);
    w->folder = dir ? path_absolute(&g->d->memory, dir) : NULL;
    if (!w->folder) TRY(fail_nomem(err, what));
done:
    return st;
}

/* -- the list -- */

static status check_unique(const declaration *d, size_t n, const workload *w, error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(d->workloads[i].name, w->name) != 0) continue;
        return fail_at(err, E_CONFLICT, &w->at,
            "study: there are two workloads named \"%s\": give each a `name` of its own", w->name);
    }
    return OK;
}

static status take_train(
    reading *g, value *block, const struct workload_keys *keys, workload *w, error *err)
{
    char what[300];
    const value *extra = value_find(block, "command");
    value *set = value_find(block, "set"), *written = value_find(block, "text");
    status st = OK;
    if (!w->name && keys->config) {
        w->name = config_base_name(&g->d->memory, keys->config);
        if (!w->name) return fail_nomem(err, "a workload");
    }
    snprintf(what, sizeof what, "workload \"%s\"", w->name ? w->name : "");
    if (extra) {
        TRY(fail_at(err, E_CONFLICT, &extra->at, "%s: a run has no \"command\"", what));
    }
    if (!keys->config) {
        TRY(fail_at(err, E_MISSING, &block->at,
            "%s: config is missing: expected config = \"run.cfg\", or type = \"command\"", what));
    }
    w->path = keys->config;
    if (written) TRY(value_to_string(written, &w->written, err));
    snprintf(what, sizeof what, "workload \"%s\": set", w->name ? w->name : "");
    if (set) TRY(read_words(g->d, set, what, &w->overrides, &w->n_overrides, err));
done:
    return st;
}

static status read_workload(reading *g, value *block, workload *w, error *err)
{
    static const char *const known[] = { "set", "command", "text", NULL };
    static const char *const of_users[] = { "set", "command", NULL };
    const hyper_table table = HYPER_TABLE(workload_keys, workload_rows);
    const hyper_bind_options o = {
        .what = "study: workloads", .noun = "key", .reserved = g->path ? of_users : known
    };
    struct workload_keys keys;
    status st = OK;
    if (block->kind != VALUE_GROUP) {
        return fail_at(err, E_TYPE, &block->at,
            "study: workloads: expected groups as in { config = \"run.cfg\"; }");
    }
    if (value_find(block, "command") && !value_find(block, "type")) {
        value *type = value_add(g->d->config, block, "type");
        if (!type) return fail_nomem(err, "a workload");
        type->kind = VALUE_STRING;
        type->as.string = "command";
        type->at = block->at;
    }
    w->at = block->at;
    const value *folder = value_find(block, "folder");
    TRY(hyper_bind(g->d->config, block, &table, &o, &keys, NULL, err));
    w->kind = (workload_kind)keys.type;
    w->name = keys.name;
    if (w->kind == WORKLOAD_TRAIN && folder) {
        TRY(fail_at(err, E_CONFLICT, &folder->at,
            "study: workloads: a run begins in the folder of its config: leave out folder"));
    }
    if (w->kind == WORKLOAD_COMMAND && !w->name) {
        TRY(fail_at(err, E_MISSING, &block->at, "study: workloads: a program needs a name"));
    }
    TRY(w->kind == WORKLOAD_TRAIN ? take_train(g, block, &keys, w, err)
                                  : take_command(g, block, &keys, w, err));
    TRY(check_store_name(w->name, "workloads", &w->at, err));
    if (w->kind == WORKLOAD_TRAIN) TRY(take_run(g, w, value_dir(g->d->config, block), err));
done:
    return st;
}

/* The file itself is the run. */
static status take_own_file(reading *g, error *err)
{
    declaration *d = g->d;
    workload *w = arena_alloc(&d->memory, sizeof *w);
    const value *root = config_root(d->config);
    if (!g->path || (!value_find(root, "data") && !value_find(root, "model"))) {
        return fail_at(err, E_MISSING, &g->study->at,
            "study: workloads is missing, and this file describes no run by itself: expected "
            "workloads = ( { config = \"run.cfg\"; } )");
    }
    if (!w) return fail_nomem(err, "a workload");
    *w = (workload){ .kind = WORKLOAD_TRAIN,
        .at = { root->at.file, 0 },
        .path = path_absolute(&d->memory, g->path),
        .name = config_base_name(&d->memory, g->path),
        .overrides = g->run_overrides,
        .n_overrides = g->n_run_overrides };
    if (!w->path || !w->name) return fail_nomem(err, "a workload");
    d->workloads = w;
    d->n_workloads = 1;
    return take_run(g, w, ".", err);
}

status read_workloads(reading *g, error *err)
{
    declaration *d = g->d;
    status st = OK;
    value *list = value_find(g->study, "workloads");
    if (!list) return take_own_file(g, err);
    if (g->n_run_overrides) {
        return fail(err, E_CONFLICT,
            "%s: the workloads have files of their own: say it in a workload's `set`, or as "
            "study.workloads[0].set",
            g->run_overrides[0]);
    }
    const size_t n = value_n_items(list);
    if (list->kind != VALUE_LIST || n == 0) {
        return fail_at(err, list->kind == VALUE_LIST ? E_RANGE : E_TYPE, &list->at,
            "study: workloads: expected a list of groups as in ( { config = \"run.cfg\"; } )");
    }
    d->workloads = arena_alloc_array(&d->memory, n, sizeof *d->workloads);
    if (!d->workloads) return fail_nomem(err, "workloads");
    for (size_t i = 0; i < n; i++) {
        TRY(read_workload(g, list->item[i], &d->workloads[i], err));
        TRY(check_unique(d, i, &d->workloads[i], err));
    }
    d->n_workloads = n;
done:
    return st;
}
