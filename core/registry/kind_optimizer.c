/* What an optimizer must fulfil beside having its callbacks: slots that the host can lay out, metrics
 * that it can name, special cases whose texts it can read. Found here, a mistake of the author's has
 * a name before anybody trains with it. */
#include "registry/internal.h"

#include <math.h>
#include <string.h>

/* Item `i` of a plugin's table, walked by its stride. */
static const void *item_at(const void *table, uint64_t i, uint64_t stride)
{
    return (const char *)table + i * stride;
}

/* -- slots -- */

#define TYPE_BIT(type) (1u << (type))

static status check_slot_hyper(const component *c, const assay_slot *s, const char *field,
    const char *name, unsigned types, const char *types_text, error *why)
{
    if (!name) return OK;
    const assay_hyper *row = hyper_find(&c->hypers, name);
    if (row && (types & TYPE_BIT(row->type))) return OK;
    return fail(why, E_PLUGIN,
        "slot \"%s\": `%s` names \"%s\", which is no hyperparameter of type %s", s->name, field,
        name, types_text);
}

/* What rules out whether and how large a slot is. */
static status check_slot_size(const assay_slot *s, error *why)
{
    const uint64_t known = ASSAY_SLOT_MATRICES | ASSAY_SLOT_PER_BLOCK | ASSAY_SLOT_SCRATCH;
    if (s->shape > ASSAY_SLOT_MODEL) {
        return fail(why, E_PLUGIN, "slot \"%s\": unknown shape %llu", s->name,
            (unsigned long long)s->shape);
    }
    if (s->flags & ~known) {
        return fail(why, E_PLUGIN, "slot \"%s\": unknown flags 0x%llx", s->name,
            (unsigned long long)(s->flags & ~known));
    }
    if (s->flags && s->shape == ASSAY_SLOT_MODEL) {
        return fail(why, E_PLUGIN,
            "slot \"%s\": %s is for slots of a tensor, not for ASSAY_SLOT_MODEL", s->name,
            s->flags & ASSAY_SLOT_MATRICES      ? "ASSAY_SLOT_MATRICES"
                : s->flags & ASSAY_SLOT_SCRATCH ? "ASSAY_SLOT_SCRATCH"
                                                : "ASSAY_SLOT_PER_BLOCK");
    }
    if (s->shape == ASSAY_SLOT_MODEL && (s->times || s->when)) {
        return fail(why, E_PLUGIN,
            "slot \"%s\": `%s` is for slots of a tensor, not for ASSAY_SLOT_MODEL: there is always "
            "one double",
            s->name, s->times ? "times" : "when");
    }
    const bool has_side = s->shape >= ASSAY_SLOT_ROWS &&
        s->shape <= ASSAY_SLOT_COLS_COLS; /* that a limit can be of */
    if (s->limit && !has_side) {
        return fail(why, E_PLUGIN,
            "slot \"%s\": `limit` is for the shapes ROWS, COLS, ROWS_ROWS and COLS_COLS", s->name);
    }
    return OK;
}

static status check_slot(const component *c, const assay_optimizer *o, uint64_t i, error *why)
{
    const assay_slot *s = item_at(o->slots, i, o->slot_stride);
    if (!is_id(s->name)) {
        return fail(why, E_PLUGIN,
            "slot %llu: its name is not lower-case letters, digits and underscores",
            (unsigned long long)i);
    }
    for (uint64_t k = 0; k < i; k++) {
        const assay_slot *other = item_at(o->slots, k, o->slot_stride);
        if (strcmp(other->name, s->name) == 0) {
            return fail(why, E_CONFLICT, "slot \"%s\" is declared twice", s->name);
        }
    }
    status st = OK;
    TRY(check_slot_size(s, why));
    TRY(check_slot_hyper(c, s, "times", s->times, TYPE_BIT(ASSAY_TYPE_INT), "INT", why));
    TRY(check_slot_hyper(c, s, "limit", s->limit, TYPE_BIT(ASSAY_TYPE_INT), "INT", why));
    TRY(check_slot_hyper(c, s, "when", s->when,
        TYPE_BIT(ASSAY_TYPE_BOOL) | TYPE_BIT(ASSAY_TYPE_INT) | TYPE_BIT(ASSAY_TYPE_ENUM) |
            TYPE_BIT(ASSAY_TYPE_REAL),
        "BOOL, INT, ENUM or REAL", why));
done:
    return st;
}

/* -- metrics -- */

static status check_metric_row(const assay_optimizer *o, uint64_t i, error *why)
{
    const assay_metric_row *m = item_at(o->metrics, i, o->metric_stride);
    if (!is_id(m->name)) {
        return fail(why, E_PLUGIN,
            "metric %llu: its name is not lower-case letters, digits and underscores",
            (unsigned long long)i);
    }
    for (uint64_t k = 0; k < i; k++) {
        const assay_metric_row *other = item_at(o->metrics, k, o->metric_stride);
        if (strcmp(other->name, m->name) == 0) {
            return fail(why, E_CONFLICT, "metric \"%s\" is declared twice", m->name);
        }
    }
    return OK;
}

/* -- special cases -- */

/* A key of `when` must be a row of the component's own, with a value that it takes; the others are passed over for the moment. */
static status check_setting(
    const component *c, config *of, value *settings, const value *v, error *why)
{
    const assay_hyper *row = hyper_find(&c->hypers, v->name);
    if (!row) {
        return fail(why, E_PLUGIN, "`when` sets \"%s\", which is no hyperparameter of it", v->name);
    }
    if (row->type == ASSAY_TYPE_COMPONENT) return OK; /* only a registry could say */
    const hyper_table one = { row, 1, c->hypers.stride, c->hypers.bytes };
    arena *a = config_arena(of);
    void *room = arena_alloc(a, c->hypers.bytes);
    const char **keys = arena_alloc_array(a, settings->n + 1, sizeof *keys);
    if (!room || !keys) return fail_nomem(why, "a special case");
    for (size_t i = 0; i < settings->n; i++)
        keys[i] = settings->item[i]->name;
    const hyper_bind_options o = { .what = "hyperparameter", .reserved = keys };
    return hyper_bind(of, settings, &one, &o, room, NULL, why);
}

/* Settings as in a config; those of the other component cannot be judged here, it may not be installed. */
static status check_settings(
    const component *c, const char *name, const char *written, bool is_own, error *why)
{
    config *tree = NULL;
    if (!written) {
        return fail(why, E_PLUGIN, "`%s` is NULL: write \"\" where there is nothing to set", name);
    }
    status st = config_parse(name, written, &tree, why);
    if (st != OK) return st;
    value *settings = config_root(tree);
    for (size_t i = 0; is_own && st == OK && i < settings->n; i++)
        st = check_setting(c, tree, settings, settings->item[i], why);
    config_free(tree);
    return st;
}

static status check_special_case(const component *c, const assay_special_case *s, error *why)
{
    status st = OK;
    if (!is_id(s->of)) return fail(why, E_PLUGIN, "`of` is not the id of an optimizer");
    if (!s->doc || !s->doc[0]) return fail(why, E_PLUGIN, "it has no doc, which says why it holds");
    if (!(s->tolerance >= 0) || isinf(s->tolerance)) {
        return fail(why, E_PLUGIN, "its tolerance is not a finite number >= 0");
    }
    TRY(check_settings(c, "when", s->when, true, why));
    TRY(check_settings(c, "as", s->as, false, why));
done:
    return st;
}

static status check_special_cases(const component *c, error *why)
{
    const assay_optimizer *o = c->ops;
    status st = table_check("special cases", o->special_cases, o->n_special_cases,
        o->special_case_stride, END_OF(assay_special_case, doc), why);
    for (uint64_t i = 0; st == OK && i < o->n_special_cases; i++) {
        error reason = { 0 };
        st = check_special_case(c, item_at(o->special_cases, i, o->special_case_stride), &reason);
        if (st == E_NOMEM) return fail_nomem(why, "a special case");
        if (st != OK) {
            return fail(why, E_PLUGIN, "special case %llu: %s", (unsigned long long)i, reason.text);
        }
    }
    return st;
}

/* -- as a whole -- */

static status check_optimizer_callbacks(const assay_optimizer *o, error *why)
{
    const int n_tiers = (o->elem != NULL) + (o->tensor != NULL) + (o->model != NULL);
    if (n_tiers != 1) {
        return fail(why, E_PLUGIN,
            "exactly one of elem, tensor and model must be given, it has %d%s", n_tiers,
            n_tiers ? "" : " (in C++, look for a misspelt name or other arguments)");
    }
    const int n_state =
        (o->create != NULL) + (o->destroy != NULL) + (o->save != NULL) + (o->load != NULL);
    if (n_state != 0 && n_state != 4) {
        return fail(why, E_PLUGIN,
            "create, destroy, save and load must be given all or not at all, it has %d", n_state);
    }
    if (o->n_sums > 0 && !o->reduce) {
        return fail(
            why, E_PLUGIN, "n_sums is %llu but there is no reduce", (unsigned long long)o->n_sums);
    }
    if (o->reduce && o->n_sums == 0) {
        return fail(why, E_PLUGIN, "it has reduce but n_sums is 0");
    }
    if (o->reduce && !o->elem) {
        return fail(why, E_PLUGIN, "reduce belongs to the tier elem, which it does not have");
    }
    return OK;
}

status check_optimizer(const component *c, error *why)
{
    const assay_optimizer *o = c->ops;
    status st = OK;
    TRY(check_optimizer_callbacks(o, why));
    TRY(table_check("slots", o->slots, o->n_slots, o->slot_stride, END_OF(assay_slot, flags), why));
    for (uint64_t i = 0; i < o->n_slots; i++)
        TRY(check_slot(c, o, i, why));
    TRY(table_check("metrics", o->metrics, o->n_metrics, o->metric_stride,
        END_OF(assay_metric_row, per_tensor), why));
    for (uint64_t i = 0; i < o->n_metrics; i++)
        TRY(check_metric_row(o, i, why));
    TRY(check_special_cases(c, why));
done:
    return st;
}
