/* The block `study`: every key with its type, range, default and doc, read by the binder that reads a plugin's.
 *
 * What a default depends on (how many contenders there are, what else was written) is put into the tree before the table is read. */
#include "declaration/declaration_internal.h"
#include "declaration/keys.h"

#include "base/file.h"
#include "registry/hyper.h"

#include <assay/plugin.h>

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_REPEATS = 5, DEFAULT_EVALUATIONS = 10 };

struct study_keys {
    const char *name, *control, *metric, *judged;
    int64_t direction, value, seed, repeats, evaluations, parallel;
};

static const char *const direction_words[] = { "auto", "min", "max" };
static const char *const value_words[] = { "last", "best" };

static const assay_hyper study_rows[] = {
    ASSAY_STRING(study_keys, name, NULL, "the study's name in a store"),
    ASSAY_STRING(study_keys, control, NULL, "the contender that the others are held against"),
    ASSAY_STRING(study_keys, metric, "validation.loss", "what tuning is after"),
    ASSAY_STRING(study_keys, judged, NULL, "what evaluations are compared by"),
    ASSAY_ENUM(study_keys, direction, 0, direction_words,
        "whether less or more of the metric is better; auto: as the metric is known to be"),
    ASSAY_ENUM(study_keys, value, 0, value_words,
        "of the last weights, without early stopping; or at the best check, with it"),
    ASSAY_INT(study_keys, seed, 1, 0, 0x1p53, "of strategies and trials"),
    ASSAY_INT(
        study_keys, repeats, 1, 1, 1e6, "of the whole tuning; 5 where contenders are compared"),
    ASSAY_INT(study_keys, evaluations, 0, 0, 1e6,
        "fresh seeds on which the winner of each tuning is run from scratch; 10 where contenders "
        "are compared"),
    ASSAY_INT(
        study_keys, parallel, 4, 1, 1e6, "trials of one search that may be under way at once"),
};

/* What a table cannot say in full: groups, lists, and what may be one or the other. */
static const assay_hyper written_rows[] = {
    { .name = "search",
        .type = ASSAY_TYPE_STRING,
        .doc = "what is searched: NAME=LOW..HIGH or NAME=A,B,C, a list of such texts, a group, or "
               "\"default\"" },
    { .name = "set",
        .type = ASSAY_TYPE_STRINGS,
        .def_string = "",
        .doc = "overrides of the one contender" },
    { .name = "contenders",
        .type = ASSAY_TYPE_STRING,
        .doc = "a list of groups with name, set and search: who is compared" },
    { .name = "compare",
        .type = ASSAY_TYPE_STRING,
        .doc = "what contenders may differ in: optimizers, schedules, models, losses, batches, "
               "strategies, or a list of keys" },
    { .name = "workloads",
        .type = ASSAY_TYPE_STRING,
        .doc = "a list of groups: config, name, set of a run; name, command, folder of a program; "
               "none: the file itself" },
    { .name = "strategy",
        .type = ASSAY_TYPE_STRING,
        .doc = "who proposes trials: a name, or a group with type; random where contenders or "
               "tunings are compared, else auto" },
    { .name = "pruner",
        .type = ASSAY_TYPE_STRING,
        .doc = "who ends trials early: a name, or a group with type" },
};

const hyper_table study_written_table = HYPER_DOCS(written_rows);
const hyper_table study_table = { study_rows, sizeof study_rows / sizeof study_rows[0],
    sizeof(assay_hyper), sizeof(struct study_keys) };

guess guess_of(const char *word, const char *const *known, size_t n)
{
    guess g = { "" };
    const char *near = text_nearest(word, known, n);
    if (near) snprintf(g.s, sizeof g.s, ": did you mean \"%s\"?", near);
    return g;
}

status study_fail_expected(const value *v, const char *what, const char *expected, error *err)
{
    text found = { 0 };
    value_describe(v, &found);
    const status st = fail_at(err, E_TYPE, &v->at, "%s: expected %s, found %s", what, expected,
        found.s ? found.s : "something else");
    text_release(&found);
    return st;
}

status study_group(config *c, value *parent, const char *name, value **out, error *err)
{
    text path = { 0 };
    status st = OK;
    value *v = value_find(parent, name);
    if (!v) {
        v = value_add(c, parent, name);
        if (!v) return fail_nomem(err, name);
        v->kind = VALUE_GROUP;
    }
    if (v->kind != VALUE_GROUP) {
        value_path(v, &path);
        st = study_fail_expected(v, path.s ? path.s : name, "a group { ... }", err);
        text_release(&path);
        return st;
    }
    *out = v;
    return OK;
}

status read_words(
    declaration *d, value *v, const char *what, const char *const **out, size_t *out_n, error *err)
{
    if (v->kind != VALUE_STRING && v->kind != VALUE_LIST) {
        return study_fail_expected(v, what, "a text or a list of them", err);
    }
    const size_t n = value_n_items(v);
    const char **words = arena_alloc_array(&d->memory, n, sizeof *words);
    if (!words) return fail_nomem(err, what);
    for (size_t i = 0; i < n; i++) {
        const value *word = value_item(v, i);
        if (word->kind != VALUE_STRING) {
            return study_fail_expected(word, what, "a text in quotes", err);
        }
        words[i] = word->as.string;
    }
    *out = words;
    *out_n = n;
    return OK;
}

status check_store_name(const char *name, const char *what, const origin *at, error *err)
{
    const size_t n = strlen(name);
    if (n == 0) return fail_at(err, E_RANGE, at, "study: %s: the name is empty", what);
    if (n > 200) {
        return fail_at(err, E_RANGE, at,
            "study: %s: the name has %zu bytes, at most 200 are possible", what, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (name[i] != '/' && !iscntrl((unsigned char)name[i])) continue;
        return fail_at(err, E_RANGE, at,
            "study: %s: a name has no \"/\" and no control characters, found \"%s\"", what, name);
    }
    return OK;
}

/* -- defaults that depend on something -- */

static status default_value(config *c, value *group, const char *key, value **out, error *err)
{
    *out = NULL;
    if (value_find(group, key)) return OK;
    *out = value_add(c, group, key);
    return *out ? OK : fail_nomem(err, key);
}

status study_default_int(config *c, value *group, const char *key, int64_t v, error *err)
{
    value *made;
    const status st = default_value(c, group, key, &made, err);
    if (!made) return st;
    made->kind = VALUE_INT;
    made->as.integer = v;
    return OK;
}

static status default_string(config *c, value *group, const char *key, const char *v, error *err)
{
    value *made;
    const status st = default_value(c, group, key, &made, err);
    if (!made) return st;
    made->kind = VALUE_STRING;
    made->as.string = v;
    return OK;
}

const char *config_base_name(arena *a, const char *path)
{
    const char *base = path_base(path);
    const size_t n = strlen(base);
    const bool is_config = n > 4 && strcmp(base + n - 4, ".cfg") == 0;
    return arena_strndup(a, base, is_config ? n - 4 : n);
}

static status read_name(reading *g, const char *name, error *err)
{
    const value *v = value_find(g->study, "name");
    declaration *d = g->d;
    d->name = g->o && g->o->name ? g->o->name : name;
    if (!d->name && g->path) d->name = config_base_name(&d->memory, g->path);
    if (!d->name) return fail_at(err, E_MISSING, &g->study->at, "study: name is missing");
    d->name = arena_strdup(&d->memory, d->name);
    if (!d->name) return fail_nomem(err, "a study's name");
    return check_store_name(d->name, "name", v ? &v->at : &g->study->at, err);
}

/* Whether a run has early stopping. */
static status find_early_stopping(const declaration *d, bool *out, error *err)
{
    *out = false;
    for (size_t i = 0; i < d->n_workloads && !*out; i++) {
        config *c = NULL;
        if (d->workloads[i].kind != WORKLOAD_TRAIN) continue;
        const status st = workload_tree(&d->workloads[i], NULL, 0, &c, err);
        if (st != OK) return st;
        const value *train = value_find(config_root(c), "train");
        *out = train && train->kind == VALUE_GROUP && value_find(train, "early_stopping");
        config_free(c);
    }
    return OK;
}

static status read_keys(reading *g, struct study_keys *out, error *err)
{
    static const char *const reserved[] = { "compare", "contenders", "search", "set", "workloads",
        "strategy", "pruner", "budget", "fidelity", "sandbox", "retry", NULL };
    const hyper_bind_options o = { .what = "study", .noun = "key", .reserved = reserved };
    config *c = g->d->config;
    status st = OK;
    bool stops_early;
    TRY(find_early_stopping(g->d, &stops_early, err));
    TRY(study_default_int(c, g->study, "repeats", g->compares ? DEFAULT_REPEATS : 1, err));
    TRY(study_default_int(c, g->study, "evaluations", g->compares ? DEFAULT_EVALUATIONS : 0, err));
    TRY(default_string(c, g->study, "value", !g->compares && stops_early ? "best" : "last", err));
    TRY(hyper_bind(c, g->study, &study_table, &o, out, NULL, err));
done:
    return st;
}

/* -- strategy and pruner -- */

/* Whether a component is there that can be used; nothing is loaded. */
static bool has_component(const registry *r, const char *kind, const char *id)
{
    for (size_t i = 0; i < registry_count(r); i++) {
        const plugin_file *f = registry_file(r, i);
        for (size_t k = 0; !f->refused && k < f->n_components; k++) {
            const component_info *c = &f->components[k];
            if (strcmp(c->kind, kind) == 0 && strcmp(c->id, id) == 0 && !c->refused) return true;
        }
    }
    return false;
}

status check_component(reading *g, const value *v, const char *kind, error *err)
{
    const value *type = v->kind == VALUE_GROUP ? value_find(v, "type") : v;
    const component *found;
    if (!type || type->kind != VALUE_STRING) {
        char what[64];
        snprintf(what, sizeof what, "study: %s", v->name);
        return study_fail_expected(v, what, "a name or a group with a type", err);
    }
    const char *colon = strchr(type->as.string, ':');
    if (!g->path || has_component(g->r, kind, colon ? colon + 1 : type->as.string)) return OK;
    return registry_find(g->r, kind, type->as.string, &type->at, &found, err);
}

static const char *default_strategy(const reading *g)
{
    if (g->compares || g->d->n_repeats > 1) return "random";
    if (has_component(g->r, ASSAY_KIND_SEARCH, "auto")) return "auto";
    return has_component(g->r, ASSAY_KIND_SEARCH, "tpe") ? "tpe" : "random";
}

static status read_strategy(reading *g, error *err)
{
    declaration *d = g->d;
    status st = OK;
    TRY(default_string(d->config, g->study, "strategy", default_strategy(g), err));
    d->strategy = value_find(g->study, "strategy");
    TRY(check_component(g, d->strategy, ASSAY_KIND_SEARCH, err));
    d->pruner = value_find(g->study, "pruner");
    if (d->pruner) TRY(check_component(g, d->pruner, ASSAY_KIND_PRUNER, err));
done:
    return st;
}

static void take_keys(declaration *d, const struct study_keys *keys)
{
    d->takes_best = keys->value != 0;
    d->seed = (uint64_t)keys->seed;
    d->n_repeats = (uint64_t)keys->repeats;
    d->n_evaluations = (uint64_t)keys->evaluations;
    d->parallel = (uint64_t)keys->parallel;
    d->metric = keys->metric;
    d->judged = keys->judged;
    d->direction = keys->direction == 2 ? STORE_MAXIMIZE : STORE_MINIMIZE;
}

status read_settings(reading *g, error *err)
{
    struct study_keys keys;
    status st = OK;
    TRY(read_keys(g, &keys, err));
    take_keys(g->d, &keys);
    TRY(read_name(g, keys.name, err));
    TRY(read_limits(g, err));
    TRY(read_strategy(g, err));
done:
    return st;
}

/* -- what is measured -- */

static status fail_direction(const reading *g, const char *metric, const char *key, error *err)
{
    const value *v = value_find(g->study, key);
    return fail_at(err, E_MISSING, v ? &v->at : &g->study->at,
        "study: %s: whether less of \"%s\" is better is not known: say direction = \"min\" or "
        "\"max\"",
        key, metric);
}

static status find_judged(reading *g, error *err)
{
    declaration *d = g->d;
    if (d->judged) return OK;
    const bool is_validation = strncmp(d->metric, "validation.", 11) == 0;
    d->judged = g->has_runs && is_validation ? arena_printf(&d->memory, "test.%s", d->metric + 11)
                                             : d->metric;
    return d->judged ? OK : fail_nomem(err, "the judged metric");
}

static const char *last_part(const char *metric)
{
    const char *dot = strrchr(metric, '.');
    return dot ? dot + 1 : metric;
}

static status find_directions(reading *g, error *err)
{
    status st = OK;
    declaration *d = g->d;
    const value *v = value_find(g->study, "direction");
    const bool is_told = v && v->kind == VALUE_STRING && strcmp(v->as.string, "auto") != 0;
    bool is_known = is_told;
    if (!is_told) TRY(metric_direction(d, d->metric, &is_known, &d->direction, err));
    if (!is_known) TRY(fail_direction(g, d->metric, "metric", err));
    d->judged_direction = d->direction;
    if (strcmp(last_part(d->metric), last_part(d->judged)) == 0) return OK;
    TRY(metric_direction(d, d->judged, &is_known, &d->judged_direction, err));
    if (!is_known && !is_told) TRY(fail_direction(g, d->judged, "judged", err));
done:
    return st;
}

status read_judgement(reading *g, error *err)
{
    declaration *d = g->d;
    status st = OK;
    const value *metric = value_find(g->study, "metric"), *judged = value_find(g->study, "judged");
    TRY(check_metric(d, d->metric, "metric", &metric->at, err));
    TRY(find_judged(g, err));
    TRY(check_metric(d, d->judged, "judged", judged ? &judged->at : &metric->at, err));
    TRY(find_directions(g, err));
done:
    return st;
}
