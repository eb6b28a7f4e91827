/* Who is compared: what each sets, and the space that is searched for it. */
#include "declaration/declaration_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct contender_keys {
    const char *name;
    int64_t trials;
};

static const assay_hyper contender_rows[] = {
    ASSAY_STRING(contender_keys, name, NULL, "the contender's name"),
    ASSAY_INT(contender_keys, trials, 0, 0, 0x1p53, "trials of one tuning; 0: the study's"),
};

label contender_label(const contender *k, const char *key)
{
    label l;
    if (*k->name) {
        snprintf(l.s, sizeof l.s, "contender \"%s\"%s", k->name, key);
    } else {
        snprintf(l.s, sizeof l.s, "study%s", key);
    }
    return l;
}

/* Names that an override, a program's word and the compact form can all have. */
static status check_dimensions(const contender *k, error *err)
{
    for (size_t i = 0; i < k->space.n; i++) {
        const char *name = k->space.dimensions[i].name;
        if (!name[strcspn(name, " \t\n\"=?:,{}~+")]) continue;
        return fail_at(err, E_RANGE, &k->space.at[i],
            "%s: search: a name has letters, digits, \"_\", \".\" and [0] alone, "
            "found \"%s\"",
            contender_label(k, "").s, name);
    }
    return OK;
}

static status take_search(reading *g, contender *k, const value *search, error *err)
{
    if (search && search->kind == VALUE_STRING && strcmp(search->as.string, "default") == 0) {
        return default_space(g, k, &search->at, err);
    }
    return search ? space_add_block(&k->space, search, NULL, err) : OK;
}

static status take_sweeps(reading *g, contender *k, error *err)
{
    status st = OK;
    for (size_t i = 0; g->o && i < g->o->n_sweeps; i++) {
        TRY(space_add_text(
            &k->space, g->o->sweeps[i], &(origin){ "command line: --sweep", 0 }, err));
    }
done:
    return st;
}

/* A contender's blocks are in `block`: its group, or `study` itself. */
static status take_blocks(reading *g, value *block, contender *k, error *err)
{
    const label what = contender_label(k, ": set");
    value *set = value_find(block, "set");
    const value *search = value_find(block, "search");
    const bool sweeps = g->o && g->o->n_sweeps > 0;
    typing types = { .g = g, .contender = k };
    status st = OK;
    space_init(&k->space);
    if (!set && !search && !sweeps && block != g->study) {
        TRY(fail_at(err, E_MISSING, &block->at,
            "contender \"%s\": expected set, search or both; set = [] takes the workload as it is",
            k->name));
    }
    if (set) TRY(read_words(g->d, set, what.s, &k->overrides, &k->n_overrides, err));
    if (g->path) { /* what is read back says what it is */
        k->space.is_real = typing_is_real;
        k->space.is_real_self = &types;
    }
    TRY(take_search(g, k, search, err));
    TRY(take_sweeps(g, k, err));
    if (types.ran_out) TRY(fail_nomem(err, "a space"));
    TRY(check_dimensions(k, err));
    if (block == g->study && k->space.n == 0) {
        TRY(fail_at(err, E_MISSING, &g->study->at,
            "study: there is nothing to search: give search, contenders, or --sweep on the command "
            "line"));
    }
done:
    k->space.is_real = NULL;
    k->space.is_real_self = NULL;
    typing_release(&types);
    return st;
}

/* A strategy of its own, where strategies are what is compared. */
static status take_strategy(reading *g, value *block, uint64_t trials, contender *k, error *err)
{
    const declaration *d = g->d;
    value *strategy = value_find(block, "strategy");
    k->has_own_search = strategy || trials;
    if (k->has_own_search && !(d->compare && strcmp(d->compare, "strategies") == 0)) {
        return fail_at(err, E_CONFLICT, strategy ? &strategy->at : &block->at,
            "contender \"%s\": strategy and trials are its own only where compare = "
            "\"strategies\"; otherwise all are searched alike",
            k->name);
    }
    k->strategy = strategy ? strategy : d->strategy;
    k->trials = k->space.n == 0 ? 1 : trials ? trials : d->budget_trials;
    return strategy ? check_component(g, strategy, ASSAY_KIND_SEARCH, err) : OK;
}

static status read_contender(reading *g, value *block, contender *k, error *err)
{
    static const char *const reserved[] = { "set", "search", "strategy", NULL };
    const hyper_table table = HYPER_TABLE(contender_keys, contender_rows);
    const hyper_bind_options o = {
        .what = "study: contenders", .noun = "key", .reserved = reserved
    };
    struct contender_keys keys;
    status st = OK;
    if (block->kind != VALUE_GROUP) {
        return fail_at(err, E_TYPE, &block->at,
            "study: contenders: expected groups as in { name = \"adam\"; set = [...]; }");
    }
    k->at = block->at;
    TRY(hyper_bind(g->d->config, block, &table, &o, &keys, NULL, err));
    if (!keys.name && g->compares) {
        TRY(fail_at(err, E_MISSING, &block->at, "study: contenders: name is missing"));
    }
    k->name = keys.name ? keys.name : "";
    if (g->compares || *k->name) TRY(check_store_name(k->name, "contenders", &k->at, err));
    TRY(take_blocks(g, block, k, err));
    TRY(take_strategy(g, block, (uint64_t)keys.trials, k, err));
done:
    return st;
}

static status check_unique(const declaration *d, size_t n, error *err)
{
    const contender *k = &d->contenders[n];
    for (size_t i = 0; i < n; i++) {
        if (strcmp(d->contenders[i].name, k->name) != 0) continue;
        return fail_at(
            err, E_CONFLICT, &k->at, "study: there are two contenders named \"%s\"", k->name);
    }
    return OK;
}

static status read_list(reading *g, value *list, error *err)
{
    static const char *const single[] = { "search", "set" };
    declaration *d = g->d;
    status st = OK;
    for (size_t i = 0; i < 2; i++) {
        const value *v = value_find(g->study, single[i]);
        if (!v) continue;
        return fail_at(err, E_CONFLICT, &v->at,
            "study: %s: where there are contenders, each has its own", single[i]);
    }
    d->contenders = arena_alloc_array(&d->memory, list->n, sizeof *d->contenders);
    if (!d->contenders) return fail_nomem(err, "contenders");
    for (size_t i = 0; i < list->n; i++) {
        d->n_contenders = i + 1; /* its space is released, whatever happens */
        TRY(read_contender(g, list->item[i], &d->contenders[i], err));
        TRY(check_unique(d, i, err));
    }
done:
    return st;
}

static status find_control(reading *g, error *err)
{
    declaration *d = g->d;
    const char *name, *names[64];
    size_t n = 0;
    const value *v = value_find(g->study, "control");
    status st = v ? value_to_string(v, &name, err) : OK;
    if (!v || st != OK) return st;
    for (size_t i = 0; i < d->n_contenders; i++) {
        d->control = i;
        if (strcmp(d->contenders[i].name, name) == 0) return OK;
        if (n < 64) names[n++] = d->contenders[i].name;
    }
    const guess near = guess_of(name, names, n);
    return fail_at(
        err, E_UNKNOWN, &v->at, "study: control: there is no contender \"%s\"%s", name, near.s);
}

status read_contenders(reading *g, error *err)
{
    declaration *d = g->d;
    status st = OK;
    value *list = value_find(g->study, "contenders");
    if (list) {
        TRY(read_list(g, list, err));
    } else {
        d->contenders = arena_alloc(&d->memory, sizeof *d->contenders);
        if (!d->contenders) return fail_nomem(err, "contenders");
        d->n_contenders = 1;
        d->contenders[0].name = "";
        d->contenders[0].at = g->study->at;
        TRY(take_blocks(g, g->study, &d->contenders[0], err));
        d->contenders[0].strategy = d->strategy;
        d->contenders[0].trials = d->contenders[0].space.n ? d->budget_trials : 1;
    }
    TRY(find_control(g, err));
done:
    return st;
}

/* -- checks -- */

/* No key is set twice, or set and searched. */
static status check_keys(const declaration *d, const contender *k, error *err)
{
    status st = OK;
    arena scratch = { 0 };
    const char **keys = arena_alloc_array(&scratch, k->n_overrides, sizeof *keys);
    if (!keys) TRY(fail_nomem(err, "a contender's keys"));
    for (size_t i = 0; i < k->n_overrides; i++) {
        keys[i] = override_key(&scratch, k->overrides[i]);
        if (!keys[i]) TRY(fail_nomem(err, "a contender's keys"));
        TRY(check_key(d, k, keys[i], &k->at, err));
        for (size_t n = 0; n < i; n++) {
            if (strcmp(keys[n], keys[i]) != 0) continue;
            TRY(fail_at(
                err, E_CONFLICT, &k->at, "%s: %s is set twice", contender_label(k, "").s, keys[i]));
        }
        const size_t at = space_find(&k->space, keys[i]);
        if (at == k->space.n) continue;
        TRY(fail_at(err, E_CONFLICT, &k->space.at[at], "%s: %s is both set and searched",
            contender_label(k, "").s, keys[i]));
    }
    for (size_t i = 0; i < k->space.n; i++)
        TRY(check_key(d, k, k->space.dimensions[i].name, &k->space.at[i], err));
done:
    arena_release(&scratch);
    return st;
}

/* Every override of the contender has a place in the run; of its space, a point in the middle. */
static status try_overrides(const contender *k, const workload *w, error *err)
{
    config *c = NULL;
    text t = { 0 };
    status st = OK;
    double *x = malloc((k->space.n + 1) * sizeof *x);
    if (!x) return fail_nomem(err, "a point");
    for (size_t i = 0; i < k->space.n; i++)
        x[i] = (double)NAN;
    (void)space_repair(&k->space, x);
    TRY(workload_tree(w, NULL, 0, &c, err));
    const label set = contender_label(k, ": set"), search = contender_label(k, ": search");
    for (size_t i = 0; i < k->n_overrides; i++)
        TRY(override_at(c, k->overrides[i], &k->at, set.s, err));
    for (size_t i = 0; i < k->space.n; i++) {
        if (isnan(x[i])) continue;
        text_clear(&t);
        space_override(&k->space, i, x[i], &t);
        TRY(text_check(&t, err));
        TRY(override_at(c, t.s, &k->space.at[i], search.s, err));
    }
done:
    text_release(&t);
    free(x);
    config_free(c);
    return st;
}

status check_contenders(reading *g, error *err)
{
    const declaration *d = g->d;
    status st = OK;
    for (size_t i = 0; i < d->n_contenders; i++) {
        TRY(check_keys(d, &d->contenders[i], err));
        for (size_t k = 0; k < d->n_workloads; k++) {
            if (d->workloads[k].kind != WORKLOAD_TRAIN) continue;
            TRY(try_overrides(&d->contenders[i], &d->workloads[k], err));
        }
    }
    TRY(check_commands(d, err));
done:
    return st;
}
