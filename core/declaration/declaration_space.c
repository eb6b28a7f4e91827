/* Spaces that nobody wrote, and how spaces are written down.
 *
 * A declaration holds a space as texts in the compact form, one for each dimension, defaults included: what was searched then stays known
 * when a later component has other ranges. */
#include "declaration/declaration_internal.h"

#include <assay/plugin.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* -- default spaces -- */

static const struct {
    const char *block, *kind;
} blocks[] = {
    { "optimizer", ASSAY_KIND_OPTIMIZER },
    { "schedule", ASSAY_KIND_SCHEDULE },
    { "loss", ASSAY_KIND_LOSS },
    { "model", ASSAY_KIND_LAYER },
};

/* Without `compare` a default space is that of optimizer and schedule. */
static bool is_wanted(const declaration *d, const char *key)
{
    if (d->n_touchable) return key_is_permitted(d, key);
    return key_is_below(key, "optimizer") || key_is_below(key, "schedule");
}

/* Whether a key below the block may be wanted. */
static bool block_is_wanted(const declaration *d, const char *block)
{
    for (size_t i = 0; i < d->n_touchable; i++) {
        if (key_is_below(d->touchable[i], block)) return true;
    }
    return is_wanted(d, block);
}

static bool is_set(const contender *k, const char *key)
{
    const size_t n = strlen(key);
    for (size_t i = 0; i < k->n_overrides; i++) {
        const char *set = k->overrides[i];
        set += *set == '+' || *set == '~';
        if (strncmp(set, key, n) == 0 && (set[n] == '=' || set[n] == '\0')) return true;
    }
    return false;
}

/* The rows of a component that are wanted, as a table. */
static status add_rows(
    const declaration *d, contender *k, const hyper_table *all, const char *prefix, error *err)
{
    arena *a = &k->space.memory;
    assay_hyper *rows = arena_alloc_array(a, all->n, sizeof *rows);
    if (!rows) return fail_nomem(err, "a default space");
    hyper_table wanted = { rows, 0, sizeof *rows, all->bytes };
    for (size_t i = 0; i < all->n; i++) {
        const assay_hyper *h = hyper_row(all, i);
        const char *key = arena_printf(a, "%s.%s", prefix, h->name);
        if (!key) return fail_nomem(err, "a default space");
        if (!(h->flags & ASSAY_TUNE) || !is_wanted(d, key) || is_set(k, key)) continue;
        rows[wanted.n++] = *h;
    }
    return space_add_hypers(&k->space, &wanted, prefix, err);
}

static status add_item(
    reading *g, contender *k, const char *kind, value *item, const char *prefix, error *err)
{
    const value *type = item->kind == VALUE_GROUP ? value_find(item, "type") : item;
    const component *c;
    if (!type || type->kind != VALUE_STRING) return OK; /* the plan will say so */
    const status st = registry_find(g->r, kind, type->as.string, &type->at, &c, err);
    return st == OK ? add_rows(g->d, k, &c->hypers, prefix, err) : st;
}

static status add_block(reading *g, contender *k, const config *run, size_t i_block, error *err)
{
    status st = OK;
    value *block = value_find(config_root(run), blocks[i_block].block);
    if (!block || !block_is_wanted(g->d, blocks[i_block].block)) return OK;
    for (size_t i = 0; i < value_n_items(block); i++) {
        char prefix[64];
        const bool is_list = block->kind == VALUE_LIST;
        if (is_list) {
            snprintf(prefix, sizeof prefix, "%s[%zu]", blocks[i_block].block, i);
        } else {
            snprintf(prefix, sizeof prefix, "%s", blocks[i_block].block);
        }
        TRY(add_item(g, k, blocks[i_block].kind, value_item(block, i), prefix, err));
    }
done:
    return st;
}

static const workload *first_run(const declaration *d)
{
    for (size_t i = 0; i < d->n_workloads; i++) {
        if (d->workloads[i].kind == WORKLOAD_TRAIN) return &d->workloads[i];
    }
    return NULL;
}

status default_space(reading *g, contender *k, const origin *at, error *err)
{
    config *run = NULL;
    status st = OK;
    const workload *w = first_run(g->d);
    if (!w) {
        return fail_at(err, E_CONFLICT, at,
            "%s: a program has no default space: name what is searched",
            contender_label(k, ": search").s);
    }
    const label set = contender_label(k, ": set");
    TRY(workload_tree(w, NULL, 0, &run, err));
    for (size_t i = 0; i < k->n_overrides; i++)
        TRY(override_at(run, k->overrides[i], &k->at, set.s, err));
    TRY(registry_add_config(g->r, run, err));
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        TRY(add_block(g, k, run, i, err));
    for (size_t i = 0; i < k->space.n; i++)
        k->space.at[i] = *at;
    if (k->space.n == 0) {
        TRY(fail_at(err, E_MISSING, at,
            "%s: no component has a default range: name what is searched",
            contender_label(k, ": search").s));
    }
done:
    config_free(run);
    return st;
}

/* -- the compact form -- */

static void add_number(const assay_dimension *d, double v, text *t)
{
    if (d->type == ASSAY_SPACE_INT) {
        text_printf(t, "%.0f", v);
    } else {
        text_add_real(t, v);
    }
}

static void add_range(const assay_dimension *d, text *t)
{
    add_number(d, d->low, t);
    text_add(t, "..");
    add_number(d, d->high, t);
    if (d->log) text_add(t, ":log");
    if (d->step > 0) {
        text_add(t, ":step=");
        add_number(d, d->step, t);
    }
    if (isnan(d->prior_mean)) return;
    text_add(t, ":prior=");
    text_add_real(t, d->log ? exp(d->prior_mean) : d->prior_mean);
    text_add(t, "/");
    text_add_real(t, d->log ? d->prior_sd / log(10) : d->prior_sd);
}

/* The form has no escapes. */
static bool is_expressible(const char *written)
{
    size_t n = strlen(written);
    if (n >= 2 && written[0] == '"' && written[n - 1] == '"') {
        written++;
        n -= 2;
    }
    for (size_t i = 0; i < n; i++) {
        if (written[i] == '"' || written[i] == '\\' || (unsigned char)written[i] < ' ')
            return false;
        if (written[i] == '.' && written[i + 1] == '.') return false;
    }
    return true;
}

static status add_choices(const space *s, size_t i, text *t, error *err)
{
    for (size_t k = 0; k < s->dimensions[i].n_choices; k++) {
        if (!is_expressible(s->written[i][k])) {
            return fail_at(err, E_UNSUPPORTED, &s->at[i],
                "search space: %s: a study's choices have no quotes, backslashes or \"..\" inside, "
                "found %s",
                s->dimensions[i].name, s->written[i][k]);
        }
        text_printf(t, "%s%s", k ? "," : "", s->written[i][k]);
    }
    return OK;
}

static status add_condition(const space *s, size_t i, text *t, error *err)
{
    const assay_dimension *d = &s->dimensions[i];
    const assay_dimension *parent = &s->dimensions[d->parent];
    const char *before = "";
    text_printf(t, "?%s=", parent->name);
    for (uint64_t k = 0; k < parent->n_choices; k++) {
        if (!(d->parent_choices >> k & 1)) continue;
        if (strchr(parent->choices[k], ',')) {
            return fail_at(err, E_UNSUPPORTED, &s->at[i],
                "search space: %s: if: a choice with a comma cannot be a condition", d->name);
        }
        const bool is_quoted = strpbrk(parent->choices[k], " :?\t") != NULL;
        text_printf(t, "%s%s%s%s", before, is_quoted ? "\"" : "", parent->choices[k],
            is_quoted ? "\"" : "");
        before = ",";
    }
    return OK;
}

status dimension_text(const space *s, size_t i, text *t, error *err)
{
    status st = OK;
    const assay_dimension *d = &s->dimensions[i];
    text_printf(t, "%s=", d->name);
    if (d->type == ASSAY_SPACE_CATEGORY) {
        TRY(add_choices(s, i, t, err));
    } else {
        add_range(d, t);
    }
    if (d->parent != ASSAY_NO_PARENT) TRY(add_condition(s, i, t, err));
    TRY(text_check(t, err));
done:
    return st;
}
