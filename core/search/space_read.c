/* How a space is read from blocks of a config and from tables of hyperparameters. */
#include "search/space_draft.h"

#include <string.h>

enum { MOST_NESTING = 32 };

/* -- blocks -- */

static bool is_number(const value *v)
{
    return v->kind == VALUE_INT || v->kind == VALUE_REAL;
}

static status fail_value(const draft *d, const value *v, const char *expected, error *err)
{
    text t = { 0 };
    value_describe(v, &t);
    const status st = REFUSE(d, err, E_TYPE, "expected %s, found %s", expected, t.s ? t.s : "?");
    text_release(&t);
    return st;
}

static status take_choice(space *s, draft *d, const value *v, error *err)
{
    status st = OK;
    text t = { 0 };
    if (v->kind == VALUE_GROUP || v->kind == VALUE_LIST) {
        return fail_value(d, v, "a choice: a string, a number or true or false", err);
    }
    value_to_text(v, &t);
    TRY(text_check(&t, err));
    TRY(draft_add_choice(s, d, v->kind == VALUE_STRING ? v->as.string : t.s, t.s, err));
done:
    text_release(&t);
    return st;
}

static status take_choices(space *s, draft *d, const value *list, error *err)
{
    status st = OK;
    if (list->kind != VALUE_LIST || list->n == 0) {
        return fail_value(d, list, "a list of choices", err);
    }
    for (size_t i = 0; i < list->n; i++)
        TRY(take_choice(s, d, list->item[i], err));
done:
    return st;
}

static status take_end(const value *v, double *out, bool *out_has, error *err)
{
    *out_has = true;
    return value_to_real(v, out, err);
}

/* Two numbers are a range, anything else are choices. */
static status take_list(space *s, draft *d, const value *v, error *err)
{
    status st = OK;
    if (v->n == 2 && is_number(v->item[0]) && is_number(v->item[1])) {
        TRY(take_end(v->item[0], &d->low, &d->has_low, err));
        TRY(take_end(v->item[1], &d->high, &d->has_high, err));
        d->is_whole = v->item[0]->kind == VALUE_INT && v->item[1]->kind == VALUE_INT;
    } else {
        TRY(take_choices(s, d, v, err));
    }
done:
    return st;
}

static status take_prior(draft *d, const value *v, error *err)
{
    status st = OK;
    if (v->kind != VALUE_LIST || v->n != 2) {
        return fail_value(d, v, "a prior [mean, deviation]", err);
    }
    TRY(value_to_real(v->item[0], &d->prior_mean, err));
    TRY(value_to_real(v->item[1], &d->prior_sd, err));
done:
    return st;
}

static status take_type(draft *d, const value *v, error *err)
{
    const char *type;
    const status st = value_to_string(v, &type, err);
    if (st != OK) return st;
    d->is_int = strcmp(type, "int") == 0;
    d->is_real = strcmp(type, "real") == 0;
    return d->is_int || d->is_real ? OK : fail_value(d, v, "\"int\" or \"real\"", err);
}

static status take_key(space *s, draft *d, const value *v, error *err)
{
    static const char *const known[] = { "low", "high", "log", "step", "type", "choices", "prior",
        "if", "name" };
    status st = OK;
    if (strcmp(v->name, "low") == 0) {
        st = take_end(v, &d->low, &d->has_low, err);
    } else if (strcmp(v->name, "high") == 0) {
        st = take_end(v, &d->high, &d->has_high, err);
    } else if (strcmp(v->name, "log") == 0) {
        st = value_to_bool(v, &d->is_log, err);
    } else if (strcmp(v->name, "step") == 0) {
        st = value_to_real(v, &d->step, err);
        if (st == OK && !(d->step > 0)) st = fail_value(d, v, "a step above 0", err);
    } else if (strcmp(v->name, "type") == 0) {
        st = take_type(d, v, err);
    } else if (strcmp(v->name, "choices") == 0) {
        st = take_choices(s, d, v, err);
    } else if (strcmp(v->name, "prior") == 0) {
        st = take_prior(d, v, err);
    } else if (strcmp(v->name, "if") == 0) {
        st = value_to_string(v, &d->condition, err);
    } else if (strcmp(v->name, "name") == 0) {
        st = value_to_string(v, &d->name, err);
    } else {
        const char *nearest = text_nearest(v->name, known, sizeof known / sizeof known[0]);
        st = fail_at(err, E_UNKNOWN, &v->at, "search space: %s: unknown key \"%s\"%s%s%s", d->name,
            v->name, nearest ? ": did you mean \"" : "", nearest ? nearest : "",
            nearest ? "\"?" : "");
    }
    return st;
}

static bool is_dimension(const value *group)
{
    return value_find(group, "low") || value_find(group, "high") || value_find(group, "choices");
}

static status take_group(space *s, draft *d, const value *v, error *err)
{
    status st = OK;
    const value *low = value_find(v, "low"), *high = value_find(v, "high");
    d->is_whole = low && high && low->kind == VALUE_INT && high->kind == VALUE_INT;
    for (size_t i = 0; i < v->n; i++)
        TRY(take_key(s, d, v->item[i], err));
done:
    return st;
}

static status add_group(space *s, const value *group, const char *prefix, int depth, error *err);

static status add_value(space *s, const value *v, const char *prefix, int depth, error *err)
{
    status st = OK;
    const char *name = *prefix ? arena_printf(&s->memory, "%s.%s", prefix, v->name) : v->name;
    if (!name) return fail_nomem(err, "the search space");
    draft d = draft_new(name, prefix, &v->at);
    if (v->kind == VALUE_GROUP && !is_dimension(v)) return add_group(s, v, name, depth + 1, err);
    if (v->kind == VALUE_STRING) {
        char *spec = arena_strdup(&s->memory, v->as.string);
        if (!spec) return fail_nomem(err, name);
        spec_strip(spec);
        return draft_add_spec(s, &d, spec, err);
    }
    if (v->kind == VALUE_GROUP) {
        TRY(take_group(s, &d, v, err));
    } else if (v->kind == VALUE_LIST && v->n > 0) {
        TRY(take_list(s, &d, v, err));
    } else {
        TRY(fail_value(
            &d, v, "a range [low, high], choices, a group of them or \"LOW..HIGH\"", err));
    }
    TRY(draft_add(s, &d, err));
done:
    return st;
}

static status add_group(space *s, const value *group, const char *prefix, int depth, error *err)
{
    status st = OK;
    if (depth > MOST_NESTING) {
        return fail_at(err, E_RANGE, &group->at, "search space: groups are nested too deep");
    }
    for (size_t i = 0; i < group->n; i++)
        TRY(add_value(s, group->item[i], prefix, depth, err));
done:
    return st;
}

status space_add_block(space *s, const value *block, const char *prefix, error *err)
{
    status st = OK;
    const char *before = prefix ? prefix : "";
    const draft whole = draft_new("", before, &block->at);
    if (block->kind == VALUE_GROUP) return add_group(s, block, before, 0, err);
    if (block->kind == VALUE_STRING) {
        return space_add_text_below(s, block->as.string, before, &block->at, err);
    }
    if (block->kind != VALUE_LIST) {
        return fail_value(&whole, block, "a group or a text", err);
    }
    for (size_t i = 0; i < block->n; i++) {
        const value *v = block->item[i];
        if (v->kind != VALUE_STRING) TRY(fail_value(&whole, v, "a text", err));
        TRY(space_add_text_below(s, v->as.string, before, &v->at, err));
    }
done:
    return st;
}

/* -- tables of hyperparameters -- */

static status take_hyper(space *s, draft *d, const assay_hyper *h, error *err)
{
    status st = OK;
    d->low = h->tune_min;
    d->high = h->tune_max;
    switch (h->type) {
    case ASSAY_TYPE_REAL:
    case ASSAY_TYPE_INT:
        d->has_low = d->has_high = true;
        d->is_int = h->type == ASSAY_TYPE_INT;
        d->is_real = !d->is_int;
        d->is_log = (h->flags & ASSAY_LOG) != 0;
        break;
    case ASSAY_TYPE_BOOL:
        TRY(draft_add_choice(s, d, "false", "false", err));
        TRY(draft_add_choice(s, d, "true", "true", err));
        break;
    case ASSAY_TYPE_ENUM:
        for (uint64_t k = 0; k < h->n_choices; k++) {
            const char *quoted_choice = arena_printf(&s->memory, "\"%s\"", h->choices[k]);
            if (!quoted_choice) return fail_nomem(err, d->name);
            TRY(draft_add_choice(s, d, h->choices[k], quoted_choice, err));
        }
        break;
    default: TRY(REFUSE(d, err, E_UNSUPPORTED, "a list or text has no default search range"));
    }
    TRY(draft_add(s, d, err));
done:
    return st;
}

status space_add_hypers(space *s, const hyper_table *table, const char *prefix, error *err)
{
    status st = OK;
    for (size_t i = 0; i < table->n; i++) {
        const assay_hyper *h = hyper_row(table, i);
        if (!(h->flags & ASSAY_TUNE)) continue;
        const char *name =
            prefix && *prefix ? arena_printf(&s->memory, "%s.%s", prefix, h->name) : h->name;
        if (!name) TRY(fail_nomem(err, h->name));
        draft d = draft_new(name, prefix, NULL);
        TRY(take_hyper(s, &d, h, err));
    }
done:
    return st;
}
